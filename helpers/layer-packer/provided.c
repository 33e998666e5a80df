// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/provided.h"

#include <stddef.h>
#include <string.h>

#include "common/array.h"

// What a layer may lean on, not all that happens to be in the image: AWS gives no list of the
// libraries of the OS-only runtime and calls it minimal. Taken in are packages that the image
// cannot be without or that AWS names for it; not libcurl, libxml2 and the like, which only its
// package manager pulls in and which the deployed runtime need not have.
// Sources: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-provided.html,
// https://docs.aws.amazon.com/linux/al2023/ug/lambda.html (glibc 2.34, minimal container image),
// https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html (OpenSSL 3); sonames as in the
// AL2023 packages named below.
static const struct {
    enum arch only;
    const char *name;
} libraries[] = {
    // glibc
    {ARCH_NONE, "libc.so.6"},
    {ARCH_NONE, "libm.so.6"},
    {ARCH_NONE, "libpthread.so.0"},
    {ARCH_NONE, "libdl.so.2"},
    {ARCH_NONE, "librt.so.1"},
    {ARCH_NONE, "libutil.so.1"},
    {ARCH_NONE, "libresolv.so.2"},
    {ARCH_NONE, "libanl.so.1"},
    {ARCH_NONE, "libBrokenLocale.so.1"},
    {ARCH_NONE, "libthread_db.so.1"},
    {ARCH_NONE, "libnss_files.so.2"},
    {ARCH_NONE, "libnss_dns.so.2"},
    {ARCH_X86_64, "libmvec.so.1"},
    {ARCH_X86_64, "ld-linux-x86-64.so.2"},
    {ARCH_ARM64, "ld-linux-aarch64.so.1"},
    // libgcc, libstdc++
    {ARCH_NONE, "libgcc_s.so.1"},
    {ARCH_NONE, "libstdc++.so.6"},
    // openssl-libs, zlib
    {ARCH_NONE, "libcrypto.so.3"},
    {ARCH_NONE, "libssl.so.3"},
    {ARCH_NONE, "libz.so.1"},
};

static const struct {
    enum arch arch;
    const char *path;
} interpreters[] = {
    {ARCH_X86_64, "/lib64/ld-linux-x86-64.so.2"},
    {ARCH_X86_64, "/lib/ld-linux-x86-64.so.2"},
    {ARCH_ARM64, "/lib/ld-linux-aarch64.so.1"},
    {ARCH_ARM64, "/lib64/ld-linux-aarch64.so.1"},
};

bool provided_has_library(enum arch arch, const char *name) {
    for (size_t i = 0; i < ARRAY_LENGTH(libraries); i++) {
        if ((libraries[i].only == ARCH_NONE || libraries[i].only == arch) &&
            strcmp(libraries[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool provided_has_interpreter(enum arch arch, const char *path) {
    for (size_t i = 0; i < ARRAY_LENGTH(interpreters); i++) {
        if (interpreters[i].arch == arch && strcmp(interpreters[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}
