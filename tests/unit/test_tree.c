// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/zip/entry_name.h"
#include "layer-packer/links.h"
#include "layer-packer/tree.h"

static struct error err;

static void add_file(struct tree *tree, const char *name, const char *origin, off_t size) {
    const struct stat found = {.st_mode = S_IFREG | 0644, .st_size = size};
    ck_assert(tree_add_file(tree, slice_text(name), origin, -1, &found, 0644, &err));
}

static void add_link(struct tree *tree, const char *name, const char *target) {
    ck_assert(tree_add_link(tree, slice_text(name), name, slice_text(target), &err));
}

static void add_folder(struct tree *tree, const char *name) {
    ck_assert(tree_add_folder(tree, slice_text(name), name, &err));
}

START_TEST(sorts_by_bytes_and_keeps_only_empty_folders) {
    cleanup_tree struct tree tree = {0};
    add_folder(&tree, "b");
    add_file(&tree, "b-c", "x", 1);
    add_file(&tree, "b/c", "x", 2);
    add_folder(&tree, "empty");
    add_folder(&tree, "b");
    add_file(&tree, "B", "x", 3);
    add_link(&tree, "a", "b/c");
    ck_assert_msg(tree_finish(&tree, &err), "%s", err.message);
    static const char *const expected[] = {"B", "a", "b-c", "b/c", "empty"};
    ck_assert_uint_eq(tree.count, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_str_eq(tree.entries[i].name, expected[i]);
    }
    ck_assert_uint_eq(tree_size(&tree), 1 + 2 + 3 + 3);
    ck_assert_ptr_eq(tree_find(&tree, SLICE("b")), NULL);
    ck_assert_ptr_eq(links_find_file(&tree, SLICE("a")), &tree.entries[3]);
}
END_TEST

START_TEST(names_both_origins_of_a_name_that_is_there_twice) {
    cleanup_tree struct tree tree = {0};
    add_file(&tree, "same", "two/same", 1);
    add_file(&tree, "same", "one/same", 1);
    ck_assert(!tree_finish(&tree, &err));
    ck_assert_str_eq(err.message, "same: named twice: one/same and two/same");
}
END_TEST

START_TEST(refuses_what_lies_below_no_folder) {
    cleanup_tree struct tree tree = {0};
    add_link(&tree, "a", "b");
    add_file(&tree, "a-", "x", 1);
    add_file(&tree, "a/b", "x", 1);
    ck_assert(!tree_finish(&tree, &err));
    ck_assert(error_is(&err, "twice"));
}
END_TEST

START_TEST(refuses_names_that_are_no_plain_paths) {
    static const char *const bad[] = {"",
                                      "/",
                                      "/a",
                                      "a/",
                                      "a//b",
                                      ".",
                                      "..",
                                      "../a",
                                      "a/.",
                                      "a/..",
                                      "a/../b",
                                      "\xff",
                                      "a/./b",
                                      "a\\b",
                                      "\xc3",
                                      "a\x01\xc3\xa9",
                                      "\xed\xa0\x80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        ck_assert_msg(!tree_check_name(slice_text(bad[i]), "x", &err), "%s", bad[i]);
    }
    ck_assert(!tree_check_name(slice_make("a\0b", 3), "x", &err));
    static const char *const good[] = {"a", "a/b", "...", "..a", "a b", "\xc3\xa9", "-", "a\nb"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        ck_assert_msg(tree_check_name(slice_text(good[i]), "x", &err), "%s", good[i]);
    }
}
END_TEST

START_TEST(follows_links_as_the_kernel_does) {
    cleanup_tree struct tree tree = {0};
    add_file(&tree, "d/e/file", "x", 1);
    add_link(&tree, "deep", "d/e");
    add_link(&tree, "up", "deep/..");
    add_link(&tree, "chain", "up/e/file");
    add_link(&tree, "layer", "/opt/d/e/");
    add_link(&tree, "task", "/var/task");
    add_link(&tree, "nowhere", "gone/../d");
    ck_assert_msg(tree_finish(&tree, &err), "%s", err.message);
    ck_assert_msg(links_check(&tree, NULL, &err), "%s", err.message);
    cleanup_buffer struct buffer path = BUFFER_INIT(ENTRY_NAME_MAX);
    ck_assert_int_eq(links_follow(&tree, SLICE("up"), &path), LINKS_ARRIVED);
    ck_assert_str_eq(buffer_text(&path), "d");
    ck_assert_int_eq(links_follow(&tree, SLICE("chain"), &path), LINKS_ARRIVED);
    ck_assert_str_eq(buffer_text(&path), "d/e/file");
    ck_assert_int_eq(links_follow(&tree, SLICE("task/layer/file"), &path), LINKS_ARRIVED);
    ck_assert_str_eq(buffer_text(&path), "d/e/file");
    ck_assert_int_eq(links_follow(&tree, SLICE("up/../../x"), &path), LINKS_LEFT);
    ck_assert_ptr_nonnull(links_find_file(&tree, SLICE("deep/file")));
    ck_assert_ptr_null(links_find_file(&tree, SLICE("deep")));
}
END_TEST

