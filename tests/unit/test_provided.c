// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/array.h"
#include "layer-packer/provided.h"

static const struct {
    enum arch arch;
    const char *library;
    const char *version;
    bool there;
} versions[] = {
    {ARCH_X86_64, "libc.so.6", "GLIBC_2.2.5", true},
    {ARCH_X86_64, "libc.so.6", "GLIBC_2.4", true},
    {ARCH_X86_64, "libc.so.6", "GLIBC_2.34", true},
    {ARCH_X86_64, "libc.so.6", "GLIBC_2.35", false},
    {ARCH_ARM64, "libm.so.6", "GLIBC_2.38", false},
    {ARCH_X86_64, "libc.so.6", "GLIBC_PRIVATE", true},
    {ARCH_X86_64, "libc.so.6", "GLIBC_ABI_DT_RELR", false},
    {ARCH_X86_64, "libc.so.6", "GLIBCXX_3.4", false},
    {ARCH_X86_64, "libc.so.6", "", false},
    {ARCH_X86_64, "libc.so.6", "_", false},
    {ARCH_X86_64, "libstdc++.so.6", "GLIBCXX_3.4", true},
    {ARCH_X86_64, "libstdc++.so.6", "GLIBCXX_3.4.9", true},
    {ARCH_X86_64, "libstdc++.so.6", "GLIBCXX_3.4.29", true},
    {ARCH_X86_64, "libstdc++.so.6", "GLIBCXX_3.4.30", false},
    {ARCH_X86_64, "libstdc++.so.6", "CXXABI_1.3.13", true},
    {ARCH_X86_64, "libstdc++.so.6", "CXXABI_1.3.15", false},
    {ARCH_X86_64, "libstdc++.so.6", "CXXABI_TM_1", true},
    {ARCH_X86_64, "libstdc++.so.6", "CXXABI_FLOAT128", true},
    {ARCH_ARM64, "libstdc++.so.6", "CXXABI_FLOAT128", false},
    {ARCH_X86_64, "libgcc_s.so.1", "GCC_12.0.0", false},
    {ARCH_X86_64, "libgcc_s.so.1", "GCC_4.3.0", true},
    {ARCH_ARM64, "libgcc_s.so.1", "GCC_11.0", true},
    {ARCH_ARM64, "libgcc_s.so.1", "GCC_13.0.0", false},
    {ARCH_X86_64, "libcrypto.so.3", "OPENSSL_3.0.9", true},
    {ARCH_X86_64, "libssl.so.3", "OPENSSL_4.0.0", false},
    {ARCH_X86_64, "libz.so.1", "ZLIB_1.2.3.4", true},
    {ARCH_X86_64, "libz.so.1", "ZLIB_1.2.12", false},
    {ARCH_X86_64, "libfoo.so.1", "GLIBC_2.2.5", false},
};

START_TEST(knows_the_versions_of_symbols) {
    ck_assert_int_eq(
        provided_has_version(versions[_i].arch, versions[_i].library, versions[_i].version),
        versions[_i].there);
}
END_TEST

START_TEST(knows_the_commands) {
    ck_assert(provided_has_command(SLICE("/bin/sh")));
    ck_assert(provided_has_command(SLICE("/usr/bin/env")));
    ck_assert(provided_has_command(SLICE("bash")));
    ck_assert(!provided_has_command(SLICE("/usr/local/bin/bash")));
    ck_assert(!provided_has_command(SLICE("/opt/bash")));
    ck_assert(!provided_has_command(SLICE("python3")));
    ck_assert(!provided_has_command(SLICE("")));
}
END_TEST

START_TEST(takes_what_the_user_says) {
    struct provided_more more = {0};
    ck_assert(!provided_more_has(&more, SLICE("a")));
    provided_more_add(&more, "libx.so.1");
    provided_more_add(&more, "GLIBC_2.36");
    ck_assert(provided_more_has(&more, SLICE("GLIBC_2.36")));
    ck_assert(!provided_more_has(&more, SLICE("GLIBC_2.3")));
    ck_assert(!provided_more_has(NULL, SLICE("a")));
    provided_more_clean_up(&more);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("provided");
    TCase *tcase = tcase_create("provided");
    tcase_add_loop_test(tcase, knows_the_versions_of_symbols, 0, ARRAY_LENGTH(versions));
    tcase_add_test(tcase, knows_the_commands);
    tcase_add_test(tcase, takes_what_the_user_says);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
