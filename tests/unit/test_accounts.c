// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bootstrap/credentials/accounts.h"
#include "bootstrap/credentials/accounts_source.h"
#include "bootstrap/credentials/job_profiles.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/files.h"
#include "scripted_server.h"

#define NOW_MS INT64_C(1764068400000)
#define ROLE "\"role_arn\":\"arn:aws:iam::123456789012:role/team#1;'x'/deploy\""

static struct error err;
static struct fake_clock fake;
static struct aws_credentials keys;
static struct function_aws *aws;

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_FATAL);
    clearenv();
    fake_clock_init(&fake, NOW_MS);
    keys = (struct aws_credentials){
        .access_key = xstrdup("ASIAFUNCTION"),
        .secret_key = secret_new(SLICE("function-secret")),
    };
}

static void tear_down(void) {
    function_aws_destroy(aws);
    aws_credentials_clean_up(&keys);
}

// --- The map -------------------------------------------------------------------------------------

static void parse(const char *text, struct accounts *accounts) {
    ck_assert_msg(accounts_parse(slice_text(text), accounts, &err), "%s", err.message);
}

static char *print(const char *text, const struct accounts_profile *profile) {
    cleanup_accounts struct accounts accounts = {0};
    parse(text, &accounts);
    cleanup_buffer struct buffer out = BUFFER_INIT(65536);
    ck_assert(accounts_print(&accounts, profile, &out, &err));
    return xstrdup(buffer_text(&out));
}

static const struct accounts_profile over_the_role = {
    .region = "eu-central-1",
    .credential_source = "EcsContainer",
    .session_name = "runlet-7-41",
    .duration_seconds = 900,
    .token_folder = "/tmp/aws/id-tokens",
};

START_TEST(makes_a_profile_of_each_account) {
    cleanup_free char *text = print(
        "{\"dev\":{" ROLE "},\"prod.eu-1\":{" ROLE ",\"external_id\":\"runlet:a/b\","
        "\"region\":\"us-east-1\",\"duration_seconds\":3600,\"session_name\":\"AWSAFT-Session\","
        "\"id_token\":null},\"oidc\":{" ROLE ",\"id_token\":\"AWS_ID_TOKEN\"}}",
        &over_the_role);
    ck_assert_str_eq(text, "[default]\n"
                           "region = eu-central-1\n"
                           "\n"
                           "[profile dev]\n"
                           "role_arn = arn:aws:iam::123456789012:role/team#1;'x'/deploy\n"
                           "credential_source = EcsContainer\n"
                           "role_session_name = runlet-7-41\n"
                           "duration_seconds = 900\n"
                           "region = eu-central-1\n"
                           "\n"
                           "[profile prod.eu-1]\n"
                           "role_arn = arn:aws:iam::123456789012:role/team#1;'x'/deploy\n"
                           "credential_source = EcsContainer\n"
                           "external_id = runlet:a/b\n"
                           "role_session_name = AWSAFT-Session\n"
                           "duration_seconds = 3600\n"
                           "region = us-east-1\n"
                           "\n"
                           "[profile oidc]\n"
                           "role_arn = arn:aws:iam::123456789012:role/team#1;'x'/deploy\n"
                           "web_identity_token_file = /tmp/aws/id-tokens/AWS_ID_TOKEN\n"
                           "role_session_name = runlet-7-41\n"
                           "duration_seconds = 900\n"
                           "region = eu-central-1\n");
}
END_TEST

START_TEST(leaves_out_accounts_without_a_way_to_them) {
    const struct accounts_profile no_credentials = {.duration_seconds = 900, .token_folder = "/t"};
    cleanup_free char *text =
        print("{\"dev\":{" ROLE "},\"oidc\":{" ROLE ",\"id_token\":\"T\"}}", &no_credentials);
    ck_assert_ptr_null(strstr(text, "dev"));
    ck_assert(strstr(text, "[profile oidc]\n") != NULL);
    ck_assert_ptr_null(strstr(text, "region"));
}
END_TEST

