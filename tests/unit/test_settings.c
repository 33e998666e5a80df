// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "bootstrap/gitlab/system_id.h"
#include "bootstrap/settings/runner_args.h"
#include "bootstrap/settings/settings.h"
#include "bootstrap/settings/settings_table.h"
#include "common/array.h"
#include "common/json.h"
#include "common/log.h"

#define SECRET_ARN "arn:aws:secretsmanager:eu-central-1:123456789012:secret:runlet/token-AbCdEf"

static void set(const char *name, const char *value) {
    ck_assert_int_eq(setenv(name, value, 1), 0);
}

/// An environment in which everything is good.
static void good_environment(void) {
    clearenv();
    set("CI_SERVER_URL", "https://gitlab.example.com/");
    set("RUNLET_TOKEN_SECRET_ARN", SECRET_ARN);
    set("AWS_REGION", "eu-central-1");
    set("AWS_LAMBDA_FUNCTION_NAME", "runner-function");
}

static void load(struct settings *settings) {
    struct error err = {0};
    if (!settings_load(settings, &err)) {
        ck_abort_msg("refused: %s", err.message);
    }
}

/// Fails to load, and returns the message.
static const char *refusal(void) {
    static struct error err;
    cleanup_settings struct settings settings = {0};
    ck_assert(!settings_load(&settings, &err));
    ck_assert_str_eq(err.code, "Runtime.ConfigInvalid");
    return err.message;
}

static void assert_contains(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" does not contain \"%s\"", text, part);
}

static void assert_lacks(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) == NULL, "\"%s\" contains \"%s\"", text, part);
}

START_TEST(has_the_documented_defaults) {
    good_environment();
    cleanup_settings struct settings settings = {0};

    load(&settings);

    ck_assert_str_eq(settings.server_url, "https://gitlab.example.com");
    ck_assert_str_eq(settings.server_host, "gitlab.example.com");
    ck_assert_uint_eq(settings.server_port, 443);
    ck_assert(!settings.server_is_plain_and_remote);
    ck_assert_str_eq(settings.runner_name, "runner-function");
    ck_assert_str_eq(settings.token_secret_arn, SECRET_ARN);
    ck_assert_ptr_null(settings.token_parameter);
    ck_assert_ptr_null(settings.token);
    ck_assert_int_eq(settings.wait_timeout_ms, 10000);
    ck_assert_int_eq(settings.deadline_margin_ms, 15000);
    ck_assert_int_eq(settings.min_job_time_ms, 10000);
    ck_assert_uint_eq(settings.max_jobs, 1);
    ck_assert_int_eq(settings.job_credentials, JOB_CREDENTIALS_NONE);
    ck_assert_ptr_null(settings.runner_args[0]);
    ck_assert_uint_eq(settings.extra_host_count, 0);
    ck_assert(!settings.fresh_environment);
}
END_TEST

