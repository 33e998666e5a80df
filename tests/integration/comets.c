// SPDX-License-Identifier: Apache-2.0
/// comets COUNT: so many processes that live for an instant each, and are born again before they
/// end, for ever. It returns when all have begun.
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/// A life shares the memory of the one before, which makes it quick, but not its stack.
static char stacks[1024][4096] __attribute__((aligned(16)));

static int live(void *life) {
    const uintptr_t next = (uintptr_t)life + 1;
    // At the limit of processes until one that ended was waited for.
    while (clone(live, stacks[next % 1024] + sizeof(stacks[0]), CLONE_VM, (void *)next) < 0) {
        (void)sched_yield();
    }
    (void)syscall(SYS_exit_group, 0);
    return 0;
}

int main(int argc, char **argv) {
    const long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    for (long i = 0; i < count; i++) {
        if (fork() == 0) {
            (void)setsid();
            return live(NULL);
        }
    }
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
