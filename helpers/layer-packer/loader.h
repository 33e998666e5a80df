// SPDX-License-Identifier: Apache-2.0
/// Does the dynamic loader in Lambda bring a program together with its libraries? Goes its way: the
/// libraries of a program, breadth first, each looked for in the DT_RPATH of who needs it and of
/// those that brought that in, LD_LIBRARY_PATH as Lambda sets it (the image's own folders first,
/// then /var/task, /var/task/lib and /opt/lib), and DT_RUNPATH.
/// Sources: https://man7.org/linux/man-pages/man8/ld.so.8.html,
/// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
#pragma once

#include "layer-packer/contents.h"
#include "layer-packer/provided.h"
#include "layer-packer/warnings.h"

struct loader;

/// Borrows all that it is given. `more` and `warnings` may be NULL.
struct loader *loader_new(const struct contents *contents, const struct provided_more *more,
                          struct warnings *warnings) __attribute__((returns_nonnull));
void loader_destroy(struct loader *loader);

/// Refuses a program whose libraries are not all found, or which needs, itself or through them,
/// a version of symbols that the found library does not have.
bool loader_check_program(struct loader *loader, const struct entry *program, struct error *err);
/// Refuses a library, whoever loads it, that needs a version of symbols which neither the image's
/// library nor any of that name in the tree has.
bool loader_check_library(struct loader *loader, const struct entry *library, struct error *err);
