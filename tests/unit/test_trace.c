// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>
#include <zlib.h>

#include "bootstrap/gitlab/trace.h"

// --- One step at a time ------------------------------------------------------------------------

static const int64_t NOW_MS = 1700000000123;

static uint32_t crc_of(const char *text) {
    return (uint32_t)crc32_z(0, (const unsigned char *)text, strlen(text));
}

static void take(struct job_trace *trace, const char *text) {
    job_trace_taken(trace, trace->size, slice_text(text));
}

static void add_line(struct job_trace *trace, const char *line) {
    cleanup_buffer struct buffer text = BUFFER_INIT(1000);
    job_trace_format_line(trace, line, NOW_MS, &text);
    job_trace_line_added(trace, trace->size, buffer_slice(&text));
}

START_TEST(counts_and_sums_what_is_acknowledged) {
    struct job_trace trace = job_trace_empty();
    take(&trace, "hello\n");
    take(&trace, "world");
    ck_assert_int_eq(trace.size, 11);
    ck_assert(trace.crc_known);
    ck_assert_uint_eq(trace.crc, crc_of("hello\nworld"));
    ck_assert(!trace.line_ended);
}
END_TEST

START_TEST(counts_what_is_acknowledged_twice_once) {
    struct job_trace trace = job_trace_empty();
    take(&trace, "hello");
    const struct job_trace_plan again = {.offset = 0, .bytes = SLICE("hello")};
    const struct job_trace_plan more = {.offset = 3, .bytes = SLICE("lo world")};
    ck_assert_uint_eq(job_trace_find(&trace, &again, 5), 5);
    ck_assert_uint_eq(job_trace_find(&trace, &more, 11), 8);
    ck_assert_int_eq(trace.size, 11);
    ck_assert_uint_eq(trace.crc, crc_of("hello world"));
}
END_TEST

START_TEST(knows_no_checksum_of_what_others_wrote) {
    struct job_trace trace = job_trace_empty();
    take(&trace, "hello");
    job_trace_taken(&trace, 10, SLICE("world"));
    ck_assert_int_eq(trace.size, 15);
    ck_assert(!trace.crc_known);
}
END_TEST

START_TEST(begins_anew_where_gitlab_has_forgotten_everything) {
    struct job_trace trace = job_trace_empty();
    take(&trace, "hello");
    add_line(&trace, "line");
    job_trace_taken(&trace, 0, SLICE("hel"));
    ck_assert_int_eq(trace.size, 3);
    ck_assert(trace.crc_known && !trace.line_added);
    ck_assert_uint_eq(trace.crc, crc_of("hel"));
}
END_TEST

