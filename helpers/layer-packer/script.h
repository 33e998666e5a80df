// SPDX-License-Identifier: Apache-2.0
/// The `#!` line of a script, read as the kernel does.
/// Source: https://man7.org/linux/man-pages/man2/execve.2.html, fs/binfmt_script.c
#pragma once

#include <stdbool.h>

#include "common/slice.h"

/// As many bytes of a file the kernel looks at.
enum { SCRIPT_HEAD = 256 };

/// Borrowed from the head.
struct script {
    /// A path as it stands there.
    struct slice interpreter;
    /// All behind it, as one argument; may be empty.
    struct slice argument;
};

/// Tells whether a file that begins with `head` is meant to be one: it begins with `#!`, be it
/// behind a byte order mark.
bool script_is(struct slice head);
/// Reads the line of `head`, the file's first SCRIPT_HEAD bytes or all of it. Says why the kernel
/// cannot run it, for a message, or NULL.
const char *script_parse(struct slice head, struct script *script);
/// For a script whose interpreter is env: puts the program that env looks for in PATH, or runs at
/// its path, into `program`; empty where that cannot be told. Says why env does not find it, or
/// NULL.
const char *script_parse_env(struct slice argument, struct slice *program);
