// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assume-role/session_cache.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/files.h"

// 64 hexadecimal digits.
#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
enum { NOW_S = 1795572345 };
#define NOW_MS (INT64_C(1000) * NOW_S)

static struct error err;
static struct fake_clock fake;
static const char template[] = "/tmp/test_session_cache.XXXXXX";
static char root[sizeof(template)];
static struct session_cache cache = SESSION_CACHE_INIT;

static void set_up(void) {
    (void)snprintf(root, sizeof(root), "%s", template);
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(setenv("XDG_CACHE_HOME", root, 1), 0);
    fake_clock_init(&fake, NOW_MS);
    ck_assert_msg(session_cache_open(&cache, KEY, &fake.clock, &err), "%s", err.message);
}

static void tear_down(void) {
    session_cache_close(&cache);
    ck_assert(files_remove_tree(root, 0, &err));
}

/// Puts a session that ends then into a cache that was asked in vain before, as it is to be used.
static void put(struct session_cache *into, int64_t expires_ms, int64_t skew_ms) {
    cleanup_sts_session struct sts_session session;
    ck_assert(!session_cache_get(into, NOW_MS + 1000, &session));
    ck_assert_ptr_null(session.credentials.access_key);
    session = (struct sts_session){.credentials = {.access_key = xstrdup("ASIAEXAMPLE"),
                                                   .secret_key = secret_new(SLICE("secret")),
                                                   .session_token = secret_new(SLICE("token")),
                                                   .expires_ms = expires_ms},
                                   .arn = xstrdup("arn"),
                                   .id = xstrdup("id")};
    ck_assert_msg(session_cache_put(into, &session, skew_ms, &err), "%s", err.message);
}

/// Asks for it as another process would.
static bool has_session(struct sts_session *session) {
    cleanup_session_cache struct session_cache other = SESSION_CACHE_INIT;
    ck_assert(session_cache_open(&other, KEY, &fake.clock, &err));
    return session_cache_get(&other, fake.now_ms + 1000, session);
}

static bool is_fresh(void) {
    cleanup_sts_session struct sts_session session;
    return has_session(&session);
}

START_TEST(gives_back_what_was_put_in) {
    put(&cache, NOW_MS + 3600999, 0);
    session_cache_close(&cache);
    cleanup_sts_session struct sts_session session;
    ck_assert(has_session(&session));
    ck_assert_str_eq(session.credentials.access_key, "ASIAEXAMPLE");
    ck_assert(secret_equals(session.credentials.secret_key, SLICE("secret")));
    ck_assert(secret_equals(session.credentials.session_token, SLICE("token")));
    ck_assert_int_eq(session.credentials.expires_ms, NOW_MS + 3600999);
    ck_assert_str_eq(session.arn, "arn");
    ck_assert_str_eq(session.id, "id");
}
END_TEST

START_TEST(holds_a_session_back_in_its_last_five_minutes) {
    put(&cache, NOW_MS + 3600 * 1000, 0);
    session_cache_close(&cache);
    fake.now_ms = NOW_MS + 3300 * 1000 - 1;
    ck_assert(is_fresh());
    fake.now_ms++;
    ck_assert(!is_fresh());
}
END_TEST

START_TEST(compares_with_our_clock_where_the_servers_is_ahead) {
    put(&cache, NOW_MS + (7200 + 3600) * 1000, 7200 * 1000);
    session_cache_close(&cache);
    fake.now_ms = NOW_MS + 3300 * 1000 - 1;
    ck_assert(is_fresh());
    fake.now_ms++;
    ck_assert(!is_fresh());
}
END_TEST

START_TEST(waits_for_who_holds_the_lock_until_the_deadline_only) {
    cleanup_sts_session struct sts_session session;
    ck_assert(!session_cache_get(&cache, NOW_MS + 1000, &session)); // Locked from here on.
    cleanup_session_cache struct session_cache other = SESSION_CACHE_INIT;
    ck_assert(session_cache_open(&other, KEY, &fake.clock, &err));
    ck_assert(!session_cache_get(&other, NOW_MS + 1000, &session));
    ck_assert_int_ge(fake.now_ms, NOW_MS + 1000);
    ck_assert_int_lt(fake.now_ms, NOW_MS + 1100);
    // It goes on without the cache, and does not write into what the first one will write.
    ck_assert_int_eq(other.fd, -1);
    const struct sts_session nothing = {0};
    ck_assert(session_cache_put(&other, &nothing, 0, &err));
}
END_TEST