START_TEST(refuses_links_in_circles) {
    cleanup_tree struct tree tree = {0};
    cleanup_buffer struct buffer path = BUFFER_INIT(ENTRY_NAME_MAX);
    add_link(&tree, "a", "b/x");
    add_link(&tree, "b", "/opt/a");
    ck_assert(tree_finish(&tree, &err));
    ck_assert_int_eq(links_follow(&tree, SLICE("a"), &path), LINKS_LOOP);
    ck_assert(!links_check(&tree, NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "a: the symlink goes in circles"));
}
END_TEST

START_TEST(warns_of_links_to_nothing) {
    cleanup_tree struct tree tree = {0};
    cleanup_warnings struct warnings warnings = {0};
    add_file(&tree, "d/e/file", "x", 1);
    add_folder(&tree, "empty");
    add_link(&tree, "1", "d");
    add_link(&tree, "2", "d/e/file");
    add_link(&tree, "3", "empty");
    add_link(&tree, "4", ".");
    add_link(&tree, "5", "d/fil");
    add_link(&tree, "6", "/opt/bin/other-layer");
    ck_assert(tree_finish(&tree, &err));
    ck_assert_msg(links_check(&tree, &warnings, &err), "%s", err.message);
    ck_assert_uint_eq(warnings.count, 2);
    ck_assert_ptr_nonnull(strstr(warnings.texts[0], "5: the symlink leads to d/fil,"));
    ck_assert_ptr_nonnull(strstr(warnings.texts[1], "6: the symlink leads to /opt/bin/"));
}
END_TEST

static const struct {
    const char *name;
    const char *target;
    bool good;
} links[] = {
    {"l", "/x", false},          {"l", "..", false},
    {"l", "../root/f", false},   {"a/l", "..", true},
    {"a/l", "../f", true},       {"a/l", "../../f", false},
    {"a/b/l", "../../f", true},  {"a/b/l", "../../../f", false},
    {"l", "a/../../f", false},   {"l", "a/../f", true},
    {"l", "top/../f", false},    {"l", "a/top/f", true},
    {"l", "a/top/../f", false},  {"l", ".//f", true},
    {"a/b/l", "/opt/f", true},   {"l", "/opt/../f", false},
    {"l", "/opt", true},         {"l", "/var/task/a/../f", true},
    {"l", "/optional", false},   {"l", "/var/f", false},
    {"l", "/opt/top/..", false},
};

START_TEST(refuses_links_that_leave_the_root_at_any_step) {
    cleanup_tree struct tree tree = {0};
    // top and a/top lead to the root itself.
    add_link(&tree, "top", ".");
    add_link(&tree, "a/top", "..");
    add_file(&tree, "f", "x", 1);
    add_link(&tree, links[_i].name, links[_i].target);
    ck_assert(tree_finish(&tree, &err));
    ck_assert_int_eq(links_check(&tree, NULL, &err), links[_i].good);
}
END_TEST

START_TEST(names_the_largest_file_of_too_much) {
    cleanup_tree struct tree tree = {0};
    add_file(&tree, "a", "x", 10);
    add_file(&tree, "b", "x", 20);
    add_file(&tree, "c", "x", 5);
    ck_assert(tree_finish(&tree, &err));
    ck_assert(tree_check_size(&tree, 35, &err));
    ck_assert(!tree_check_size(&tree, 34, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "35 bytes unzipped"));
    ck_assert_ptr_nonnull(strstr(err.message, "is b with 20 bytes"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tree");
    TCase *tcase = tcase_create("tree");
    tcase_add_test(tcase, sorts_by_bytes_and_keeps_only_empty_folders);
    tcase_add_test(tcase, names_both_origins_of_a_name_that_is_there_twice);
    tcase_add_test(tcase, refuses_what_lies_below_no_folder);
    tcase_add_test(tcase, refuses_names_that_are_no_plain_paths);
    tcase_add_test(tcase, follows_links_as_the_kernel_does);
    tcase_add_test(tcase, refuses_links_in_circles);
    tcase_add_test(tcase, warns_of_links_to_nothing);
    tcase_add_loop_test(tcase, refuses_links_that_leave_the_root_at_any_step, 0,
                        sizeof(links) / sizeof(*links));
    tcase_add_test(tcase, names_the_largest_file_of_too_much);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
