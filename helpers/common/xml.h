// SPDX-License-Identifier: Apache-2.0
/// The text of one element in an AWS answer: not an XML parser, but strict about what it takes.
#pragma once

#include <stdbool.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/slice.h"

/// Appends the text of the first element called `name` to `text`, entities decoded, CDATA
/// sections and line ends as they are. Fails (code "xml") where there is none, or if it holds
/// elements, an unknown entity, or does not end. Comments and the insides of other elements' texts
/// are not taken for elements.
bool xml_element_text(struct slice document, const char *name, struct buffer *text,
                      struct error *err);