START_TEST(reads_every_setting) {
    good_environment();
    set("CI_SERVER_URL", "http://[::1]:8080/gitlab/");
    set("RUNNER_NAME", "A runner, with blanks");
    unsetenv("RUNLET_TOKEN_SECRET_ARN");
    set("RUNLET_TOKEN_PARAMETER", "/runlet/token");
    set("RUNLET_WAIT_TIMEOUT", "600");
    set("RUNLET_MAX_JOBS", "3");
    set("RUNLET_DEADLINE_MARGIN", "8");
    set("RUNLET_MIN_JOB_TIME", "0");
    set("RUNLET_JOB_CREDENTIALS", "inherit");
    set("RUNLET_JOB_ROLE_ARN", "arn:aws-us-gov:iam::123456789012:role/path/job");
    set("RUNLET_ACCOUNTS_PARAMETER", "/runlet/accounts");
    set("RUNLET_PROVIDER_MIRROR", "s3://bucket/a/mirror.zip");
    set("RUNLET_PROVIDER_MIRROR_SHA256",
        "ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789");
    set("RUNLET_RUNNER_ARGS", "[\"--output-limit\", \"10000\"]");
    set("RUNLET_EXTRA_HOSTS",
        "{\"gitlab.example.com\": [\"10.0.0.7\", \"fd00::7\"], \"other\": \"10.0.0.8\"}");
    set("RUNLET_FRESH_ENVIRONMENT", "true");
    set("AWS_LAMBDA_MAX_CONCURRENCY", "1");
    cleanup_settings struct settings settings = {0};

    load(&settings);

    ck_assert_str_eq(settings.server_url, "http://[::1]:8080/gitlab");
    ck_assert_str_eq(settings.server_host, "::1");
    ck_assert_uint_eq(settings.server_port, 8080);
    ck_assert_str_eq(settings.runner_name, "A runner, with blanks");
    ck_assert_str_eq(settings.token_parameter, "/runlet/token");
    ck_assert_ptr_null(settings.token_secret_arn);
    ck_assert_int_eq(settings.wait_timeout_ms, 600000);
    ck_assert_uint_eq(settings.max_jobs, 3);
    ck_assert_int_eq(settings.deadline_margin_ms, 8000);
    ck_assert_int_eq(settings.min_job_time_ms, 0);
    ck_assert_int_eq(settings.job_credentials, JOB_CREDENTIALS_INHERIT);
    ck_assert_str_eq(settings.accounts_parameter, "/runlet/accounts");
    ck_assert_str_eq(settings.mirror.bucket, "bucket");
    ck_assert_str_eq(settings.mirror.key, "a/mirror.zip");
    ck_assert_str_eq(settings.mirror.sha256,
                     "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789");
    ck_assert_str_eq(settings.runner_args[0], "--output-limit");
    ck_assert_str_eq(settings.runner_args[1], "10000");
    ck_assert_ptr_null(settings.runner_args[2]);
    ck_assert_uint_eq(settings.extra_host_count, 2);
    ck_assert_str_eq(settings.extra_hosts[0].name, "gitlab.example.com");
    ck_assert_str_eq(settings.extra_hosts[0].addresses, "10.0.0.7,fd00::7");
    ck_assert_str_eq(settings.extra_hosts[1].addresses, "10.0.0.8");
    ck_assert(settings.fresh_environment);
}
END_TEST

