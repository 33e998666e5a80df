// SPDX-License-Identifier: Apache-2.0
/// Where the kernel enters the program (helpers.mk links it with -e): hides the process, then goes
/// on to the C library's own entry point.
///
/// A job has our user and may wait for us to start. Until prctl(PR_SET_DUMPABLE, 0) it may open
/// /proc/PID/environ, and read it whenever it likes. The C library of a static program first
/// applies its relocations, tens of thousands of them, and main() comes long after that: so the
/// system call is made by the first instructions of the process. What is left is the kernel's own
/// way from exec to here, which ends where the program's file cannot be read (prctl(2),
/// PR_SET_DUMPABLE): layer-packer gives it the mode 0711.
///
/// Nothing can be reported from here: main() does it again, and looks whether it worked.
///
/// Registers and the stack are as the kernel (or the loader) left them, whatever the C library
/// wants of them: rdx and x0 are what it registers with atexit (System V ABI for AMD64, 3.4.1; for
/// AArch64 by glibc's start.S).
#include <sys/prctl.h>
#include <sys/syscall.h>

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

__asm__(".pushsection .text.bootstrap_entry, \"ax\", %progbits\n"
        ".globl bootstrap_entry\n"
        ".type bootstrap_entry, %function\n"
        "bootstrap_entry:\n"
#if defined(__x86_64__)
        "    movq %rdx, %r9\n"
        "    movl $" TEXT(
            __NR_prctl) ", %eax\n"
                        "    movl $" TEXT(
                            PR_SET_DUMPABLE) ", %edi\n"
                                             "    xorl %esi, %esi\n"
                                             "    syscall\n"
                                             "    movq %r9, %rdx\n"
                                             "    jmp _start\n"
#elif defined(__aarch64__)
        "    mov x9, x0\n"
        "    mov x8, #" TEXT(
            __NR_prctl) "\n"
                        "    mov x0, #" TEXT(
                            PR_SET_DUMPABLE) "\n"
                                             "    mov x1, #0\n"
                                             "    svc #0\n"
                                             "    mov x0, x9\n"
                                             "    b _start\n"
#else
        "    .error \"say how this processor calls the kernel\"\n"
#endif
                                             ".size bootstrap_entry, . - bootstrap_entry\n"
                                             ".popsection\n");
