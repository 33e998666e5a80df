// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bootstrap/job/runner.h"
#include "bootstrap/job/runner_log.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"
#include "common/system/files.h"

static struct error err;
/// A folder of the test's own; "<root>/tmp" stands for /tmp.
static char *root;
static struct workspace *workspace;

static void make_root(void) {
    const char *base = getenv("TMPDIR");
    char name[FILES_RANDOM_NAME_SIZE];
    files_random_name(name);
    root = xasprintf("%s/test-runner-%s", base ? base : "/tmp", name);
    cleanup_free char *tmp = xasprintf("%s/tmp", root);
    ck_assert_msg(files_make_directories(tmp, 0700, &err), "%s", err.message);
    workspace =
        workspace_new(&(struct workspace_options){.root = tmp, .path = "/usr/bin:/bin"}, &err);
    ck_assert_msg(workspace != NULL, "%s", err.message);
}

static void remove_root(void) {
    workspace_destroyp(&workspace);
    files_remove_tree(root, 0, &err);
    free(root);
}

/// A program called gitlab-runner in a folder of its own; returns its path.
static char *write_program(const char *script) {
    cleanup_free char *folder = xasprintf("%s/bin", root);
    ck_assert_msg(files_make_directories(folder, 0700, &err), "%s", err.message);
    char *path = xasprintf("%s/gitlab-runner", folder);
    ck_assert_msg(files_write_atomically(path, slice_text(script), 0755, &err), "%s", err.message);
    return path;
}

static struct runner_options options_for(const char *program) {
    return (struct runner_options){
        .program = program,
        .search_path = "/usr/bin:/bin",
        .workspace = workspace,
        .server_url = "https://gitlab.example.com/below",
        .broker_port = 4711,
        .placeholder_token = "placeholder",
        .name = "-a name",
        .wait_timeout_ms = 2500,
    };
}

static void destroy_argv(char ***argv) {
    runner_argv_destroy(*argv);
}

START_TEST(has_arguments_that_old_and_new_runners_take) {
    char *extra[] = {"--output-limit", "100", NULL};
    struct runner_options options = options_for("/opt/bin/gitlab-runner");
    options.extra_args = extra;
    char **argv __attribute__((cleanup(destroy_argv))) = runner_argv(&options);

    cleanup_buffer struct buffer line = BUFFER_INIT(65536);
    for (char **argument = argv; *argument; argument++) {
        buffer_appendf(&line, "%s|", *argument);
    }
    cleanup_buffer struct buffer expected = BUFFER_INIT(65536);
    buffer_appendf(&expected,
                   "/opt/bin/gitlab-runner|--log-format=json|run-single|"
                   "--url=http://127.0.0.1:4711|--token=placeholder|--name=-a name|"
                   "--executor=shell|--shell=bash|--builds-dir=%s|--cache-dir=%s|--max-builds=1|"
                   "--wait-timeout=3|--clone-url=https://gitlab.example.com/below|"
                   "--output-limit|100|",
                   workspace_builds(workspace), workspace_cache(workspace));
    ck_assert_str_eq(buffer_text(&line), buffer_text(&expected));
}
END_TEST

