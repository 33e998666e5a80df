// SPDX-License-Identifier: Apache-2.0
/// Attributes that release what a scope owns, on every way out of it.
///
/// `cleanup_free char *path = xasprintf(...);`  `cleanup_close int fd = open(...);`
/// Types of our own bring theirs: cleanup_buffer, cleanup_secret, cleanup_json_document, ...
/// errno is kept as it was. Give a variable its value where it is declared.
#pragma once

#include <dirent.h>
#include <stdio.h>

#define cleanup_free __attribute__((cleanup(cleanup_freep)))
#define cleanup_close __attribute__((cleanup(cleanup_closep)))
#define cleanup_fclose __attribute__((cleanup(cleanup_fclosep)))
#define cleanup_closedir __attribute__((cleanup(cleanup_closedirp)))

/// The attributes' functions; `pointer` is the address of the variable.
void cleanup_freep(void *pointer);
/// Closes a descriptor that is not negative.
void cleanup_closep(const int *fd);
void cleanup_fclosep(FILE **file);
void cleanup_closedirp(DIR **directory);

/// Takes a descriptor out of its variable, which holds -1 from then on.
int steal_fd(int *fd);
/// Takes a pointer out of its variable (given by its address), which holds NULL from then on.
void *steal_pointer(void *pointer);