static const struct {
    const char *name;
    const char *value;
    const char *flaw;
} bad_values[] = {
    {"CI_SERVER_URL", "", "is empty"},
    {"CI_SERVER_URL", "gitlab.example.com", "https://"},
    {"CI_SERVER_URL", "ftp://gitlab.example.com", "https://"},
    {"CI_SERVER_URL", "https://", "host"},
    {"CI_SERVER_URL", "https:///path", "no host"},
    {"CI_SERVER_URL", "https://a b", "blank"},
    {"CI_SERVER_URL", "https://gitlab.example.com:0", "port"},
    {"CI_SERVER_URL", "https://gitlab.example.com:70000", "URL"},
    {"CI_SERVER_URL", "https://user:password@gitlab.example.com", "user name or password"},
    {"CI_SERVER_URL", "https://gitlab.example.com/?a=b", "query"},
    {"CI_SERVER_TLS_CA_FILE", "ca.pem", "absolute"},
    {"CI_SERVER_TLS_CA_FILE", "/nowhere/ca.pem", "cannot be read"},
    {"CI_SERVER_TLS_CA_FILE", "/", "cannot be read"},
    {"CI_SERVER_TLS_CA_FILE", "/etc/passwd", "certificate"},
    {"RUNNER_NAME", "two\nlines", "control character"},
    {"RUNLET_TOKEN_SECRET_ARN", "secret", "not an ARN"},
    {"RUNLET_TOKEN_SECRET_ARN", "arn:aws:s3:::bucket", "another service"},
    {"RUNLET_TOKEN_SECRET_ARN", "arn:aws:secretsmanager::123456789012:secret:x", "region"},
    {"RUNLET_TOKEN_SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:1234:secret:x", "account"},
    {"RUNLET_TOKEN_SECRET_ARN",
     "arn:aws:secretsmanager:eu-central-1:123456789012:secret:", "secret:"},
    {"RUNLET_TOKEN_PARAMETER", "/both", "RUNLET_TOKEN_SECRET_ARN"},
    {"CI_SERVER_TOKEN", "two words", "blank"},
    {"RUNLET_WAIT_TIMEOUT", "ten", "not a whole number"},
    {"RUNLET_WAIT_TIMEOUT", "-1", "too small"},
    {"RUNLET_WAIT_TIMEOUT", "0", "too small"},
    {"RUNLET_WAIT_TIMEOUT", "1.5", "not a whole number"},
    {"RUNLET_WAIT_TIMEOUT", " 5", "not a whole number"},
    {"RUNLET_WAIT_TIMEOUT", "3601", "too large"},
    {"RUNLET_WAIT_TIMEOUT", "99999999999999999999", "out of range"},
    {"RUNLET_MAX_JOBS", "0", "too small"},
    {"RUNLET_MAX_JOBS", "many", "not a whole number"},
    {"RUNLET_DEADLINE_MARGIN", "7", "too small"},
    {"RUNLET_DEADLINE_MARGIN", "-3", "too small"},
    {"RUNLET_MIN_JOB_TIME", "soon", "not a whole number"},
    {"RUNLET_JOB_CREDENTIALS", "None", "\"None\": it must be none, role or inherit"},
    {"RUNLET_JOB_ROLE_ARN", "arn:aws:iam::123456789012:user/x", "role/"},
    {"RUNLET_JOB_ROLE_ARN", "arn:aws:iam:eu-central-1:123456789012:role/x", "region"},
    {"RUNLET_ACCOUNTS_PARAMETER", "with blank", "character"},
    {"RUNLET_ACCOUNTS_PARAMETER", "a/b", "slash"},
    {"RUNLET_ACCOUNTS_PARAMETER", "arn:aws:ssm:eu-central-1:123456789012:document/x", "parameter/"},
    {"RUNLET_PROVIDER_MIRROR", "providers", "absolute path"},
    {"RUNLET_PROVIDER_MIRROR", "s3://bucket", "key"},
    {"RUNLET_PROVIDER_MIRROR_SHA256", "ab", "not a SHA-256"},
    {"RUNLET_RUNNER_ARGS", "--debug", "JSON"},
    {"RUNLET_RUNNER_ARGS", "{}", "array"},
    {"RUNLET_RUNNER_ARGS", "[1]", "string"},
    {"RUNLET_RUNNER_ARGS", "[\"--url=http://x\"]", "--url"},
    {"RUNLET_EXTRA_HOSTS", "x", "JSON"},
    {"RUNLET_EXTRA_HOSTS", "[]", "object"},
    {"RUNLET_EXTRA_HOSTS", "{\"a\": \"b\"}", "IP address"},
    {"RUNLET_EXTRA_HOSTS", "{\"a\": [\"not an address\"]}", "IP address"},
    {"RUNLET_EXTRA_HOSTS", "{\"a\": []}", "no address"},
    {"RUNLET_EXTRA_HOSTS", "{\"\": [\"127.0.0.1\"]}", "host name"},
    {"RUNLET_EXTRA_HOSTS", "{\"a\\\"b\": [\"127.0.0.1\"]}", "host name"},
    {"RUNLET_FRESH_ENVIRONMENT", "TRUE", "\"TRUE\": it must be true or false"},
    {"AWS_LAMBDA_MAX_CONCURRENCY", "4", "share one /tmp"},
};

START_TEST(names_the_variable_the_flaw_and_the_form) {
    good_environment();
    set(bad_values[_i].name, bad_values[_i].value);

    const char *message = refusal();

    ck_assert_msg(strncmp(message, bad_values[_i].name, strlen(bad_values[_i].name)) == 0, "%s",
                  message);
    assert_contains(message, bad_values[_i].flaw);
    assert_contains(message, "it must be ");
}
END_TEST

START_TEST(names_what_is_missing) {
    good_environment();
    unsetenv("CI_SERVER_URL");
    assert_contains(refusal(), "CI_SERVER_URL is not set");

    good_environment();
    unsetenv("RUNLET_TOKEN_SECRET_ARN");
    const char *message = refusal();
    assert_contains(message, "RUNLET_TOKEN_SECRET_ARN");
    assert_contains(message, "RUNLET_TOKEN_PARAMETER");

    good_environment();
    set("RUNLET_JOB_CREDENTIALS", "role");
    assert_contains(refusal(), "RUNLET_JOB_ROLE_ARN is not set");
}
END_TEST