static const struct {
    const char *text;
    const char *message;
} bad[] = {
    {"", "accounts"},
    {"[]", "accounts"},
    {"{\"prod\":7}", "accounts.prod"},
    {"{\"prod\":{}}", "accounts.prod.role_arn is missing; it must be the ARN of a role"},
    {"{\"prod\":{\"role_arn\":7}}", "accounts.prod.role_arn"},
    {"{\"prod\":{\"role_arn\":\"deploy\"}}",
     "accounts.prod.role_arn is \"deploy\": it is not an ARN"},
    {"{\"prod\":{\"role_arn\":\"arn:aws:iam::123456789012:role/x\\n[profile evil]\"}}",
     "accounts.prod.role_arn is"},
    {"{\"prod\":{\"role_arn\":\"arn:aws:iam::123456789012:role/x #\"}}",
     "accounts.prod.role_arn is"},
    {"{\"prod\":{\"role_arn\":\"arn:aws:iam::123456789012:role/team/\"}}",
     "it does not end with the name of a role"},
    {"{\"prod\":{\"role_arn\":\"arn:aws:iam::123456789012:role/te*m\"}}",
     "it does not end with the name of a role"},
    {"{\"prod\":{\"role_arn\":\"arn:aws:iam::123456789012:role/t\xc3\xa9"
     "am/x\"}}",
     "it has a character that a role's path cannot have"},
    {"{\"prod\":{\"role_arn\":\"arn:aws:iam::123456789012:user/x\"}}", "accounts.prod.role_arn is"},
    {"{\"prod\":{" ROLE ",\"external_id\":\"x\"}}", "accounts.prod.external_id is \"x\""},
    {"{\"prod\":{" ROLE ",\"external_id\":\"a b\"}}", "accounts.prod.external_id is \"a b\""},
    {"{\"prod\":{" ROLE ",\"external_id\":\"a\\nsource_profile = x\"}}",
     "accounts.prod.external_id"},
    {"{\"prod\":{" ROLE ",\"region\":\"\"}}", "accounts.prod.region is \"\""},
    {"{\"prod\":{" ROLE ",\"region\":\"eu\\r\\ncredential_process = id\"}}",
     "accounts.prod.region"},
    {"{\"prod\":{" ROLE ",\"region\":\"evil.example/\"}}", "accounts.prod.region"},
    {"{\"prod\":{" ROLE ",\"session_name\":\"a\"}}", "accounts.prod.session_name is \"a\""},
    {"{\"prod\":{" ROLE ",\"session_name\":\"a;b\"}}", "accounts.prod.session_name is \"a;b\""},
    {"{\"prod\":{" ROLE ",\"id_token\":\"../x\"}}", "accounts.prod.id_token is \"../x\""},
    {"{\"prod\":{" ROLE ",\"id_token\":\"\"}}", "accounts.prod.id_token"},
    {"{\"prod\":{" ROLE ",\"id_token\":\"eyJh.e30.AA\"}}", "(not the token)"},
    {"{\"prod\":{" ROLE ",\"id_token\":\"T\",\"external_id\":\"xy\"}}", "no external id"},
    {"{\"prod\":{" ROLE ",\"duration_seconds\":899}}", "accounts.prod.duration_seconds is 899"},
    {"{\"prod\":{" ROLE ",\"duration_seconds\":0}}", "accounts.prod.duration_seconds is 0"},
    {"{\"prod\":{" ROLE ",\"duration_seconds\":3601}}", "an hour at most"},
    {"{\"prod\":{" ROLE ",\"duration_seconds\":900.5}}", "accounts.prod.duration_seconds"},
    {"{\"prod\":{" ROLE ",\"duration_seconds\":43201,\"id_token\":\"T\"}}", "43201"},
    {"{\"prod\":{" ROLE ",\"source_profile\":\"x\"}}", "accounts.prod.source_profile is not known"},
    {"{\"prod\":{" ROLE "," ROLE "}}", "accounts.prod has a member twice"},
    {"{\"prod\":{" ROLE "},\"prod\":{" ROLE "}}", "one name is there twice"},
    {"{\"\":{" ROLE "}}", "accounts: a name is \"\""},
    {"{\"default\":{" ROLE "}}", "accounts: a name is \"default\""},
    {"{\"a b\":{" ROLE "}}", "accounts: a name is \"a b\""},
    {"{\"a]\\n[x\":{" ROLE "}}", "accounts: a name is"},
    {"{\"-a\":{" ROLE "}}", "accounts: a name is \"-a\""},
};

