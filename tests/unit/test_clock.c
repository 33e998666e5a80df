// SPDX-License-Identifier: Apache-2.0
/// Clocks and timestamps.
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/timestamp.h"

START_TEST(tells_the_time) {
    struct clock *clock = clock_system();
    ck_assert_int_gt(clock_now_ms(clock), INT64_C(1700000000000));
    const int64_t start = clock_monotonic_ms(clock);
    ck_assert(clock_sleep_ms(clock, 20, 0));
    ck_assert_int_ge(clock_monotonic_ms(clock) - start, 20);
    ck_assert(clock_sleep_ms(clock, -5, 0));
}
END_TEST

START_TEST(is_woken_by_a_descriptor) {
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert(clock_sleep_ms(clock_system(), 10, fds[0]));
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert(!clock_sleep_ms(clock_system(), 1000000, fds[0]));
    struct fake_clock fake;
    fake_clock_init(&fake, 0);
    ck_assert(!clock_sleep_ms(&fake.clock, 1000000, fds[0]));
    ck_assert_uint_eq(fake.sleeps, 0);
}
END_TEST

START_TEST(stands_still_in_tests) {
    struct fake_clock fake;
    fake_clock_init(&fake, 5000);
    ck_assert(clock_sleep_ms(&fake.clock, 700, 0));
    ck_assert_int_eq(clock_now_ms(&fake.clock), 5700);
    ck_assert_int_eq(fake.slept_ms, 700);
    ck_assert_int_eq(clock_left_ms(&fake.clock, 6000), 300);
    ck_assert_int_eq(clock_left_ms(&fake.clock, 5000), 0);
    ck_assert_int_eq(clock_left_ms(&fake.clock, 0), INT64_MAX);
    ck_assert_int_eq(clock_random_up_to(&fake.clock, 100), 0);
    fake.random = UINT32_MAX;
    ck_assert_int_eq(clock_random_up_to(&fake.clock, 100), 100);
    ck_assert_int_eq(clock_random_up_to(&fake.clock, 0), 0);
    ck_assert_int_eq(clock_random_up_to(&fake.clock, -1), 0);
    for (int i = 0; i < 1000; i++) {
        const int64_t number = clock_random_up_to(clock_system(), 3);
        ck_assert(number >= 0 && number <= 3);
    }
}
END_TEST

START_TEST(formats_times) {
    ck_assert_str_eq(timestamp_rfc3339(1440938160007).text, "2015-08-30T12:36:00.007Z");
    ck_assert_str_eq(timestamp_rfc3339_seconds(1440938160999).text, "2015-08-30T12:36:00Z");
    ck_assert_str_eq(timestamp_basic(1440938160007).text, "20150830T123600Z");
    ck_assert_str_eq(timestamp_rfc3339(-1).text, "1969-12-31T23:59:59.999Z");
    ck_assert_str_eq(timestamp_rfc3339(INT64_MAX).text, "9999-12-31T23:59:59.999Z");
    ck_assert_str_eq(timestamp_rfc3339(INT64_MIN).text, "0000-01-01T00:00:00.000Z");
}
END_TEST

START_TEST(parses_times) {
    static const struct {
        const char *text;
        int64_t epoch_ms;
    } good[] = {
        {"2015-08-30T12:36:00Z", 1440938160000},
        {"2015-08-30T12:36:00.123456Z", 1440938160123},
        {"2015-08-30T12:36:00,1Z", 1440938160100},
        {"2015-08-30 12:36:00", 1440938160000},
        {"20150830T123600Z", 1440938160000},
        {"2015-08-30T14:36:00+02:00", 1440938160000},
        {"2015-08-30T05:06:00-0730", 1440938160000},
        {"2015-08-30T13:36:00+01", 1440938160000},
        {"1970-01-01T00:00:00Z", 0},
        {"2024-02-29T00:00:00Z", 1709164800000},
    };
    static const char *const bad[] = {"",
                                      "2015",
                                      "2015-08-30",
                                      "2015-8-30T12:36:00Z",
                                      "2015-02-29T00:00:00Z",
                                      "2015-13-01T00:00:00Z",
                                      "2015-08-30T24:00:00Z",
                                      "2015-08-30T12:60:00Z",
                                      "2015-08-30T12:36:61Z",
                                      "2015-08-30T12:36Z",
                                      "2015-08-30T12:36:00.Z",
                                      "2015-08-30T12:36:00Zx",
                                      "2015-08-30T12:36:00+24:00",
                                      "2015-08-30T12:36:00+2",
                                      "2015-08-30T12:36:00 Z",
                                      "yesterday",
                                      "2015-0830T12:36:00Z",
                                      "2015-00-10T00:00:00Z"};
    int64_t epoch_ms = 7;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(timestamp_parse(slice_text(good[i].text), &epoch_ms), "%s", good[i].text);
        ck_assert_int_eq(epoch_ms, good[i].epoch_ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!timestamp_parse(slice_text(bad[i]), &epoch_ms), "%s", bad[i]);
    }
    ck_assert(timestamp_parse_http(SLICE("Sun, 30 Aug 2015 12:36:00 GMT"), &epoch_ms));
    ck_assert_int_eq(epoch_ms, 1440938160000);
    ck_assert(!timestamp_parse_http(SLICE("soon"), &epoch_ms));
    ck_assert(!timestamp_parse_http(SLICE(""), &epoch_ms));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clock");
    TCase *tcase = tcase_create("clock");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, tells_the_time);
    tcase_add_test(tcase, is_woken_by_a_descriptor);
    tcase_add_test(tcase, stands_still_in_tests);
    tcase_add_test(tcase, formats_times);
    tcase_add_test(tcase, parses_times);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