START_TEST(builds_the_environment_from_an_allow_list) {
    setenv("AWS_ACCESS_KEY_ID", "key", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_SESSION_TOKEN", "session", 1);
    setenv("CI_SERVER_TOKEN", "token", 1);
    setenv("RUNLET_TOKEN_SECRET_ARN", "arn", 1);
    setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1", 1);
    setenv("RUNNER_EXECUTOR", "docker", 1);
    setenv("SOMETHING_ELSE", "x", 1);
    setenv("AWS_REGION", "eu-central-1", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:5000", 1);
    struct runner_options options = options_for("x");
    options.trace_id = "Root=1";
    cleanup_environment struct environment environment = {0};

    runner_environment(&options, &environment);

    static const char *const absent[] = {
        "AWS_ACCESS_KEY_ID",       "AWS_SECRET_ACCESS_KEY",  "AWS_SESSION_TOKEN", "CI_SERVER_TOKEN",
        "RUNLET_TOKEN_SECRET_ARN", "AWS_LAMBDA_RUNTIME_API", "RUNNER_EXECUTOR",   "SOMETHING_ELSE",
    };
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        ck_assert_msg(environment_get(&environment, absent[i]) == NULL, "%s", absent[i]);
    }
    ck_assert_str_eq(environment_get(&environment, "AWS_REGION"), "eu-central-1");
    ck_assert_str_eq(environment_get(&environment, "LC_ALL"), "C.UTF-8");
    ck_assert_str_eq(environment_get(&environment, "AWS_ENDPOINT_URL_STS"),
                     "http://127.0.0.1:5000");
    ck_assert_str_eq(environment_get(&environment, "PATH"), "/usr/bin:/bin");
    ck_assert_str_eq(environment_get(&environment, "_X_AMZN_TRACE_ID"), "Root=1");
    ck_assert_str_eq(environment_get(&environment, "AWS_EC2_METADATA_DISABLED"), "true");
    ck_assert_ptr_nonnull(environment_get(&environment, "HOME"));
}
END_TEST

START_TEST(gives_git_an_address_so_that_it_asks_no_name_server) {
    struct runner_options options = options_for("x");
    cleanup_environment struct environment ours = {0};
    unsetenv("EMAIL");
    runner_environment(&options, &ours);
    ck_assert_str_eq(environment_get(&ours, "EMAIL"), "job@runlet.invalid");

    cleanup_environment struct environment theirs = {0};
    setenv("EMAIL", "somebody@example.com", 1);
    runner_environment(&options, &theirs);
    ck_assert_str_eq(environment_get(&theirs, "EMAIL"), "somebody@example.com");
}
END_TEST

START_TEST(says_where_the_jobs_session_is_and_gives_no_key) {
    struct runner_options options = options_for("x");
    options.credentials_path = "/credentials";
    options.credentials_token = SLICE("to-be-shown");
    cleanup_environment struct environment environment = {0};

    runner_environment(&options, &environment);

    ck_assert_str_eq(environment_get(&environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
                     "http://127.0.0.1:4711/credentials");
    ck_assert_str_eq(environment_get(&environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
                     "to-be-shown");
    ck_assert_str_eq(environment_get(&environment, "AWS_EC2_METADATA_DISABLED"), "true");
    ck_assert_ptr_null(environment_get(&environment, "AWS_ACCESS_KEY_ID"));
}
END_TEST

START_TEST(passes_on_the_functions_keys_where_asked) {
    struct aws_credentials credentials = {
        .access_key = "ASIAEXAMPLE",
        .secret_key = secret_new(SLICE("the-secret")),
        .session_token = secret_new(SLICE("the-session")),
    };
    struct runner_options options = options_for("x");
    options.credentials = &credentials;
    cleanup_environment struct environment environment = {0};

    runner_environment(&options, &environment);

    ck_assert_str_eq(environment_get(&environment, "AWS_ACCESS_KEY_ID"), "ASIAEXAMPLE");
    ck_assert_str_eq(environment_get(&environment, "AWS_SECRET_ACCESS_KEY"), "the-secret");
    ck_assert_str_eq(environment_get(&environment, "AWS_SESSION_TOKEN"), "the-session");
    secret_destroy(credentials.secret_key);
    secret_destroy(credentials.session_token);
}
END_TEST

START_TEST(looks_for_programs_where_layers_put_them) {
    static const struct {
        const char *path;
        const char *expected;
    } cases[] = {
        {"/usr/bin:/bin", "/opt/libexec/runlet:/usr/bin:/bin:/opt/bin"},
        {"/opt/bin:/bin", "/opt/libexec/runlet:/opt/bin:/bin"},
        {"/var/lang/bin:/usr/bin/:/opt/bin",
         "/opt/libexec/runlet:/var/lang/bin:/usr/bin/:/opt/bin"},
        // Who has a bash of their own puts it first.
        {"/opt/mine:/opt/libexec/runlet:/bin", "/opt/mine:/opt/libexec/runlet:/bin:/opt/bin"},
        {"", "/opt/libexec/runlet:/usr/local/bin:/usr/bin:/bin:/opt/bin"},
        {NULL, "/opt/libexec/runlet:/usr/local/bin:/usr/bin:/bin:/opt/bin"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].path) {
            setenv("PATH", cases[i].path, 1);
        } else {
            unsetenv("PATH");
        }
        cleanup_free char *path = runner_search_path();
        ck_assert_str_eq(path, cases[i].expected);
    }
}
END_TEST

START_TEST(finds_the_runner_or_says_that_it_is_missing) {
    cleanup_free char *program = write_program("#!/bin/sh\n");
    cleanup_free char *path = xasprintf("/nowhere::relative:%s/bin", root);
    cleanup_free char *found = runner_find(path, &err);
    ck_assert_str_eq(found, program);

    ck_assert_int_eq(chmod(program, 0644), 0);
    if (geteuid() != 0) {
        ck_assert_ptr_null(runner_find(path, &err));
    }
    ck_assert_ptr_null(runner_find("/nowhere:", &err));
    ck_assert_str_eq(err.code, "Function.RunnerMissing");
}
END_TEST

START_TEST(stops_on_sigterm) {
    cleanup_free char *program =
        write_program("#!/bin/sh\ntrap 'echo stopped; exit 3' TERM\necho ready > ready\n"
                      "while :; do sleep 0.05; done\n");
    struct runner_options options = options_for(program);
    cleanup_runner struct runner *runner = runner_start(&options, &err);
    ck_assert_msg(runner != NULL, "%s", err.message);
    struct process_exit end;
    cleanup_free char *ready = xasprintf("%s/ready", workspace_builds(workspace));
    while (access(ready, F_OK) != 0) {
        ck_assert(!runner_wait(runner, 20, &end));
    }

    runner_terminate(runner);

    while (!runner_wait(runner, 60000, &end)) {
    }
    ck_assert_int_eq(end.code, 3);
    ck_assert_int_eq(end.signal, 0);
}
END_TEST

START_TEST(is_ended_before_us_when_memory_runs_out) {
    cleanup_free char *program =
        write_program("#!/bin/sh\nread line < go; cat /proc/self/oom_score_adj > score\n");
    cleanup_free char *go = xasprintf("%s/go", workspace_builds(workspace));
    ck_assert_int_eq(mkfifo(go, 0600), 0);
    struct runner_options options = options_for(program);
    cleanup_runner struct runner *runner = runner_start(&options, &err);
    ck_assert_msg(runner != NULL, "%s", err.message);
    cleanup_close int fd = open(go, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(write(fd, "\n", 1), 1);
    struct process_exit end;
    while (!runner_wait(runner, 60000, &end)) {
    }
    cleanup_free char *path = xasprintf("%s/score", workspace_builds(workspace));
    cleanup_buffer struct buffer score = BUFFER_INIT(100);
    ck_assert_msg(files_read(path, &score, &err), "%s", err.message);
    ck_assert_str_eq(buffer_text(&score), "1000\n");
}
END_TEST

START_TEST(says_that_a_runner_cannot_be_started) {
    cleanup_free char *program = write_program("#!/nowhere/interpreter\n");
    struct runner_options options = options_for(program);
    ck_assert_ptr_null(runner_start(&options, &err));
    ck_assert_str_eq(err.code, "Function.RunnerCrashed");
}
END_TEST

// --- The runner's log --------------------------------------------------------------------------

/// Feeds some text, byte for byte, and returns what went to our log.
static char *logged(const char *text, unsigned max_lines) {
    cleanup_free char *path = xasprintf("%s/log", root);
    cleanup_fclose FILE *file = fopen(path, "w+");
    ck_assert_ptr_nonnull(file);
    log_set_fd(fileno(file));
    struct runner_log *log = runner_log_new(max_lines);
    for (const char *c = text; *c; c++) {
        runner_log_feed(log, slice_make(c, 1));
    }
    runner_log_destroy(log);
    log_set_fd(STDOUT_FILENO);
    cleanup_buffer struct buffer content = BUFFER_INIT(1 << 20);
    ck_assert_msg(files_read(path, &content, &err), "%s", err.message);
    return xstrdup(buffer_text(&content));
}

START_TEST(reads_the_runners_json) {
    cleanup_free char *text = logged(
        "{\"level\":\"warning\",\"msg\":\"Job failed\\n\",\"job\":41,\"error\":\"exit 1\"}\n", 10);
    ck_assert_ptr_nonnull(strstr(text, "\"level\":\"WARN\",\"message\":\"Job failed\","));
    ck_assert_ptr_nonnull(strstr(text, "\"error\":\"exit 1\""));
    ck_assert_ptr_nonnull(strstr(text, "\"job\":41"));
}
END_TEST

START_TEST(takes_other_lines_as_they_are) {
    static const char *const lines[] = {"plain text", "{broken", "{\"no\":\"message\"}", "[1]"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        cleanup_free char *text = logged(lines[i], 10);
        cleanup_buffer struct buffer expected = BUFFER_INIT(1000);
        buffer_append_text(&expected, "\"level\":\"INFO\",\"message\":");
        json_append_string(&expected, slice_text(lines[i]));
        ck_assert_msg(strstr(text, buffer_text(&expected)) != NULL, "%s", text);
    }
}
END_TEST

START_TEST(lets_nothing_pass_for_a_metric) {
    cleanup_free char *text = logged("{\"_aws\":{\"Timestamp\":1}}\n", 10);
    ck_assert_ptr_nonnull(strstr(text, "\"message\":\"{\\\"_aws\\\""));
    ck_assert_ptr_nonnull(strstr(text, "\"source\":\"gitlab-runner\""));
}
END_TEST

START_TEST(bounds_lines_and_their_number) {
    cleanup_buffer struct buffer flood = BUFFER_INIT(1 << 20);
    for (size_t i = 0; i < 100000; i++) {
        buffer_append_byte(&flood, 'x');
    }
    buffer_append_text(&flood, "\none\n\ntwo\nthree\nrest");
    cleanup_free char *text = logged(buffer_text(&flood), 3);
    ck_assert_uint_lt(strlen(text), 6000);
    ck_assert_ptr_nonnull(strstr(text, "\"two\""));
    ck_assert_ptr_null(strstr(text, "\"three\""));
    ck_assert_ptr_nonnull(strstr(text, "\"dropped\":2"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runner");
    TCase *tests = tcase_create("runner");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, make_root, remove_root);
    tcase_add_test(tests, has_arguments_that_old_and_new_runners_take);
    tcase_add_test(tests, builds_the_environment_from_an_allow_list);
    tcase_add_test(tests, gives_git_an_address_so_that_it_asks_no_name_server);
    tcase_add_test(tests, says_where_the_jobs_session_is_and_gives_no_key);
    tcase_add_test(tests, passes_on_the_functions_keys_where_asked);
    tcase_add_test(tests, looks_for_programs_where_layers_put_them);
    tcase_add_test(tests, finds_the_runner_or_says_that_it_is_missing);
    tcase_add_test(tests, stops_on_sigterm);
    tcase_add_test(tests, is_ended_before_us_when_memory_runs_out);
    tcase_add_test(tests, says_that_a_runner_cannot_be_started);
    tcase_add_test(tests, reads_the_runners_json);
    tcase_add_test(tests, takes_other_lines_as_they_are);
    tcase_add_test(tests, lets_nothing_pass_for_a_metric);
    tcase_add_test(tests, bounds_lines_and_their_number);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