START_TEST(says_what_is_wrong_with_an_account) {
    cleanup_accounts struct accounts accounts = {0};
    ck_assert_msg(!accounts_parse(slice_text(bad[_i].text), &accounts, &err), "%s", bad[_i].text);
    ck_assert_str_eq(err.code, "form");
    ck_assert_msg(strstr(err.message, bad[_i].message) != NULL, "%s", err.message);
    ck_assert_ptr_null(strchr(err.message, '\n'));
}
END_TEST

/// Whatever a value holds, the file has the lines that it has with a harmless one.
START_TEST(lets_no_value_make_a_line_of_its_own) {
    static const char *const members_of[] = {"role_arn", "external_id", "region", "session_name",
                                             "id_token"};
    for (size_t i = 0; i < sizeof(members_of) / sizeof(members_of[0]); i++) {
        for (unsigned byte = 1; byte < 256; byte++) {
            const char value[] = {'a', (char)byte, 'b', '\0'};
            cleanup_buffer struct buffer text = BUFFER_INIT(4096);
            const bool is_role = strcmp(members_of[i], "role_arn") == 0;
            buffer_appendf(&text, "{\"prod\":{%s\"%s\":", is_role ? "" : ROLE ",", members_of[i]);
            cleanup_free char *whole =
                xasprintf("%s%s", is_role ? "arn:aws:iam::123456789012:role/" : "", value);
            json_append_string(&text, slice_text(whole));
            buffer_append_text(&text, "}}");
            cleanup_accounts struct accounts accounts = {0};
            cleanup_buffer struct buffer out = BUFFER_INIT(4096);
            if (!accounts_parse(buffer_slice(&text), &accounts, &err)) {
                continue;
            }
            ck_assert(accounts_print(&accounts, &over_the_role, &out, &err));
            ck_assert_msg(strpbrk(value, " \t\r\n\v\f#;[]\"'%$\\") == NULL && byte < 0x7f,
                          "%s takes byte %u", members_of[i], byte);
        }
    }
}
END_TEST

// --- The parameter -------------------------------------------------------------------------------

#define STORED(json)                                                                               \
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Parameter\":{\"Value\":\"" json "\"}}"
#define KEPT "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{\"Parameter\":{\"Value\":\"{}\"}}"
#define DEV "{\\\"dev\\\":{\\\"role_arn\\\":\\\"arn:aws:iam::123456789012:role/x\\\"}}"
#define DENIED                                                                                     \
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"                                        \
    "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}"

static struct accounts_source *source_of(void) {
    setenv("AWS_ENDPOINT_URL", server.url, 1);
    const struct function_aws_options function = {
        .credentials = &keys, .region = "eu-central-1", .clock = &fake.clock};
    aws = function_aws_new(&function);
    const struct accounts_source_options options = {.aws = aws,
                                                    .parameter = "/runlet/accounts",
                                                    .jobs_have_credentials = true,
                                                    .clock = &fake.clock};
    return accounts_source_new(&options);
}

START_TEST(reads_the_parameter_again_after_a_minute) {
    const struct scripted script[] = {{.answer = STORED(DEV), .close = true},
                                      {.answer = STORED("{}"), .close = true}};
    START(script);
    cleanup_accounts_source struct accounts_source *source = source_of();
    for (int i = 0; i < 2; i++) {
        const struct accounts *accounts = accounts_source_get(source, &err);
        ck_assert_msg(accounts != NULL, "%s", err.message);
        ck_assert_uint_eq(accounts->count, 1);
        ck_assert_str_eq(accounts->list[0].name, "dev");
        fake.now_ms += 30000;
    }
    ck_assert_uint_eq(server.connections, 1);
    ck_assert(strstr(buffer_text(&server.requests[0]), "/runlet/accounts") != NULL);
    fake.now_ms += 1000;
    ck_assert_uint_eq(accounts_source_get(source, &err)->count, 0);
    stop_server();
}
END_TEST

