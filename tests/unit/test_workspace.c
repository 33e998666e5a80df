// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "bootstrap/workspace/workspace.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/files.h"
#include "common/system/process.h"

static struct error err;
/// What stands for /tmp, and a folder beside it that must not be touched.
static char *root;
static char *outside;

static void make_root(void) {
    const char *base = getenv("TMPDIR");
    char name[FILES_RANDOM_NAME_SIZE];
    files_random_name(name);
    root = xasprintf("%s/test-workspace-%s", base ? base : "/tmp", name);
    outside = xasprintf("%s-outside", root);
    ck_assert_int_eq(mkdir(root, 0700), 0);
    ck_assert_int_eq(mkdir(outside, 0700), 0);
}

static void remove_root(void) {
    files_remove_tree(root, 0, &err);
    files_remove_tree(outside, 0, &err);
    free(root);
    free(outside);
}

static char *in_root(const char *name) {
    return xasprintf("%s/%s", root, name);
}

static void write_text(const char *folder, const char *name, const char *text) {
    cleanup_free char *path = xasprintf("%s/%s", folder, name);
    ck_assert_msg(files_write_atomically(path, slice_text(text), 0600, &err), "%s", err.message);
}

static char *read_text(const char *path) {
    cleanup_buffer struct buffer text = BUFFER_INIT(16 << 20);
    ck_assert_msg(files_read(path, &text, &err), "%s", err.message);
    return xstrdup(buffer_text(&text));
}

static struct workspace_options plain_options(void) {
    return (struct workspace_options){.root = root, .path = "/usr/bin:/bin:/opt/bin"};
}

static struct workspace *make(const struct workspace_options *options) {
    struct workspace *workspace = workspace_new(options, &err);
    ck_assert_msg(workspace != NULL, "%s", err.message);
    return workspace;
}

/// What a login shell in the workspace prints.
static char *login_shell(const struct workspace *workspace, const char *path, const char *script) {
    cleanup_environment struct environment environment = {0};
    environment_set_text(&environment, "PATH", path);
    workspace_set_environment(workspace, &environment);
    const char *const argv[] = {"/bin/bash", "-l", "-c", script, NULL};
    const struct process_options options = process_options(argv, &environment);
    cleanup_buffer struct buffer output = BUFFER_INIT(1 << 20);
    struct process_exit end;
    ck_assert_msg(process_run(&options, 60000, &output, &end, &err), "%s", err.message);
    return xstrdup(buffer_text(&output));
}