START_TEST(takes_the_audience_of_id_tokens) {
    good_environment();
    cleanup_settings struct settings plain = {0};
    load(&plain);
    ck_assert_ptr_null(plain.id_token_audience);

    set("RUNLET_ID_TOKEN_AUDIENCE", "https://runlet.example");
    cleanup_settings struct settings settings = {0};
    load(&settings);
    ck_assert_str_eq(settings.id_token_audience, "https://runlet.example");

    set("RUNLET_ID_TOKEN_AUDIENCE", "two words");
    assert_contains(refusal(), "RUNLET_ID_TOKEN_AUDIENCE is \"two words\": has a blank");
}
END_TEST

START_TEST(takes_the_role_of_jobs) {
    good_environment();
    set("RUNLET_JOB_CREDENTIALS", "role");
    set("RUNLET_JOB_ROLE_ARN", "arn:aws:iam::123456789012:role/job");
    cleanup_settings struct settings plain = {0};
    load(&plain);
    ck_assert_int_eq(plain.job_credentials, JOB_CREDENTIALS_ROLE);
    ck_assert(plain.session_identity);

    set("RUNLET_JOB_SESSION_IDENTITY", "false");
    cleanup_settings struct settings nameless = {0};
    load(&nameless);
    ck_assert(!nameless.session_identity);

    set("RUNLET_JOB_SESSION_IDENTITY", "no");
    assert_contains(refusal(), "RUNLET_JOB_SESSION_IDENTITY is \"no\"");
}
END_TEST

START_TEST(wants_the_hash_of_a_mirror_in_s3_alone) {
    good_environment();
    set("RUNLET_PROVIDER_MIRROR", "s3://bucket/mirror.zip");
    assert_contains(refusal(), "RUNLET_PROVIDER_MIRROR_SHA256 is not set");
    good_environment();
    set("RUNLET_PROVIDER_MIRROR_SHA256",
        "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789");
    assert_contains(refusal(), "RUNLET_PROVIDER_MIRROR is not in S3");
    set("RUNLET_PROVIDER_MIRROR", "/mnt/providers");
    assert_contains(refusal(), "RUNLET_PROVIDER_MIRROR is not in S3");
}
END_TEST

START_TEST(shows_no_value_that_may_be_secret) {
    good_environment();
    set("CI_SERVER_URL", "https://user:hidden-password@gitlab.example.com");
    assert_lacks(refusal(), "hidden-password");

    good_environment();
    set("CI_SERVER_TOKEN", "glrt-hidden token");
    assert_lacks(refusal(), "hidden");

    good_environment();
    set("RUNLET_TOKEN_SECRET_ARN", "glrt-hidden-by-mistake");
    assert_lacks(refusal(), "hidden");

    good_environment();
    set("RUNLET_RUNNER_ARGS", "[\"--token=hidden\"]");
    const char *message = refusal();
    assert_contains(message, "--token");
    assert_lacks(message, "hidden");
}
END_TEST

START_TEST(takes_the_secrets_out_of_the_environment) {
    good_environment();
    set("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE");
    set("AWS_SECRET_ACCESS_KEY", "secret-key-value");
    set("AWS_SESSION_TOKEN", "session-token-value");
    set("CI_SERVER_TOKEN", "glrt-token-value");
    unsetenv("RUNLET_TOKEN_SECRET_ARN");
    const char *key = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("CI_SERVER_TOKEN");
    cleanup_settings struct settings settings = {0};

    load(&settings);

    ck_assert_ptr_null(getenv("AWS_SECRET_ACCESS_KEY"));
    ck_assert_ptr_null(getenv("AWS_SESSION_TOKEN"));
    ck_assert_ptr_null(getenv("CI_SERVER_TOKEN"));
    ck_assert(key && key[0] == '\0');
    ck_assert(token && token[0] == '\0');
    ck_assert_str_eq(settings.credentials.access_key, "ASIAEXAMPLE");
    ck_assert(secret_equals(settings.credentials.secret_key, SLICE("secret-key-value")));
    ck_assert(secret_equals(settings.credentials.session_token, SLICE("session-token-value")));
    ck_assert_ptr_null(settings.token_secret_arn);
    ck_assert_ptr_null(settings.token_parameter);
    ck_assert(secret_equals(settings.token, SLICE("glrt-token-value")));
}
END_TEST