START_TEST(goes_on_with_its_copy_where_the_parameter_cannot_be_read) {
    const struct scripted script[] = {{.answer = STORED(DEV), .close = true},
                                      {.answer = DENIED, .close = true}};
    START(script);
    cleanup_accounts_source struct accounts_source *source = source_of();
    ck_assert(accounts_source_get(source, &err) != NULL);
    fake.now_ms += 61000;
    const struct accounts *accounts = accounts_source_get(source, &err);
    ck_assert(accounts != NULL && accounts->count == 1);
    ck_assert_uint_eq(server.connections, 2);
    stop_server();
}
END_TEST

START_TEST(keeps_a_connection_until_it_is_told_to_close_it) {
    const struct scripted script[] = {
        {.answer = KEPT}, {.answer = KEPT}, {.answer = KEPT, .close = true}};
    START(script);
    cleanup_accounts_source struct accounts_source *source = source_of();
    static const size_t connections[] = {1, 1, 2};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_msg(accounts_source_get(source, &err) != NULL, "%s", err.message);
        ck_assert_uint_eq(server.connections, connections[i]);
        fake.now_ms += 61000;
        if (i == 1) {
            function_aws_close_idle(aws);
        }
    }
    stop_server();
}
END_TEST

START_TEST(names_the_parameter_that_it_cannot_use) {
    const struct scripted script[] = {{.answer = DENIED, .close = true},
                                      {.answer = STORED("{\\\"a b\\\":{}}"), .close = true}};
    START(script);
    cleanup_accounts_source struct accounts_source *source = source_of();
    ck_assert_ptr_null(accounts_source_get(source, &err));
    ck_assert_str_eq(err.code, "Runtime.AccountsUnavailable");
    ck_assert(strstr(err.message, "/runlet/accounts: AccessDeniedException") != NULL);
    ck_assert_ptr_null(accounts_source_get(source, &err));
    ck_assert_str_eq(err.code, "Runtime.ConfigInvalid");
    ck_assert(strstr(err.message, "the parameter /runlet/accounts: accounts: a name is \"a b\""));
    stop_server();
}
END_TEST

START_TEST(is_nothing_without_the_setting) {
    const struct accounts_source_options none = {0};
    ck_assert_ptr_null(accounts_source_new(&none));
}
END_TEST

// --- The job's files -----------------------------------------------------------------------------

static struct job *job_with(const char *variables) {
    cleanup_free char *answer =
        xasprintf("{\"id\":41,\"token\":\"glcbt-x\",\"job_info\":{\"project_id\":7,\"name\":\"d\"},"
                  "\"variables\":%s}",
                  variables);
    bool readable = false;
    struct job *job = job_parse(slice_text(answer), &readable, &err);
    ck_assert_msg(job && readable, "%s", err.message);
    return job;
}

static void holds(const char *folder, const char *name, const char *expected) {
    cleanup_free char *path = xasprintf("%s/%s", folder, name);
    cleanup_buffer struct buffer content = BUFFER_INIT(65536);
    struct stat status;
    ck_assert_msg(files_read(path, &content, &err), "%s", err.message);
    ck_assert_msg(strstr(buffer_text(&content), expected) != NULL, "%s", buffer_text(&content));
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777U, 0600);
}

