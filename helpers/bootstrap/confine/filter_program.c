// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/confine/filter_program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "common/array.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifndef __X32_SYSCALL_BIT
#define __X32_SYSCALL_BIT 0x40000000
#endif

static const uint32_t ALLOW = SECCOMP_RET_ALLOW;
static const uint32_t ASK = SECCOMP_RET_USER_NOTIF;
static const uint32_t FORBID = SECCOMP_RET_ERRNO | EPERM;
static const uint32_t ABSENT = SECCOMP_RET_ERRNO | ENOSYS;

// --- Instructions --------------------------------------------------------------------------------

static void emit(struct filter_program *program, struct sock_filter instruction) {
    if (program->count == ARRAY_LENGTH(program->instructions)) {
        abort(); // The rules are as many on every run.
    }
    program->instructions[program->count++] = instruction;
}

/// The lower half: of a smaller argument the kernel looks at no more (seccomp_data, little endian).
static void load_argument(struct filter_program *program, unsigned index) {
    const uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + 8UL * index);
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
}

static void finish(struct filter_program *program, uint32_t verdict) {
    emit(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

/// Where what is loaded is `value`, that is the verdict.
static void finish_if(struct filter_program *program, uint32_t value, uint32_t verdict) {
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    finish(program, verdict);
}

/// Where it is `value` or more, without a sign.
static void finish_from(struct filter_program *program, uint32_t value, uint32_t verdict) {
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, value, 0, 1));
    finish(program, verdict);
}

/// Skips what comes until end_if() where what is loaded is not `value`.
static size_t begin_if(struct filter_program *program, uint32_t value) {
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0));
    return program->count;
}

static void end_if(struct filter_program *program, size_t begin) {
    program->instructions[begin - 1].jf = (unsigned char)(program->count - begin);
}

// --- Rules ---------------------------------------------------------------------------------------

struct protected {
    uint32_t pid;
    /// As kill() and fcntl() name a group; 0: it cannot be named in this PID namespace.
    uint32_t minus_group;
    uint32_t group;
};

static void forbid_group(struct filter_program *program, const struct protected *us,
                         uint32_t named) {
    if (us->group != 0) {
        finish_if(program, named, FORBID);
    }
}

/// The id of a process or of a thread; 0 is the caller itself.
static void judge_id(struct filter_program *program, const struct protected *us,
                     unsigned argument) {
    load_argument(program, argument);
    finish_if(program, 0, ALLOW);
    finish_if(program, us->pid, FORBID);
    finish(program, ASK);
}

static void judge_kill(struct filter_program *program, const struct protected *us) {
    load_argument(program, 0);
    finish_if(program, 0, ALLOW);
    finish_if(program, us->pid, FORBID);
    finish_if(program, (uint32_t)-1, FORBID);
    forbid_group(program, us, us->minus_group);
    // Other groups.
    finish_from(program, (uint32_t)INT32_MIN, ALLOW);
    finish(program, ASK);
}

/// A thread named with its process: the kernel looks that it is one of it.
static void judge_thread_of(struct filter_program *program, const struct protected *us) {
    load_argument(program, 0);
    finish_if(program, us->pid, FORBID);
    finish(program, ALLOW);
}

/// "Which" and "who": a process, a group, or all processes of a user.
static void judge_which(struct filter_program *program, const struct protected *us,
                        uint32_t process, uint32_t group) {
    load_argument(program, 0);
    size_t begin = begin_if(program, process);
    judge_id(program, us, 1);
    end_if(program, begin);
    begin = begin_if(program, group);
    load_argument(program, 1);
    forbid_group(program, us, us->group);
    finish(program, ALLOW);
    end_if(program, begin);
    finish(program, FORBID);
}

