// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/provided.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/array.h"

// What a layer may lean on, not all that happens to be in the image: AWS gives no list of the
// libraries of the OS-only runtime and calls it minimal. Taken in are packages that the image
// cannot be without or that AWS names for it; not libcurl, libxml2 and the like, which only its
// package manager pulls in and which the deployed runtime need not have.
// Sources: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-provided.html,
// https://docs.aws.amazon.com/linux/al2023/ug/lambda.html (glibc 2.34, minimal container image),
// https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html (glibc 2.34, GCC 11),
// https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html (OpenSSL 3),
// https://github.com/amazonlinux/amazon-linux-2023/issues/585 (the packages of such an image);
// sonames as in the AL2023 packages named below.
enum package { GLIBC, LIBGCC, LIBSTDCXX, OPENSSL, ZLIB };

static const struct {
    enum arch only;
    enum package package;
    const char *name;
} libraries[] = {
    {ARCH_NONE, GLIBC, "libc.so.6"},
    {ARCH_NONE, GLIBC, "libm.so.6"},
    {ARCH_NONE, GLIBC, "libpthread.so.0"},
    {ARCH_NONE, GLIBC, "libdl.so.2"},
    {ARCH_NONE, GLIBC, "librt.so.1"},
    {ARCH_NONE, GLIBC, "libutil.so.1"},
    {ARCH_NONE, GLIBC, "libresolv.so.2"},
    {ARCH_NONE, GLIBC, "libanl.so.1"},
    {ARCH_NONE, GLIBC, "libBrokenLocale.so.1"},
    {ARCH_NONE, GLIBC, "libthread_db.so.1"},
    {ARCH_NONE, GLIBC, "libnss_files.so.2"},
    {ARCH_NONE, GLIBC, "libnss_dns.so.2"},
    {ARCH_X86_64, GLIBC, "libmvec.so.1"},
    {ARCH_X86_64, GLIBC, "ld-linux-x86-64.so.2"},
    {ARCH_ARM64, GLIBC, "ld-linux-aarch64.so.1"},
    {ARCH_NONE, LIBGCC, "libgcc_s.so.1"},
    {ARCH_NONE, LIBSTDCXX, "libstdc++.so.6"},
    {ARCH_NONE, OPENSSL, "libcrypto.so.3"},
    {ARCH_NONE, OPENSSL, "libssl.so.3"},
    {ARCH_NONE, ZLIB, "libz.so.1"},
};

// The newest of each kind. A number is there with all that are smaller, a word alone.
// Sources: the GCC manual's https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html (GCC 11 has
// GLIBCXX_3.4.29 and CXXABI_1.3.13), GCC 11's libgcc/*.ver, zlib 1.2.11's zlib.map, and for OpenSSL
// https://github.com/amazonlinux/amazon-linux-2023/issues/1087 (3.5 since 2026).
static const struct {
    enum arch only;
    enum package package;
    const char *version;
} versions[] = {
    {ARCH_NONE, GLIBC, "GLIBC_2.34"},         {ARCH_NONE, GLIBC, "GLIBC_PRIVATE"},
    {ARCH_X86_64, LIBGCC, "GCC_7.0.0"},       {ARCH_ARM64, LIBGCC, "GCC_11.0"},
    {ARCH_NONE, LIBSTDCXX, "GLIBCXX_3.4.29"}, {ARCH_NONE, LIBSTDCXX, "CXXABI_1.3.13"},
    {ARCH_NONE, LIBSTDCXX, "CXXABI_TM_1"},    {ARCH_X86_64, LIBSTDCXX, "CXXABI_FLOAT128"},
    {ARCH_NONE, OPENSSL, "OPENSSL_3.5.0"},    {ARCH_NONE, ZLIB, "ZLIB_1.2.9"},
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

// bash, coreutils, gawk, grep and sed, in /usr/bin, to which /bin is a link.
static const char *const commands[] = {
    "sh",   "bash", "env",   "awk",  "gawk",   "sed",  "grep", "cat",
    "echo", "head", "false", "true", "printf", "sort", "tail", "test",
};

static bool is_for(enum arch only, enum arch arch) {
    return only == ARCH_NONE || only == arch;
}

/// The library's place in the list, or the list's length.
static size_t find_library(enum arch arch, const char *name) {
    size_t i = 0;
    while (i < ARRAY_LENGTH(libraries) &&
           (!is_for(libraries[i].only, arch) || strcmp(libraries[i].name, name) != 0)) {
        i++;
    }
    return i;
}

bool provided_has_library(enum arch arch, const char *name) {
    return find_library(arch, name) < ARRAY_LENGTH(libraries);
}

/// "GLIBC_" of "GLIBC_2.34".
static size_t kind_length(const char *version) {
    const char *line = strrchr(version, '_');
    return line ? (size_t)(line - version) + 1 : 0;
}

static bool is_number(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_same_kind(const char *one, const char *other) {
    const size_t length = kind_length(one);
    return length == kind_length(other) && strncmp(one, other, length) == 0 &&
           (is_number(one[length]) ? is_number(other[length]) : strcmp(one, other) == 0);
}

const char *provided_newest_version(enum arch arch, const char *library, const char *version) {
    const size_t found = find_library(arch, library);
    for (size_t i = 0; found < ARRAY_LENGTH(libraries) && i < ARRAY_LENGTH(versions); i++) {
        if (versions[i].package == libraries[found].package && is_for(versions[i].only, arch) &&
            is_same_kind(versions[i].version, version)) {
            return versions[i].version;
        }
    }
    return NULL;
}

bool provided_has_version(enum arch arch, const char *library, const char *version) {
    const char *newest = provided_newest_version(arch, library, version);
    return newest && strverscmp(version, newest) <= 0;
}

bool provided_has_interpreter(enum arch arch, const char *path) {
    for (size_t i = 0; i < ARRAY_LENGTH(interpreters); i++) {
        if (interpreters[i].arch == arch && strcmp(interpreters[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

bool provided_has_command(struct slice command) {
    static const struct slice folders[] = {SLICE("/usr/bin/"), SLICE("/bin/")};
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        if (slice_starts_with(command, folders[i])) {
            command = slice_skip(command, folders[i].len);
            break;
        }
    }
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        if (slice_equal_text(command, commands[i])) {
            return true;
        }
    }
    return false;
}

void provided_more_clean_up(struct provided_more *more) {
    free((void *)more->names);
    *more = (struct provided_more){0};
}

void provided_more_add(struct provided_more *more, const char *name) {
    more->names = xreallocarray((void *)more->names, more->count + 1, sizeof(*more->names));
    more->names[more->count++] = name;
}

bool provided_more_has(const struct provided_more *more, struct slice name) {
    for (size_t i = 0; more && i < more->count; i++) {
        if (slice_equal_text(name, more->names[i])) {
            return true;
        }
    }
    return false;
}