START_TEST(takes_the_secrets_out_of_the_environment_also_when_refused) {
    good_environment();
    set("AWS_SECRET_ACCESS_KEY", "secret-key-value");
    set("CI_SERVER_TOKEN", "glrt-token-value");
    set("RUNLET_MAX_JOBS", "x");

    refusal();

    ck_assert_ptr_null(getenv("AWS_SECRET_ACCESS_KEY"));
    ck_assert_ptr_null(getenv("CI_SERVER_TOKEN"));
}
END_TEST

START_TEST(prefers_the_stored_token_to_the_one_in_the_environment) {
    good_environment();
    set("CI_SERVER_TOKEN", "glrt-token-value");
    cleanup_settings struct settings settings = {0};

    load(&settings);

    ck_assert_str_eq(settings.token_secret_arn, SECRET_ARN);
    ck_assert_ptr_null(settings.token);
}
END_TEST

START_TEST(tells_plain_http_to_others_from_loopback) {
    static const struct {
        const char *url;
        bool remote;
    } cases[] = {
        {"http://gitlab.example.com", true},   {"http://10.0.0.1:8080", true},
        {"http://127.0.0.1:8080", false},      {"http://localhost", false},
        {"https://gitlab.example.com", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        good_environment();
        set("CI_SERVER_URL", cases[i].url);
        cleanup_settings struct settings settings = {0};
        load(&settings);
        ck_assert_msg(settings.server_is_plain_and_remote == cases[i].remote, "%s", cases[i].url);
    }
}
END_TEST

START_TEST(knows_its_handlers) {
    static const char *const handlers[] = {"run", "webhook", NULL};
    struct error err = {0};
    clearenv();
    ck_assert_int_eq(settings_choose("_HANDLER", handlers, &err), -1);
    assert_contains(err.message, "_HANDLER");
    set("_HANDLER", "index.handler");
    ck_assert_int_eq(settings_choose("_HANDLER", handlers, &err), -1);
    ck_assert_str_eq(err.code, "Runtime.ConfigInvalid");
    assert_contains(err.message, "_HANDLER is \"index.handler\"");
    assert_contains(err.message, "it must be run or webhook");
    set("_HANDLER", "webhook");
    ck_assert_int_eq(settings_choose("_HANDLER", handlers, &err), 1);
}
END_TEST

static const char *const refused_arguments[] = {
    "--url",
    "-url",
    "--url=http://x",
    "-url=http://x",
    "-u",
    "-u=http://x",
    "-uhttp://x",
    "--URL",
    " --url",
    "--url http://x",
    "--token",
    "-token",
    "--token=t",
    "-t",
    "-t=t",
    "-tglrt-x",
    "--executor",
    "--executor=docker",
    "-executor",
    "--builds-dir",
    "--builds-dir=/x",
    "-builds-dir",
    "--cache-dir",
    "--cache-dir=x",
    "--config",
    "--config=/x",
    "-c",
    "-c=/x",
    "-config",
    "--runner",
    "-r",
    "--max-builds",
    "--max-builds=5",
    "-max-builds=5",
    "--shutdown-timeout",
    "--shutdown-timeout=5",
    "-shutdown-timeout",
    "---url",
};

/// Reads arguments of which this is one; false where it is refused.
static bool passes(const char *argument, struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(1000);
    buffer_append_text(&text, "[\"--debug\",");
    json_append_string(&text, slice_text(argument));
    buffer_append_text(&text, "]");
    char **args = runner_args_parse(buffer_slice(&text), err);
    const bool same = args && strcmp(args[1], argument) == 0 && !args[2];
    runner_args_destroy(args);
    return same;
}

START_TEST(refuses_what_would_undo_the_broker) {
    struct error err;
    ck_assert_msg(!passes(refused_arguments[_i], &err), "%s", refused_arguments[_i]);
    ck_assert_str_eq(err.code, "refused");
}
END_TEST

static const char *const passing_arguments[] = {
    "--output-limit",
    "4096",
    "--tls-ca-file=/x",
    "-tls-ca-file",
    "--env",
    "KEY=--url",
    "--pre-build-script",
    "echo -u",
    "--clone-url",
    "--clone-url=x",
    "-clone-url",
    "--cache-type=s3",
    "-cache-type",
    "--cache-path",
    "--custom-config-exec=x",
    "--feature-flags",
    "url",
    "--request-concurrency=1",
    "--unhealthy-interval",
    "--",
    "-",
    "--debug-trace-disabled",
};

START_TEST(lets_other_arguments_pass) {
    struct error err;
    ck_assert_msg(passes(passing_arguments[_i], &err), "%s: %s", passing_arguments[_i],
                  err.message);
}
END_TEST

START_TEST(knows_how_much_of_a_trace_the_runner_keeps) {
    static const struct {
        char *args[4];
        int64_t expected_kb;
    } cases[] = {
        {{NULL}, 4096},
        {{"--output-limit", "16384", NULL}, 16384},
        {{"--output-limit=100", NULL}, 100},
        {{"-output-limit=100", "--output-limit", "200", NULL}, 200},
        {{"--output-limit", NULL}, 4096},
        {{"--output-limit=much", "--output-limit=-1", NULL}, 4096},
        {{"--output-limits=7", "output", "7", NULL}, 4096},
    };
    ck_assert_int_eq(runner_args_output_limit(NULL), 4096 * 1024);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        ck_assert_int_eq(runner_args_output_limit(cases[i].args), cases[i].expected_kb * 1024);
    }
}
END_TEST

