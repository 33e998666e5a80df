// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"
#include "common/system/files.h"

static struct error err;
static struct fake_clock fake;
static int fd = -1;
static char path[] = "/tmp/test_log.XXXXXX";

static void set_up(void) {
    fake_clock_init(&fake, 1795486000123);
    memcpy(strrchr(path, '.'), ".XXXXXX", 7);
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_APPEND), 0);
    log_set_fd(fd);
    log_set_clock(&fake.clock);
    log_set_format(LOG_FORMAT_JSON, "test");
    log_set_level(LOG_LEVEL_INFO);
    log_set_request_id(NULL);
}

static void tear_down(void) {
    close(fd);
    ck_assert_int_eq(unlink(path), 0);
}

/// What was written since the last call, to be released with free().
static char *written(void) {
    cleanup_buffer struct buffer text = BUFFER_INIT(16 << 20);
    ck_assert(files_read(path, &text, &err));
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    return slice_copy(buffer_slice(&text));
}

#define ck_assert_written(expected)                                                                \
    do {                                                                                           \
        cleanup_free char *text_ = written();                                                      \
        ck_assert_str_eq(text_, (expected));                                                       \
    } while (0)

#define TIME "\"timestamp\":\"2026-11-24T02:06:40.123Z\""

START_TEST(writes_lambdas_own_format) {
    log_info("plain");
    ck_assert_written("{" TIME ",\"level\":\"INFO\",\"message\":\"plain\"}\n");
    log_set_request_id("8476a536");
    log_error("bad \"thing\"\n", log_text("name", "caf\xc3\xa9 \xff"), log_int("count", -5),
              log_bool("last", true), log_text("none", NULL));
    ck_assert_written("{" TIME ",\"level\":\"ERROR\",\"message\":\"bad \\\"thing\\\"\\n\","
                      "\"requestId\":\"8476a536\",\"name\":\"caf\xc3\xa9 \xef\xbf\xbd\","
                      "\"count\":-5,\"last\":true,\"none\":\"\"}\n");
    log_set_request_id(NULL);
    error_set(&err, "timeout", "too late");
    log_warn("x", LOG_ERROR_FIELDS(&err));
    ck_assert_written("{" TIME ",\"level\":\"WARN\",\"message\":\"x\","
                      "\"errorType\":\"timeout\",\"error\":\"too late\"}\n");
}
END_TEST

START_TEST(honours_the_level) {
    log_debug("x");
    ck_assert_written("");
    ck_assert(!log_enabled(LOG_LEVEL_DEBUG));
    ck_assert_int_eq(setenv("AWS_LAMBDA_LOG_LEVEL", "fatal", 1), 0);
    log_set_level_from_environment();
    log_error("x");
    ck_assert_written("");
    log_fatal("x");
    cleanup_free char *fatal = written();
    ck_assert_ptr_nonnull(strstr(fatal, "\"level\":\"FATAL\""));
    ck_assert_int_eq(setenv("AWS_LAMBDA_LOG_LEVEL", "TRACE", 1), 0);
    log_set_level_from_environment();
    log_trace("x");
    cleanup_free char *trace = written();
    ck_assert_ptr_nonnull(strstr(trace, "\"level\":\"TRACE\""));
    ck_assert_int_eq(setenv("AWS_LAMBDA_LOG_LEVEL", "LOUD", 1), 0);
    log_set_level_from_environment();
    cleanup_free char *warning = written();
    ck_assert_ptr_nonnull(strstr(warning, "\"value\":\"LOUD\""));
    ck_assert(log_enabled(LOG_LEVEL_INFO));
    ck_assert(!log_enabled(LOG_LEVEL_DEBUG));
    ck_assert_int_eq(unsetenv("AWS_LAMBDA_LOG_LEVEL"), 0);
}
END_TEST

