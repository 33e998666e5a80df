// SPDX-License-Identifier: Apache-2.0
/// The rules of the filter (filter.h) as a program of the kernel's BPF machine
/// (Documentation/userspace-api/seccomp_filter.rst).
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <sys/types.h>

enum { FILTER_PROGRAM_ROOM = 160 };

struct filter_program {
    struct sock_filter instructions[FILTER_PROGRAM_ROOM];
    size_t count;
};

/// Writes the rules that protect the process `pid`, of the process group `group`.
void filter_program_write(struct filter_program *program, pid_t pid, pid_t group);
/// For seccomp(2); borrows the program.
struct sock_fprog filter_program_view(struct filter_program *program);
/// Of a system call that the program asks about: which argument is the id.
unsigned filter_program_argument(int number);