START_TEST(derives_one_stable_system_id_for_a_function) {
    char one[SYSTEM_ID_SIZE];
    char other[SYSTEM_ID_SIZE];
    struct slice arn = SLICE("arn:aws:lambda:eu-central-1:123456789012:function:runner");
    struct slice alias = SLICE("arn:aws:lambda:eu-central-1:123456789012:function:runner:live");
    struct slice stranger = SLICE("arn:aws:lambda:eu-central-1:123456789012:function:other");

    system_id_derive(arn, NULL, NULL, one);
    ck_assert_uint_eq(strlen(one), 14);
    ck_assert_uint_eq(strspn(one + 2, "0123456789abcdef"), 12);
    ck_assert(strncmp(one, "s_", 2) == 0);
    system_id_derive(alias, "x", "y", other);
    ck_assert_str_eq(one, other);
    system_id_derive(stranger, NULL, NULL, other);
    ck_assert_str_ne(one, other);
    system_id_derive(SLICE(""), "runner", "eu-central-1", one);
    system_id_derive(SLICE(""), "runner", "eu-west-1", other);
    ck_assert_str_ne(one, other);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void) {
    log_set_level(LOG_LEVEL_FATAL);
    Suite *suite = suite_create("settings");
    TCase *tests = tcase_create("settings");
    tcase_add_test(tests, has_the_documented_defaults);
    tcase_add_test(tests, reads_every_setting);
    tcase_add_loop_test(tests, names_the_variable_the_flaw_and_the_form, 0, COUNT(bad_values));
    tcase_add_test(tests, names_what_is_missing);
    tcase_add_test(tests, takes_the_role_of_jobs);
    tcase_add_test(tests, takes_the_audience_of_id_tokens);
    tcase_add_test(tests, wants_the_hash_of_a_mirror_in_s3_alone);
    tcase_add_test(tests, shows_no_value_that_may_be_secret);
    tcase_add_test(tests, takes_the_secrets_out_of_the_environment);
    tcase_add_test(tests, takes_the_secrets_out_of_the_environment_also_when_refused);
    tcase_add_test(tests, prefers_the_stored_token_to_the_one_in_the_environment);
    tcase_add_test(tests, tells_plain_http_to_others_from_loopback);
    tcase_add_test(tests, knows_its_handlers);
    tcase_add_loop_test(tests, refuses_what_would_undo_the_broker, 0, COUNT(refused_arguments));
    tcase_add_test(tests, knows_how_much_of_a_trace_the_runner_keeps);
    tcase_add_loop_test(tests, lets_other_arguments_pass, 0, COUNT(passing_arguments));
    tcase_add_test(tests, derives_one_stable_system_id_for_a_function);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