START_TEST(writes_the_profiles_and_tokens_of_a_job) {
    char root[] = "/tmp/runlet-accounts-XXXXXX";
    ck_assert(mkdtemp(root) != NULL);
    cleanup_free char *folder = xasprintf("%s/aws", root);
    cleanup_accounts struct accounts accounts = {0};
    parse("{\"dev\":{" ROLE "},\"a\":{" ROLE ",\"id_token\":\"A_TOKEN\"},"
          "\"a2\":{" ROLE ",\"id_token\":\"A_TOKEN\"},\"b\":{" ROLE ",\"id_token\":\"B_TOKEN\"}}",
          &accounts);
    struct job *job = job_with("[{\"key\":\"A_TOKEN\",\"value\":\"eyJh.e30.AAAA\"},"
                               "{\"key\":\"OTHER\",\"value\":\"eyJh.e30.BBBB\"}]");
    const struct job_profiles profiles = {.accounts = &accounts,
                                          .credential_source = "EcsContainer",
                                          .region = "eu-central-1",
                                          .folder = folder,
                                          .clock = &fake.clock,
                                          .deadline_ms = NOW_MS + 1500000};
    ck_assert_msg(job_profiles_write(&profiles, job, &err), "%s", err.message);

    holds(folder, "config", "[profile dev]\n");
    holds(folder, "config", "credential_source = EcsContainer\n");
    holds(folder, "config", "role_session_name = runlet-7-41\n");
    holds(folder, "config", "duration_seconds = 1501\n");
    holds(folder, "credentials", "");
    holds(folder, "id-tokens/A_TOKEN", "eyJh.e30.AAAA");
    static const char *const absent[] = {"B_TOKEN", "OTHER"};
    for (size_t i = 0; i < 2; i++) {
        cleanup_free char *path = xasprintf("%s/id-tokens/%s", folder, absent[i]);
        ck_assert_int_ne(access(path, F_OK), 0);
    }
    // What is there already was made by somebody else.
    ck_assert(!job_profiles_write(&profiles, job, &err));
    job_destroy(job);
    ck_assert(files_remove_tree(root, 0, &err));
}
END_TEST

START_TEST(tells_the_job_where_its_profiles_are) {
    cleanup_accounts struct accounts plain = {0};
    cleanup_accounts struct accounts far = {0};
    parse("{\"dev\":{" ROLE ",\"region\":\"eu-central-1\"}}", &plain);
    parse("{\"dev\":{" ROLE ",\"region\":\"us-east-1\"}}", &far);
    struct job_profiles profiles = {
        .accounts = &plain, .region = "eu-central-1", .folder = "/tmp/x/aws"};
    cleanup_environment struct environment environment = {0};
    environment_set_text(&environment, "AWS_REGION", "eu-central-1");
    environment_set_text(&environment, "AWS_DEFAULT_REGION", "eu-central-1");

    job_profiles_set_environment(&profiles, &environment);
    ck_assert_str_eq(environment_get(&environment, "AWS_CONFIG_FILE"), "/tmp/x/aws/config");
    ck_assert_str_eq(environment_get(&environment, "AWS_SHARED_CREDENTIALS_FILE"),
                     "/tmp/x/aws/credentials");
    ck_assert_str_eq(environment_get(&environment, "AWS_REGION"), "eu-central-1");

    ck_assert_ptr_null(environment_get(&environment, "AWS_ENDPOINT_URL_STS"));

    environment_set_text(&environment, "AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    profiles.accounts = &far;
    job_profiles_set_environment(&profiles, &environment);
    ck_assert_ptr_null(environment_get(&environment, "AWS_REGION"));
    ck_assert_ptr_null(environment_get(&environment, "AWS_DEFAULT_REGION"));
    ck_assert_str_eq(environment_get(&environment, "AWS_ENDPOINT_URL_STS"), "http://127.0.0.1:1");

    environment_set_text(&environment, "AWS_ENDPOINT_URL_STS", "http://127.0.0.1:2");
    job_profiles_set_environment(&profiles, &environment);
    ck_assert_str_eq(environment_get(&environment, "AWS_ENDPOINT_URL_STS"), "http://127.0.0.1:2");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("accounts");
    TCase *tests = tcase_create("accounts");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, makes_a_profile_of_each_account);
    tcase_add_test(tests, leaves_out_accounts_without_a_way_to_them);
    tcase_add_loop_test(tests, says_what_is_wrong_with_an_account, 0,
                        (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_test(tests, lets_no_value_make_a_line_of_its_own);
    tcase_add_test(tests, reads_the_parameter_again_after_a_minute);
    tcase_add_test(tests, goes_on_with_its_copy_where_the_parameter_cannot_be_read);
    tcase_add_test(tests, keeps_a_connection_until_it_is_told_to_close_it);
    tcase_add_test(tests, names_the_parameter_that_it_cannot_use);
    tcase_add_test(tests, is_nothing_without_the_setting);
    tcase_add_test(tests, writes_the_profiles_and_tokens_of_a_job);
    tcase_add_test(tests, tells_the_job_where_its_profiles_are);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