START_TEST(puts_the_line_on_a_line_of_its_own) {
    static const char *const cases[][3] = {
        {"", "line", "line\n"},
        {"hello\n", "line", "line\n"},
        {"hello", "line", "\nline\n"},
        {"hello", "line\n", "\nline\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job_trace trace = job_trace_empty();
        if (cases[i][0][0]) {
            take(&trace, cases[i][0]);
        }
        cleanup_buffer struct buffer text = BUFFER_INIT(1000);
        job_trace_format_line(&trace, cases[i][1], NOW_MS, &text);
        ck_assert_str_eq(buffer_text(&text), cases[i][2]);
    }
}
END_TEST

static void plans(const struct job_trace *trace, int64_t first, const char *bytes,
                  const char *expected_bytes, int64_t expected_offset) {
    struct job_trace_plan plan = job_trace_plan(trace, first, slice_text(bytes));
    ck_assert_int_eq(plan.skip, expected_bytes == NULL);
    if (expected_bytes) {
        ck_assert_int_eq(plan.offset, expected_offset);
        ck_assert(slice_equal_text(plan.bytes, expected_bytes));
    }
}

/// The line after a trace that arrived in these two pieces.
static void ends_in(const char *first, const char *second, const char *expected) {
    struct job_trace trace = job_trace_empty();
    take(&trace, first);
    take(&trace, second);
    cleanup_buffer struct buffer text = BUFFER_INIT(1000);
    job_trace_format_line(&trace, "line", NOW_MS, &text);
    ck_assert_str_eq(buffer_text(&text), expected);
}

START_TEST(stamps_the_line_where_the_traces_lines_are_stamped) {
#define STAMP "2024-05-22T12:43:46.962646Z"
    const char *stamped = "2023-11-14T22:13:20.123000Z 00O line\n";
    ends_in(STAMP " 00O Running\n", STAMP " 01E+x\n", stamped);
    ends_in("2024-05-22T1", "2:43:46.962646Z 00O Running\n", stamped);
    ends_in(STAMP " af", "E+\n", stamped);
    // A job's own words are none of the runner's.
    ends_in("Running\n", STAMP " 00O x\n", "line\n");
    ends_in(STAMP, "\n", "line\n");
    ends_in(STAMP " 0gO ", "x\n", "line\n");
    ends_in(STAMP " 00X ", "x\n", "line\n");
    ends_in(STAMP " 00O-", "x\n", "line\n");
    ends_in("2024-05-22T12:43:46.962Z 00O text te", "xt\n", "line\n");
#undef STAMP
}
END_TEST

START_TEST(shifts_what_comes_after_the_line) {
    struct job_trace trace = job_trace_empty();
    take(&trace, "one\n");
    plans(&trace, 2, "e\n", "e\n", 2);
    add_line(&trace, "ours");
    plans(&trace, 4, "two", "two", 9);
    plans(&trace, 0, "one\n", NULL, 0);
    plans(&trace, 2, "e\ntwo", "two", 9);
    ck_assert_int_eq(job_trace_runner_offset(&trace, 3), 3);
    ck_assert_int_eq(job_trace_runner_offset(&trace, 4), 4);
    ck_assert_int_eq(job_trace_runner_offset(&trace, 6), 4);
    ck_assert_int_eq(job_trace_runner_offset(&trace, 9), 4);
    ck_assert_int_eq(job_trace_runner_offset(&trace, 12), 7);
}
END_TEST

START_TEST(asks_gitlab_where_it_may_have_forgotten) {
    struct job_trace trace = job_trace_empty();
    take(&trace, "one\n");
    add_line(&trace, "ours");
    trace.doubtful = true;
    struct job_trace_plan plan = job_trace_plan(&trace, 0, SLICE("one\n"));
    ck_assert(plan.probe && !plan.skip);
    ck_assert_int_eq(plan.offset, 0);
}
END_TEST

START_TEST(reads_ranges) {
    int64_t first, last;
    ck_assert(job_trace_parse_range(SLICE("0-12"), &first, &last));
    ck_assert_int_eq(first, 0);
    ck_assert_int_eq(last, 12);
    static const char *const bad[] = {
        "",
        "1",
        "1-",
        "-1",
        "a-b",
        "1-2-3",
        "1--2",
        "1-2x",
        "1 - 2",
        "9223372036854775808-1",
        // Nobody has so much, and nothing may be added to it.
        "9223372036854775807-9223372036854775807",
        "0-9223372036854775807",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!job_trace_parse_range(slice_text(bad[i]), &first, &last), "%s", bad[i]);
    }
}
END_TEST

// --- Any order of events -----------------------------------------------------------------------

/// What the runner prints, and what GitLab has of it.
struct world {
    char log[400];
    struct buffer remote;
    struct job_trace trace;
    int64_t sent;
    char line[8];
    /// Where the line stands in the runner's log; -1: nowhere.
    int64_t line_at;
    bool line_wanted;
};

static unsigned state;

/// Reproducible, and good enough here.
static unsigned draw(unsigned limit) {
    state = state * 1103515245U + 12345U;
    return (state >> 16) % limit;
}

/// GitLab's side of a patch: takes it at its end, or says how much it has.
static bool remote_takes(struct world *world, int64_t offset, struct slice bytes) {
    return offset == (int64_t)world->remote.len && buffer_append(&world->remote, bytes);
}

/// Our side, as the broker does it.
// NOLINTNEXTLINE(misc-no-recursion): once, at most.
static void deliver(struct world *world, int64_t first, struct slice bytes) {
    struct job_trace_plan plan = job_trace_plan(&world->trace, first, bytes);
    if (bytes.len == 0) {
        return;
    }
    while (!plan.skip && plan.bytes.len > 0) {
        if (remote_takes(world, plan.offset, plan.bytes)) {
            if (draw(4) == 0) {
                continue; // The answer is lost: sent again.
            }
            job_trace_taken(&world->trace, plan.offset, plan.bytes);
            break;
        }
        int64_t size = (int64_t)world->remote.len;
        bool probe = plan.probe;
        size_t there = job_trace_find(&world->trace, &plan, size);
        plan.bytes = slice_skip(plan.bytes, there);
        plan.offset += (int64_t)there;
        plan.probe = false;
        if (there == 0) {
            if (probe && size == world->trace.size) {
                world->trace.doubtful = false;
                deliver(world, first, bytes);
            } else {
                job_trace_resize(&world->trace, size);
            }
            break;
        }
    }
    world->sent = job_trace_runner_offset(&world->trace, world->trace.size);
}

