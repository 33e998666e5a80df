// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "assume-role/session_name.h"
#include "assume-role/session_request.h"
#include "common/alloc.h"
#include "common/aws/chain/chain.h"
#include "common/cleanup.h"
#include "common/system/files.h"
#include "scripted_server.h"

static struct error err;
static struct fake_clock fake;
static struct chain_found found;
static struct chain_options options;
static struct chain_program program;
static char *home;

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    fake_clock_init(&fake, 1764072000000); // 2025-11-25T12:00:00Z
    clearenv();
    home = xstrdup("/tmp/test_chain.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    setenv("HOME", home, 1);
    setenv("PATH", "/usr/bin:/bin", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    options = (struct chain_options){.clock = &fake.clock};
    program = (struct chain_program){0};
}

static void tear_down(void) {
    chain_found_clean_up(&found);
    ck_assert(files_remove_tree(home, 0, &err));
    free(home);
}

/// Writes ~/.aws/<name>.
static void write_file(const char *name, const char *text) {
    cleanup_free char *folder = xasprintf("%s/.aws", home);
    cleanup_free char *path = xasprintf("%s/%s", folder, name);
    ck_assert(files_make_directories(folder, 0700, &err));
    ck_assert_msg(files_write_atomically(path, slice_text(text), 0600, &err), "%s", err.message);
}

static bool look(void) {
    chain_found_clean_up(&found);
    cleanup_chain struct chain *chain = chain_open(&options, &err);
    return chain != NULL && chain_find(chain, &program, &found, &err);
}

static void find(void) {
    ck_assert_msg(look(), "%s", err.message);
}

static void fails(const char *code, const char *message_part) {
    ck_assert(!look());
    ck_assert_str_eq(err.code, code);
    ck_assert_msg(strstr(err.message, message_part) != NULL, "%s", err.message);
}

static void set_keys(void) {
    setenv("AWS_ACCESS_KEY_ID", "AKIAENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
}

START_TEST(takes_the_environments_keys_first) {
    write_file("credentials", "[default]\naws_access_key_id=A\naws_secret_access_key=s\n");
    set_keys();
    find();
    ck_assert_str_eq(found.credentials.access_key, "AKIAENV");
    ck_assert(secret_equals(found.credentials.secret_key, SLICE("env-secret")));
    ck_assert_str_eq(found.source, "environment");
    ck_assert(found.credentials.session_token == NULL);

    setenv("AWS_SESSION_TOKEN", "token", 1);
    setenv("AWS_CREDENTIAL_EXPIRATION", "2025-11-25T12:00:01Z", 1);
    find();
    ck_assert(found.credentials.session_token != NULL);
    ck_assert(secret_equals(found.credentials.session_token, SLICE("token")));
    ck_assert_int_eq(found.credentials.expires_ms, 1764072001000);
    fake.now_ms += 1000;
    fails("expired", "expired at 2025-11-25T12:00:01Z");
}
END_TEST

START_TEST(leaves_the_environment_out_for_a_named_profile) {
    write_file("config", "[profile ci]\naws_access_key_id=CONFIG\naws_secret_access_key=s\n"
                         "aws_session_token = t\n[default]\nregion = eu-west-1\n");
    set_keys();
    setenv("AWS_PROFILE", "ci", 1);
    find();
    ck_assert_str_eq(found.credentials.access_key, "AKIAENV");
    options.profile = "ci";
    find();
    ck_assert_str_eq(found.credentials.access_key, "CONFIG");
    ck_assert(found.credentials.session_token != NULL);
    cleanup_chain struct chain *chain = chain_open(&options, &err);
    ck_assert_ptr_null(chain_settings(chain)->endpoint.region);

    write_file("credentials", "[ci]\naws_access_key_id=SHARED\naws_secret_access_key=s\n");
    find();
    ck_assert_str_eq(found.credentials.access_key, "SHARED");
    // One profile's token does not go with another file's keys.
    ck_assert(found.credentials.session_token == NULL);
    options.profile = "c1";
    fails("profile", "has that profile; did you mean \"ci\"?");
}
END_TEST

START_TEST(lists_what_it_looked_at) {
    fails("none",
          "no AWS credentials: looked at environment (AWS_ACCESS_KEY_ID is not set); profile "
          "default (not in ");
    ck_assert(strstr(err.message, "; container endpoint (") != NULL);
    ck_assert(strstr(err.message, "; instance metadata (AWS_EC2_METADATA_DISABLED is true)"));
    setenv("AWS_ACCESS_KEY_ID", "A", 1);
    fails("partial", "AWS_SECRET_ACCESS_KEY is not: set both, or neither");
    write_file("config", "[default\n");
    fails("config", "/.aws/config: line 1: \"[\" begins a section, write [name]");
}
END_TEST

START_TEST(looks_for_no_home_in_the_folder_we_are_in) {
    cleanup_free char *other = xasprintf("%s/~/.aws", home);
    cleanup_free char *planted = xasprintf("%s/config", other);
    ck_assert(files_make_directories(other, 0700, &err));
    ck_assert(files_write_atomically(
        planted, SLICE("[default]\naws_access_key_id=A\naws_secret_access_key=B\n"), 0600, &err));
    ck_assert_int_eq(chdir(home), 0);
    unsetenv("HOME");
    fails("none", "(not in /.aws/config and /.aws/credentials)");
}
END_TEST

START_TEST(gives_settings_without_credentials) {
    write_file(
        "config",
        "[profile default]\nregion = eu-west-1\n[default]\nregion = eu-west-3\n"
        "use_fips_endpoint = true\nca_bundle = ~/ca.pem\nservices = x\n[services x]\nsts =\n  "
        "endpoint_url = http://127.0.0.1:1\n");
    cleanup_chain struct chain *chain = chain_open(&options, &err);
    ck_assert_msg(chain != NULL, "%s", err.message);
    const struct chain_settings *settings = chain_settings(chain);
    cleanup_free char *ca_bundle = xasprintf("%s/ca.pem", home);
    ck_assert_str_eq(settings->endpoint.region, "eu-west-3");
    ck_assert_str_eq(settings->ca_bundle, ca_bundle);
    ck_assert_str_eq(settings->endpoint.url, "http://127.0.0.1:1");
    ck_assert(settings->endpoint.fips);
    ck_assert(!settings->endpoint.dual_stack);
}
END_TEST

START_TEST(ends_a_process_that_does_not_end) {
    write_file("config", "[default]\ncredential_process = sleep 60\n");
    options.clock = NULL;
    options.deadline_ms = clock_now_ms(clock_system()) + 200;
    fails("timeout", "profile default: credential_process: sleep: it did not end in time");
}
END_TEST

START_TEST(says_which_program_is_not_there) {
    write_file("config", "[default]\ncredential_process = no-such-program --token hidden\n");
    fails("not_found", "profile default: credential_process: cannot start no-such-program");
    ck_assert_ptr_null(strstr(err.message, "hidden"));
    write_file("config", "[default]\ncredential_process = 'open\n");
    fails("words", "profile default: credential_process: a ' is not closed");
    write_file("config", "[default]\ncredential_process = ''\n");
    fails("process", "profile default: credential_process: it names no program");
}
END_TEST

START_TEST(skips_a_process_that_is_this_program) {
    write_file("config", "[default]\ncredential_process = true\naws_access_key_id = A\n"
                         "aws_secret_access_key = s\n");
    program.path = "/bin/true";
    find();
    ck_assert_str_eq(found.credentials.access_key, "A");
    program.path = "/bin/false";
    fails("json", "its output: empty");
}
END_TEST

START_TEST(asks_metadata_in_three_steps) {
    static const struct scripted script[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntoken"},
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrole\n"},
        {.answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Code\":\"Success\","
                   "\"AccessKeyId\":\"ASIA\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
                   "\"Expiration\":\"2025-11-25T18:00:00Z\"}",
         .close = true},
    };
    START(script);
    cleanup_free char *url = xasprintf("http://127.0.0.1:%d/", server.port);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
    find();
    ck_assert_str_eq(found.credentials.access_key, "ASIA");
    ck_assert_int_eq(found.credentials.expires_ms, 1764093600000);
    const char *const first = buffer_text(&server.requests[0]);
    ck_assert(strstr(first, "PUT /latest/api/token HTTP/1.1\r\n") == first);
    ck_assert(strstr(buffer_text(&server.requests[2]),
                     "GET /latest/meta-data/iam/security-credentials/role HTTP/1.1\r\n") != NULL);
    ck_assert(strstr(buffer_text(&server.requests[2]), "X-aws-ec2-metadata-token: token\r\n"));
    stop_server();
}
END_TEST

START_TEST(refuses_a_metadata_token_that_breaks_headers) {
    static const struct scripted script[] = {
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na\r\nX: b", .close = true}};
    START(script);
    cleanup_free char *url = xasprintf("http://127.0.0.1:%d", server.port);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, 1);
    unsetenv("AWS_EC2_METADATA_DISABLED");
    fails("none", "instance metadata (the token has characters that no header takes)");
    stop_server();
}
END_TEST

/// The clock of set_up() stands at 12:00:00Z.
#define SESSION(key, until)                                                                        \
    {                                                                                              \
        .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<AssumeRoleResponse><Credentials>"  \
                  "<AccessKeyId>" key "</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"         \
                  "<SessionToken>t</SessionToken><Expiration>" until "</Expiration></Credentials>" \
                  "<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>a</Arn>"             \
                  "</AssumedRoleUser></AssumeRoleResponse>",                                       \
        .close = true                                                                              \
    }

static bool call(const struct session_request *request, struct sts_session *session,
                 struct error *error) {
    return sts_assume_role(request->client, request->roles, request->deadline_ms, session, error);
}

/// By way of the cache, as assume-role does it.
static bool assume_by_cache(void *context, const struct sts_assume *role,
                            struct sts_session *session, struct error *error) {
    struct session_request request = *(const struct session_request *)context;
    request.roles = role;
    request.role_count = 1;
    request.call = call;
    return session_request_send(&request, session, error);
}

START_TEST(keeps_a_profiles_session_until_five_minutes_before_its_end) {
    static const struct scripted script[] = {
        SESSION("ASIA1", "2025-11-25T13:00:00Z"),
        SESSION("ASIA2", "2025-11-25T13:55:00Z"),
        SESSION("ASIA3", "2025-11-25T13:55:00Z"),
    };
    START(script);
    write_file("config", "[default]\nrole_arn = arn:aws:iam::123456789012:role/deploy\n"
                         "credential_source = Environment\n");
    setenv("CI_JOB_ID", "41", 1);
    setenv("CI_PROJECT_PATH_SLUG", "group-project", 1);
    // The environment's keys would win over the profile that names them.
    set_keys();
    options.profile = "default";
    const struct http_client_options http_options = {.allow_http = true, .clock = &fake.clock};
    struct http_client *http = http_client_new(&http_options);
    cleanup_free char *url = xasprintf("http://127.0.0.1:%d", server.port);
    const struct aws_client_options client_options = {
        .http = http,
        .clock = &fake.clock,
        .endpoint = {.region = "eu-central-1", .url = url},
    };
    cleanup_aws_client struct aws_client *client = aws_client_new(&client_options, &err);
    struct session_request request = {.client = client, .clock = &fake.clock, .use_cache = true};
    cleanup_free char *session_name = session_name_default();
    program = (struct chain_program){
        .assume = assume_by_cache, .context = &request, .session_name = session_name};

    find();
    ck_assert_str_eq(found.credentials.access_key, "ASIA1");
    ck_assert_ptr_nonnull(
        strstr(buffer_text(&server.requests[0]), "&RoleSessionName=runlet-group-project-41"));
    fake.now_ms += 55 * 60 * 1000 - 1;
    find();
    ck_assert_str_eq(found.credentials.access_key, "ASIA1");
    ck_assert_int_eq(found.credentials.expires_ms, fake.now_ms + 5 * 60 * 1000 + 1);
    ck_assert(found.credentials.session_token != NULL);
    fake.now_ms += 1;
    find();
    ck_assert_str_eq(found.credentials.access_key, "ASIA2");
    request.use_cache = false;
    find();
    ck_assert_str_eq(found.credentials.access_key, "ASIA3");

    stop_server();
    http_client_destroy(http);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("chain");
    TCase *tcase = tcase_create("chain");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, takes_the_environments_keys_first);
    tcase_add_test(tcase, leaves_the_environment_out_for_a_named_profile);
    tcase_add_test(tcase, lists_what_it_looked_at);
    tcase_add_test(tcase, looks_for_no_home_in_the_folder_we_are_in);
    tcase_add_test(tcase, gives_settings_without_credentials);
    tcase_add_test(tcase, ends_a_process_that_does_not_end);
    tcase_add_test(tcase, says_which_program_is_not_there);
    tcase_add_test(tcase, skips_a_process_that_is_this_program);
    tcase_add_test(tcase, asks_metadata_in_three_steps);
    tcase_add_test(tcase, refuses_a_metadata_token_that_breaks_headers);
    tcase_add_test(tcase, keeps_a_profiles_session_until_five_minutes_before_its_end);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
