// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http/http_connections.h"

enum { COMFORTABLE = 32, MANY = 40 };

static struct http_connections *connections;
/// Ours, and the peer's.
static int ends[MANY][2];
static struct http_connection *list[MANY];

static void set_up(void) {
    connections = http_connections_new(COMFORTABLE);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]), 0);
        list[i] = NULL;
    }
}

static void tear_down(void) {
    for (int i = 0; i < MANY; i++) {
        http_connections_remove(connections, list[i]);
        close(ends[i][0]);
        close(ends[i][1]);
    }
    http_connections_destroy(connections);
}

static void enter(int i) {
    list[i] = http_connections_add(connections, ends[i][0], i);
    ck_assert(list[i] != NULL);
}

/// The peer sees the end of the connection.
static bool is_shut(int i) {
    char byte;
    return recv(ends[i][1], &byte, 1, MSG_DONTWAIT) == 0;
}

START_TEST(lets_some_in) {
    for (int i = 0; i < COMFORTABLE; i++) {
        enter(i);
    }
    for (int i = 0; i < COMFORTABLE; i++) {
        ck_assert(!is_shut(i));
    }
}
END_TEST

START_TEST(shuts_the_oldest_stranger_where_it_gets_crowded) {
    for (int i = 0; i < COMFORTABLE + 3; i++) {
        enter(i);
    }
    for (int i = 0; i < COMFORTABLE + 3; i++) {
        ck_assert_int_eq(is_shut(i), i < 3);
    }
}
END_TEST

START_TEST(keeps_those_who_are_being_served) {
    for (int i = 0; i < COMFORTABLE; i++) {
        enter(i);
        http_connections_busy(connections, list[i]);
    }
    for (int i = COMFORTABLE; i < MANY; i++) {
        enter(i);
    }
    for (int i = 0; i < MANY - 1; i++) {
        ck_assert_msg(is_shut(i) == (i >= COMFORTABLE), "%d", i);
    }
    ck_assert(!is_shut(MANY - 1));
}
END_TEST

START_TEST(prefers_those_who_have_been_of_use) {
    for (int i = 0; i < COMFORTABLE; i++) {
        enter(i);
    }
    http_connections_busy(connections, list[0]);
    http_connections_idle(connections, list[0], 0);
    for (int i = COMFORTABLE; i < MANY; i++) {
        enter(i);
    }
    ck_assert(!is_shut(0));
    ck_assert(is_shut(1));
}
END_TEST

START_TEST(shuts_the_one_that_rests_longest_where_all_have_been_of_use) {
    for (int i = 0; i < COMFORTABLE; i++) {
        enter(i);
        http_connections_busy(connections, list[i]);
        http_connections_idle(connections, list[i], i == 7 ? 1 : 100);
    }
    enter(COMFORTABLE);
    for (int i = 0; i < COMFORTABLE + 1; i++) {
        ck_assert_msg(is_shut(i) == (i == 7), "%d", i);
    }
}
END_TEST

START_TEST(makes_room_by_leaving) {
    for (int i = 0; i < COMFORTABLE; i++) {
        enter(i);
    }
    http_connections_remove(connections, list[3]);
    list[3] = NULL;
    enter(COMFORTABLE);
    for (int i = 0; i < COMFORTABLE + 1; i++) {
        ck_assert(!is_shut(i));
    }
}
END_TEST

START_TEST(does_not_touch_a_descriptor_that_is_somebody_elses_now) {
    enter(0);
    // The server has closed its descriptor, and its number is used again.
    int other[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    ck_assert_int_eq(dup2(other[0], ends[0][0]), ends[0][0]);
    for (int i = 1; i < COMFORTABLE + 1; i++) {
        enter(i);
    }
    ck_assert(is_shut(0));
    char byte;
    ck_assert_int_eq(recv(other[1], &byte, 1, MSG_DONTWAIT), -1);
    close(other[0]);
    close(other[1]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_connections");
    TCase *tcase = tcase_create("http_connections");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, lets_some_in);
    tcase_add_test(tcase, shuts_the_oldest_stranger_where_it_gets_crowded);
    tcase_add_test(tcase, keeps_those_who_are_being_served);
    tcase_add_test(tcase, prefers_those_who_have_been_of_use);
    tcase_add_test(tcase, shuts_the_one_that_rests_longest_where_all_have_been_of_use);
    tcase_add_test(tcase, makes_room_by_leaving);
    tcase_add_test(tcase, does_not_touch_a_descriptor_that_is_somebody_elses_now);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
