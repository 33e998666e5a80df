// SPDX-License-Identifier: Apache-2.0
/// The header lines of a message as one text, "Name: value\n" after "Name: value\n", as a client
/// reads them and a server sends them. Slices that come out lie in the text that went in.
#pragma once

#include <stdbool.h>

#include "common/slice.h"

/// Of a message: a request's or an answer's header lines.
enum { HTTP_LARGEST_HEAD = 128 * 1024 };

/// Goes on to the next header, name and value trimmed; false after the last one. `*rest` is zeroed
/// at first: `struct slice rest = {0}, name, value; while (http_head_next(head, &rest, ...))`.
/// A line without a colon is passed over.
bool http_head_next(struct slice head, struct slice *rest, struct slice *name, struct slice *value);
/// The first header of that name, in upper or lower case; false, and an empty value, where there is
/// none.
bool http_head_find(struct slice head, struct slice name, struct slice *value);

/// Whether a message may have this header: nothing in it may begin a header of its own.
/// Source: RFC 9110, 5.1 and 5.5
bool http_header_is_valid(struct slice name, struct slice value);
/// Whether whoever passes a message on passes this header on, too: not where it belongs to one
/// connection or one server, nor where whoever sends a message makes it.
/// Source: RFC 9110, 7.6.1; RFC 7838, 3
bool http_header_is_passed_on(struct slice name);