static void insert_line(struct world *world) {
    if (world->trace.line_added) {
        return;
    }
    cleanup_buffer struct buffer text = BUFFER_INIT(1000);
    job_trace_format_line(&world->trace, world->line, NOW_MS, &text);
    if (!remote_takes(world, world->trace.size, buffer_slice(&text))) {
        job_trace_resize(&world->trace, (int64_t)world->remote.len);
        return;
    }
    job_trace_line_added(&world->trace, world->trace.size, buffer_slice(&text));
}

static void happen(struct world *world) {
    int64_t total = (int64_t)sizeof(world->log);
    switch (draw(12)) {
    case 0:
        world->line_wanted = true;
        break;
    case 1:
        // GitLab does not agree on the trace, and may have dropped it.
        world->trace.doubtful = true;
        if (draw(2) == 0) {
            buffer_reset(&world->remote);
        }
        world->sent = 0;
        break;
    case 2:
        world->sent = draw((unsigned)world->sent + 1);
        break;
    default:
        break;
    }
    if (world->line_wanted && draw(4) == 0) {
        insert_line(world);
    }
    int64_t length = draw(40);
    length = world->sent + length > total ? total - world->sent : length;
    deliver(world, world->sent, slice_make(world->log + world->sent, (size_t)length));
}

static void check_world(const struct world *world) {
    const struct job_trace *trace = &world->trace;
    struct slice remote = buffer_slice(&world->remote);
    ck_assert_int_eq(trace->size, (int64_t)remote.len);
    if (trace->crc_known) {
        ck_assert_uint_eq(trace->crc, crc32_z(0, (const unsigned char *)remote.data, remote.len));
    }
    struct slice log = slice_make(world->log, sizeof(world->log));
    if (!trace->line_added) {
        ck_assert(slice_equal(remote, log));
        return;
    }
    size_t at = (size_t)trace->line_at;
    ck_assert(slice_equal(slice_make(remote.data, at), slice_make(log.data, at)));
    ck_assert(
        slice_equal(slice_skip(remote, at + (size_t)trace->line_length), slice_skip(log, at)));
}

START_TEST(keeps_both_countings_in_step_whatever_happens) {
    for (unsigned seed = 0; seed < 3000; seed++) {
        state = seed;
        struct world world = {.line = "(ours)", .trace = job_trace_empty()};
        buffer_init(&world.remote, 100000);
        for (size_t i = 0; i < sizeof(world.log); i++) {
            world.log[i] = draw(8) == 0 ? '\n' : (char)('a' + draw(26));
        }
        for (unsigned i = 0; i < 60; i++) {
            happen(&world);
        }
        for (unsigned i = 0; i < 100 && world.sent < (int64_t)sizeof(world.log); i++) {
            struct slice rest =
                slice_skip(slice_make(world.log, sizeof(world.log)), (size_t)world.sent);
            deliver(&world, world.sent, rest);
        }
        ck_assert_msg(world.sent == (int64_t)sizeof(world.log), "seed %u stays at %lld", seed,
                      (long long)world.sent);
        check_world(&world);
        buffer_clean_up(&world.remote);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("job_trace");
    TCase *tcase = tcase_create("job_trace");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, counts_and_sums_what_is_acknowledged);
    tcase_add_test(tcase, counts_what_is_acknowledged_twice_once);
    tcase_add_test(tcase, knows_no_checksum_of_what_others_wrote);
    tcase_add_test(tcase, begins_anew_where_gitlab_has_forgotten_everything);
    tcase_add_test(tcase, puts_the_line_on_a_line_of_its_own);
    tcase_add_test(tcase, stamps_the_line_where_the_traces_lines_are_stamped);
    tcase_add_test(tcase, shifts_what_comes_after_the_line);
    tcase_add_test(tcase, asks_gitlab_where_it_may_have_forgotten);
    tcase_add_test(tcase, reads_ranges);
    tcase_add_test(tcase, keeps_both_countings_in_step_whatever_happens);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