START_TEST(takes_what_the_one_before_put_in) {
    cleanup_session_cache struct session_cache other = SESSION_CACHE_INIT;
    ck_assert(session_cache_open(&other, KEY, &fake.clock, &err));
    put(&cache, NOW_MS + 3600 * 1000, 0);
    session_cache_close(&cache);
    cleanup_sts_session struct sts_session session;
    ck_assert(session_cache_get(&other, NOW_MS + 1000, &session));
    ck_assert_uint_eq(fake.sleeps, 0);
}
END_TEST

/// A file in the cache's folder that is so many seconds old.
static char *make_file(const char *name, int age) {
    char *path = xasprintf("%s/runlet/%s", root, name);
    ck_assert(files_write_atomically(path, SLICE("x"), 0600, &err));
    const struct timespec times[] = {{.tv_sec = NOW_S - age}, {.tv_sec = NOW_S - age}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    return path;
}

START_TEST(removes_only_its_own_files_and_only_old_ones) {
    static const char hash[] = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    cleanup_free char *old_name = xasprintf("%s.json", hash);
    cleanup_free char *new_name = xasprintf("%.63s0.json", hash);
    cleanup_free char *old = make_file(old_name, 14 * 3600);
    cleanup_free char *fresh = make_file(new_name, 12 * 3600);
    cleanup_free char *foreign = make_file("notes.json", 14 * 3600);
    ck_assert(!is_fresh());
    ck_assert_int_ne(access(old, F_OK), 0);
    ck_assert_int_eq(access(fresh, F_OK), 0);
    ck_assert_int_eq(access(foreign, F_OK), 0);
}
END_TEST

START_TEST(keeps_others_out) {
    cleanup_free char *folder = xasprintf("%s/runlet", root);
    cleanup_free char *file = xasprintf("%s/" KEY ".json", folder);
    put(&cache, NOW_MS + 3600 * 1000, 0);
    session_cache_close(&cache);
    ck_assert(is_fresh());
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert_int_eq(chmod(file, 0640), 0);
    ck_assert(!is_fresh());
    struct stat status;
    ck_assert_int_eq(stat(folder, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0700);
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
}
END_TEST

START_TEST(does_not_believe_a_file_of_another_request) {
    cleanup_free char *file = xasprintf("%s/runlet/" KEY ".json", root);
    cleanup_free char *other = xasprintf("%s/runlet/other.json", root);
    put(&cache, NOW_MS + 3600 * 1000, 0);
    session_cache_close(&cache);
    ck_assert_int_eq(rename(file, other), 0);
    cleanup_session_cache struct session_cache renamed = SESSION_CACHE_INIT;
    cleanup_sts_session struct sts_session session;
    ck_assert(session_cache_open(&renamed, "other", &fake.clock, &err));
    ck_assert(!session_cache_get(&renamed, NOW_MS + 1000, &session));
}
END_TEST

START_TEST(does_without_a_place) {
    struct session_cache none = SESSION_CACHE_INIT;
    unsetenv("HOME");
    setenv("XDG_CACHE_HOME", "relative", 1);
    ck_assert(!session_cache_open(&none, KEY, &fake.clock, &err));
    ck_assert_str_eq(err.message, "neither XDG_CACHE_HOME nor HOME is set");
    cleanup_sts_session struct sts_session session;
    ck_assert(!session_cache_get(&none, 0, &session));
    ck_assert(session_cache_put(&none, &session, 0, &err));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("session_cache");
    TCase *tcase = tcase_create("session_cache");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, gives_back_what_was_put_in);
    tcase_add_test(tcase, holds_a_session_back_in_its_last_five_minutes);
    tcase_add_test(tcase, compares_with_our_clock_where_the_servers_is_ahead);
    tcase_add_test(tcase, waits_for_who_holds_the_lock_until_the_deadline_only);
    tcase_add_test(tcase, takes_what_the_one_before_put_in);
    tcase_add_test(tcase, removes_only_its_own_files_and_only_old_ones);
    tcase_add_test(tcase, keeps_others_out);
    tcase_add_test(tcase, does_not_believe_a_file_of_another_request);
    tcase_add_test(tcase, does_without_a_place);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