START_TEST(makes_all_folders_under_one_of_a_random_name) {
    struct workspace_options options = plain_options();
    cleanup_workspace struct workspace *one = make(&options);
    cleanup_free char *first = xstrdup(workspace_builds(one));
    ck_assert_msg(workspace_empty(root, 0, &err), "%s", err.message);
    cleanup_workspace struct workspace *two = make(&options);

    cleanup_free char *prefix = in_root("runlet/");
    ck_assert(strncmp(workspace_builds(two), prefix, strlen(prefix)) == 0);
    ck_assert_str_ne(first, workspace_builds(two));
    struct stat status;
    ck_assert_int_eq(stat(workspace_builds(two), &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0700);
    ck_assert_int_eq(stat(workspace_cache(two), &status), 0);
    ck_assert_int_ne(stat(first, &status), 0);
}
END_TEST

START_TEST(refuses_a_root_that_is_not_empty) {
    write_text(root, "left", "by somebody who still writes");
    struct workspace_options options = plain_options();
    ck_assert_ptr_null(workspace_new(&options, &err));
    ck_assert_str_eq(err.code, "Runtime.WorkspaceDirty");
    ck_assert_ptr_nonnull(strstr(err.message, "left"));
}
END_TEST

START_TEST(names_home_and_tmp) {
    struct workspace_options options = plain_options();
    cleanup_workspace struct workspace *workspace = make(&options);
    cleanup_environment struct environment environment = {0};
    workspace_set_environment(workspace, &environment);
    const char *home = environment_get(&environment, "HOME");
    struct stat status;
    ck_assert_int_eq(stat(home, &status), 0);
    ck_assert_int_eq(stat(environment_get(&environment, "TMPDIR"), &status), 0);
    ck_assert_ptr_null(environment_get(&environment, "GIT_SSL_CAINFO"));
    ck_assert_ptr_null(environment_get(&environment, "SSL_CERT_FILE"));
}
END_TEST

START_TEST(puts_the_path_back_in_login_shells) {
    struct workspace_options options = plain_options();
    options.path = "/var/lang/bin:/usr/bin:/it's odd:/bin:/opt/bin";
    cleanup_workspace struct workspace *workspace = make(&options);
    cleanup_free char *path = login_shell(workspace, options.path, "echo \"$PATH\"");
    ck_assert_msg(strncmp(path, options.path, strlen(options.path)) == 0, "%s", path);
    cleanup_free char *left = login_shell(workspace, options.path, "echo \"${runlet_path-unset}\"");
    ck_assert_str_eq(left, "unset\n");
}
END_TEST

START_TEST(gives_git_the_extra_hosts) {
    const struct http_host hosts[] = {{"gitlab.example.com", "10.0.0.7,fd00::7"}};
    struct workspace_options options = plain_options();
    options.hosts = hosts;
    options.host_count = 1;
    options.server_port = 8443;
    cleanup_workspace struct workspace *workspace = make(&options);
    cleanup_environment struct environment environment = {0};
    workspace_set_environment(workspace, &environment);
    cleanup_free char *file = xasprintf("%s/.gitconfig", environment_get(&environment, "HOME"));
    cleanup_free char *text = read_text(file);
    ck_assert_str_eq(text, "[init]\n\tdefaultBranch = main\n"
                           "[http]\n"
                           "\tcurloptResolve = \"gitlab.example.com:443:10.0.0.7,fd00::7\"\n"
                           "\tcurloptResolve = \"gitlab.example.com:80:10.0.0.7,fd00::7\"\n"
                           "\tcurloptResolve = \"gitlab.example.com:8443:10.0.0.7,fd00::7\"\n");
}
END_TEST

START_TEST(adds_the_ca_to_the_systems_certificates) {
    write_text(outside, "ca.pem", "THE CA OF GITLAB\n");
    write_text(outside, "system.pem", "THE SYSTEM'S");
    cleanup_free char *ca = xasprintf("%s/ca.pem", outside);
    cleanup_free char *system_file = xasprintf("%s/system.pem", outside);
    ck_assert_int_eq(setenv("SSL_CERT_FILE", system_file, 1), 0);
    struct workspace_options options = plain_options();
    options.ca_file = ca;
    cleanup_workspace struct workspace *workspace = make(&options);
    ck_assert_int_eq(unsetenv("SSL_CERT_FILE"), 0);
    cleanup_environment struct environment environment = {0};
    workspace_set_environment(workspace, &environment);
    cleanup_free char *bundle = read_text(environment_get(&environment, "SSL_CERT_FILE"));
    ck_assert_str_eq(bundle, "THE SYSTEM'S\nTHE CA OF GITLAB\n");
    ck_assert_str_eq(environment_get(&environment, "GIT_SSL_CAINFO"),
                     environment_get(&environment, "SSL_CERT_FILE"));
    ck_assert_str_eq(environment_get(&environment, "CI_SERVER_TLS_CA_FILE"), ca);
}
END_TEST

START_TEST(empties_the_root_of_everything_and_touches_nothing_else) {
    write_text(outside, "stays", "x");
    cleanup_free char *link = in_root("link");
    cleanup_free char *fifo = in_root("fifo\nwith a newline");
    cleanup_free char *tree = in_root("tree");
    cleanup_free char *inner = in_root("tree/inner");
    ck_assert_int_eq(symlink(outside, link), 0);
    ck_assert_int_eq(mkfifo(fifo, 0), 0);
    ck_assert_int_eq(mkdir(tree, 0700), 0);
    ck_assert_int_eq(mkdir(inner, 0700), 0);
    write_text(inner, "-rf", "x");
    ck_assert_int_eq(chmod(inner, 0), 0);
    ck_assert_int_eq(chmod(tree, 0500), 0);

    ck_assert_msg(workspace_empty(root, 60000, &err), "%s", err.message);

    struct workspace_options options = plain_options();
    cleanup_workspace struct workspace *workspace = make(&options);
    cleanup_free char *stays = xasprintf("%s/stays", outside);
    ck_assert_int_eq(access(stays, F_OK), 0);
}
END_TEST

/// A mirror with one provider in ROOT/runlet/providers.
static void make_mirror(void) {
    cleanup_free char *folder = in_root("runlet/providers/registry.terraform.io/a/b/1.0.0/any");
    ck_assert_msg(files_make_directories(folder, 0755, &err), "%s", err.message);
    write_text(folder, "provider", "x");
}

START_TEST(leaves_the_providers_and_nothing_else) {
    make_mirror();
    write_text(root, "left", "x");
    cleanup_free char *parent = in_root("runlet");
    write_text(parent, "left", "x");
    cleanup_free char *other = in_root("runlet/0123/home");
    ck_assert_msg(files_make_directories(other, 0700, &err), "%s", err.message);

    ck_assert_msg(workspace_empty_but_providers(root, 60000, &err), "%s", err.message);

    cleanup_free char *providers = in_root("runlet/providers");
    struct workspace_options options = plain_options();
    ck_assert_ptr_null(workspace_new(&options, &err)); // It is not empty.
    options.providers_kept = true;
    options.providers = providers;
    cleanup_workspace struct workspace *workspace = make(&options);
    cleanup_free char *said = login_shell(workspace, "/usr/bin:/bin", "cat $TF_CLI_CONFIG_FILE");
    ck_assert_ptr_nonnull(strstr(said, "exclude = [\"registry.terraform.io/a/b\", "
                                       "\"registry.opentofu.org/a/b\"]"));
    cleanup_free char *left = in_root("left");
    ck_assert_int_eq(access(left, F_OK), -1);
}
END_TEST

START_TEST(takes_away_what_hangs_on_the_folders_that_stay) {
    make_mirror();
    cleanup_free char *parent = in_root("runlet");
    cleanup_free char *providers = in_root("runlet/providers");
    const char *const folders[] = {root, parent};
    for (size_t i = 0; i < 2; i++) {
        ck_assert(setxattr(folders[i], "user.a", "secret", 6, 0) == 0 || errno == EOPNOTSUPP);
        ck_assert_int_eq(chmod(folders[i], 07777), 0);
    }

    ck_assert_msg(workspace_empty_but_providers(root, 60000, &err), "%s", err.message);

    ck_assert_int_eq(access(providers, F_OK), 0);
    for (size_t i = 0; i < 2; i++) {
        struct stat status;
        ck_assert_int_lt(getxattr(folders[i], "user.a", NULL, 0), 0);
        ck_assert_int_eq(stat(folders[i], &status), 0);
        ck_assert_int_eq(status.st_mode & 07777, 0700);
    }
}
END_TEST

START_TEST(empties_a_root_that_was_closed_to_us) {
    write_text(root, "left", "x");
    ck_assert_int_eq(chmod(root, 0), 0);
    ck_assert_msg(workspace_empty(root, 60000, &err), "%s", err.message);
    struct stat status;
    ck_assert_int_eq(stat(root, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0700);
    ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

START_TEST(tells_of_a_folder_that_does_not_shrink) {
    enum { FILES = 2, NAMES = 35000 };
    char name[256];
    for (int file = 0; file < FILES; file++) {
        write_text(root, file ? "a" : "b", "x");
        cleanup_free char *target = in_root(file ? "a" : "b");
        for (int i = 0; i < NAMES; i++) {
            (void)snprintf(name, sizeof(name), "%d-%d-%0230d", file, i, 0);
            cleanup_free char *path = in_root(name);
            ck_assert_int_eq(link(target, path), 0);
        }
    }
    struct stat status;
    const bool emptied = workspace_empty(root, 0, &err);
    ck_assert_int_eq(stat(root, &status), 0);
    // That is so on ext4, and not on tmpfs.
    ck_assert_int_eq(emptied, status.st_blocks * 512 <= 16 << 20);
    ck_assert(emptied || strcmp(err.code, "Runtime.WorkspaceDirty") == 0);
    ck_assert_int_eq(rmdir(root), 0);
}
END_TEST

START_TEST(keeps_no_providers_that_are_no_folder) {
    make_mirror();
    cleanup_free char *providers = in_root("runlet/providers");
    cleanup_free char *aside = xasprintf("%s/aside", outside);
    ck_assert_int_eq(rename(providers, aside), 0);
    ck_assert_int_eq(symlink(aside, providers), 0);

    ck_assert_msg(workspace_empty_but_providers(root, 60000, &err), "%s", err.message);

    struct stat status;
    ck_assert_int_eq(lstat(providers, &status), -1);
    ck_assert_int_eq(stat(aside, &status), 0);
    // A link in the place of its parent goes, too.
    cleanup_free char *parent = in_root("runlet");
    ck_assert_int_eq(rmdir(parent), 0);
    ck_assert_int_eq(symlink(outside, parent), 0);
    ck_assert_msg(workspace_empty_but_providers(root, 60000, &err), "%s", err.message);
    ck_assert_int_eq(lstat(parent, &status), -1);
    ck_assert_int_eq(stat(aside, &status), 0);
}
END_TEST

START_TEST(says_that_a_root_cannot_be_emptied) {
    cleanup_free char *missing = in_root("missing");
    ck_assert(!workspace_empty(missing, 1000, &err));
    ck_assert_str_eq(err.code, "Runtime.WorkspaceDirty");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("workspace");
    TCase *tests = tcase_create("workspace");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, make_root, remove_root);
    tcase_add_test(tests, makes_all_folders_under_one_of_a_random_name);
    tcase_add_test(tests, refuses_a_root_that_is_not_empty);
    tcase_add_test(tests, names_home_and_tmp);
    tcase_add_test(tests, puts_the_path_back_in_login_shells);
    tcase_add_test(tests, gives_git_the_extra_hosts);
    tcase_add_test(tests, adds_the_ca_to_the_systems_certificates);
    tcase_add_test(tests, empties_the_root_of_everything_and_touches_nothing_else);
    tcase_add_test(tests, leaves_the_providers_and_nothing_else);
    tcase_add_test(tests, takes_away_what_hangs_on_the_folders_that_stay);
    tcase_add_test(tests, empties_a_root_that_was_closed_to_us);
    tcase_add_test(tests, tells_of_a_folder_that_does_not_shrink);
    tcase_add_test(tests, keeps_no_providers_that_are_no_folder);
    tcase_add_test(tests, says_that_a_root_cannot_be_emptied);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