/// Who gets a signal when something comes in, of any number (F_SETSIG).
static void judge_fcntl(struct filter_program *program, const struct protected *us) {
    load_argument(program, 1);
    finish_if(program, F_SETOWN_EX, FORBID);
    const size_t begin = begin_if(program, F_SETOWN);
    load_argument(program, 2);
    finish_if(program, 0, ALLOW);
    finish_if(program, us->pid, FORBID);
    forbid_group(program, us, us->minus_group);
    // Other groups.
    finish_from(program, (uint32_t)INT32_MIN, ALLOW);
    // A thread's id stands for its process.
    finish(program, ASK);
    end_if(program, begin);
    finish(program, ALLOW);
}

static void judge_ioctl(struct filter_program *program) {
    load_argument(program, 1);
    finish_if(program, FIOSETOWN, FORBID);
    finish_if(program, SIOCSPGRP, FORBID);
    finish(program, ALLOW);
}

/// Who is in our group may signal it without a name: kill(0).
static void judge_setpgid(struct filter_program *program, const struct protected *us) {
    load_argument(program, 1);
    forbid_group(program, us, us->group);
    finish(program, ALLOW);
}

/// Calls that take one id, as their first argument.
static const int of_one_id[] = {
    SYS_tkill,          SYS_rt_sigqueueinfo, SYS_prlimit64,         SYS_sched_setscheduler,
    SYS_sched_setparam, SYS_sched_setattr,   SYS_sched_setaffinity,
};

static void load_number(struct filter_program *program) {
    emit(program,
         (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
}

/// Another architecture has other numbers for the same calls.
static void refuse_other_architectures(struct filter_program *program) {
    emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                               offsetof(struct seccomp_data, arch)));
    emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    finish(program, ABSENT);
    load_number(program);
    finish_from(program, __X32_SYSCALL_BIT, ABSENT);
}

static void judge_by_number(struct filter_program *program, const struct protected *us) {
    size_t begin = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(of_one_id); i++) {
        begin = begin_if(program, (uint32_t)of_one_id[i]);
        judge_id(program, us, 0);
        end_if(program, begin);
    }
    begin = begin_if(program, SYS_kill);
    judge_kill(program, us);
    end_if(program, begin);
    begin = begin_if(program, SYS_tgkill);
    judge_thread_of(program, us);
    end_if(program, begin);
    begin = begin_if(program, SYS_rt_tgsigqueueinfo);
    judge_thread_of(program, us);
    end_if(program, begin);
    begin = begin_if(program, SYS_setpriority);
    judge_which(program, us, PRIO_PROCESS, PRIO_PGRP);
    end_if(program, begin);
    begin = begin_if(program, SYS_ioprio_set);
    judge_which(program, us, IOPRIO_WHO_PROCESS, IOPRIO_WHO_PGRP);
    end_if(program, begin);
    begin = begin_if(program, SYS_fcntl);
    judge_fcntl(program, us);
    end_if(program, begin);
    begin = begin_if(program, SYS_ioctl);
    judge_ioctl(program);
    end_if(program, begin);
    begin = begin_if(program, SYS_setpgid);
    judge_setpgid(program, us);
    end_if(program, begin);
    // Whom a descriptor stands for cannot be told for sure: another may take its place.
    finish_if(program, SYS_pidfd_send_signal, ABSENT);
}

void filter_program_write(struct filter_program *program, pid_t pid, pid_t group) {
    const struct protected us = {
        .pid = (uint32_t)pid,
        .group = (uint32_t)group,
        .minus_group = (uint32_t)-group,
    };
    program->count = 0;
    refuse_other_architectures(program);
    judge_by_number(program, &us);
    finish(program, ALLOW);
}

struct sock_fprog filter_program_view(struct filter_program *program) {
    return (struct sock_fprog){
        .len = (unsigned short)program->count,
        .filter = program->instructions,
    };
}

unsigned filter_program_argument(int number) {
    const bool has_kind = number == SYS_setpriority || number == SYS_ioprio_set;
    return number == SYS_fcntl ? 2 : has_kind ? 1 : 0;
}