START_TEST(bounds_every_line) {
    cleanup_free char *huge = xmalloc(1 << 20);
    memset(huge, '\x01', (1 << 20) - 1);
    huge[(1 << 20) - 1] = '\0';
    log_info(huge, log_text("a", huge), log_text("b", huge), log_text("c", huge),
             log_text("d", huge), log_int("last", 1));
    cleanup_free char *text = written();
    ck_assert_uint_lt(strlen(text), 256 * 1024);
    cleanup_json_document struct json_document line = {0};
    ck_assert_msg(json_parse(slice_text(text), "line", &line, &err), "%s", err.message);
    ck_assert(json_has(&line.root, "a"));
    ck_assert(json_has(&line.root, "last"));
}
END_TEST

START_TEST(is_text_for_people) {
    log_set_format(LOG_FORMAT_TEXT, "layer-packer");
    log_info("packed", log_text("path", "a b"), log_int("size", 5));
    log_warn("x\x1b[31m\n", log_bool("ok", false));
    log_error("y");
    ck_assert_written("layer-packer: packed (path=a b, size=5)\n"
                      "layer-packer: warning: x\\x1b[31m\\x0a (ok=false)\n"
                      "layer-packer: error: y\n");
    log_metrics("x", NULL, 0, NULL, 0);
    ck_assert_written("");
}
END_TEST

START_TEST(writes_metrics_in_the_embedded_format) {
    log_set_level(LOG_LEVEL_FATAL); // Metrics are no messages.
    log_set_request_id("id");
    const struct log_dimension dimensions[] = {{"Function", "runner"}};
    const struct log_metric metrics[] = {{"JobDuration", "Milliseconds", 5120},
                                         {"Ratio", "None", 0.5},
                                         {"Broken", "None", 1.0 / 0.0}};
    log_metrics("Runlet", dimensions, 1, metrics, 3);
    ck_assert_written("{\"_aws\":{\"Timestamp\":1795486000123,\"CloudWatchMetrics\":[{"
                      "\"Namespace\":\"Runlet\",\"Dimensions\":[[\"Function\"]],\"Metrics\":["
                      "{\"Name\":\"JobDuration\",\"Unit\":\"Milliseconds\"},"
                      "{\"Name\":\"Ratio\",\"Unit\":\"None\"},"
                      "{\"Name\":\"Broken\",\"Unit\":\"None\"}]}]},"
                      "\"Function\":\"runner\",\"JobDuration\":5120,\"Ratio\":0.5,\"Broken\":0,"
                      "\"requestId\":\"id\"}\n");
}
END_TEST

static void *log_often(void *argument) {
    const char *name = argument;
    for (int i = 0; i < 500; i++) {
        log_info("line", log_text("thread", name));
        log_set_request_id(name);
    }
    return NULL;
}

START_TEST(keeps_lines_whole_from_several_threads) {
    static const char *const names[] = {"a", "b", "c", "d"};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_often, (void *)(uintptr_t)names[i]),
                         0);
    }
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    cleanup_free char *text = written();
    struct slice rest = slice_text(text);
    struct slice line;
    int lines = 0;
    while (slice_split(&rest, '\n', &line) && line.len > 0) {
        lines++;
        if (!slice_starts_with(line, SLICE("{" TIME)) || !slice_ends_with(line, SLICE("\"}"))) {
            ck_abort_msg("%" SLICE_FORMAT, SLICE_ARGUMENTS(line));
        }
    }
    ck_assert_int_eq(lines, 2000);
}
END_TEST

START_TEST(leaves_errno_and_survives_a_closed_descriptor) {
    log_set_fd(1000);
    errno = ENOENT;
    log_info("x");
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, writes_lambdas_own_format);
    tcase_add_test(tcase, honours_the_level);
    tcase_add_test(tcase, bounds_every_line);
    tcase_add_test(tcase, is_text_for_people);
    tcase_add_test(tcase, writes_metrics_in_the_embedded_format);
    tcase_add_test(tcase, keeps_lines_whole_from_several_threads);
    tcase_add_test(tcase, leaves_errno_and_survives_a_closed_descriptor);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
