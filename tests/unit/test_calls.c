// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/aws/s3.h"
#include "common/aws/secrets.h"
#include "scripted_aws.h"

static struct secret *get_secret(const char *id) {
    return aws_secrets_get_value(aws, &credentials, id, fake.now_ms + 60000, &err);
}

#define ARN "arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-AbCdEf"
// The length is the reader's to find: the connection closes.
#define ANSWER(status, body)                                                                       \
    "HTTP/1.1 " status                                                                             \
    "\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n\r\n" body

START_TEST(reads_a_secret_in_the_region_of_its_arn) {
    const struct scripted script[] = {
        {.answer = ANSWER("200 OK", "{\"Name\":\"token\",\"SecretString\":\"glrt-\\u00e9\\n\"}"),
         .close = true}};
    START(script);
    setenv("AWS_SESSION_TOKEN", "the/session+token", 1);
    make_client();
    cleanup_secret struct secret *secret = get_secret(ARN);
    ck_assert_msg(secret != NULL, "%s", err.message);
    ck_assert(secret_equals(secret, SLICE("glrt-\xc3\xa9\n")));
    ck_assert(request_has(0, "POST / HTTP/1.1\r\n"));
    ck_assert(request_has(0, "\r\nX-Amz-Target: secretsmanager.GetSecretValue\r\n"));
    ck_assert(request_has(0, "\r\nContent-Type: application/x-amz-json-1.1\r\n"));
    ck_assert(request_has(0, "\r\nX-Amz-Date: 20150830T123600Z\r\n"));
    ck_assert(request_has(0, "\r\nX-Amz-Security-Token: the/session+token\r\n"));
    ck_assert(request_has(0, "Credential=AKIDEXAMPLE/20150830/eu-central-1/secretsmanager/"
                             "aws4_request, SignedHeaders=content-type;host;x-amz-date;"
                             "x-amz-security-token;x-amz-target, Signature="));
    ck_assert(request_has(0, "\r\n\r\n{\"SecretId\":\"" ARN "\"}"));
    stop_server();
}
END_TEST

START_TEST(reads_binary_secrets_and_parameters) {
    const struct scripted script[] = {
        {.answer = ANSWER("200 OK", "{\"SecretBinary\":\"AAH+/w==\"}"), .close = true},
        {.answer = ANSWER("200 OK", "{\"Parameter\":{\"Value\":\"v\"}}"), .close = true},
        {.answer = ANSWER("200 OK", "{\"Parameter\":{}}"), .close = true},
        {.answer = ANSWER("200 OK", "{\"SecretBinary\":\"AAH+/w=\"}"), .close = true}};
    START(script);
    make_client();
    cleanup_secret struct secret *binary = get_secret("name \"quoted\"");
    ck_assert(secret_equals(binary, SLICE("\0\1\376\377")));
    ck_assert(request_has(0, "{\"SecretId\":\"name \\\"quoted\\\"\"}"));
    ck_assert(request_has(0, "/us-east-1/secretsmanager/"));
    cleanup_secret struct secret *parameter =
        aws_ssm_get_parameter(aws, &credentials, "/a/b", 0, &err);
    ck_assert(secret_equals(parameter, SLICE("v")));
    ck_assert(request_has(1, "\r\n\r\n{\"Name\":\"/a/b\",\"WithDecryption\":true}"));
    ck_assert(request_has(1, "\r\nX-Amz-Target: AmazonSSM.GetParameter\r\n"));
    ck_assert_ptr_null(aws_ssm_get_parameter(aws, &credentials, "/a/b", 0, &err));
    ck_assert_str_eq(err.message, "GetParameter.Parameter.Value: missing");
    ck_assert_ptr_null(get_secret("x"));
    ck_assert_str_eq(err.code, "base64");
    stop_server();
}
END_TEST

START_TEST(gives_the_services_error) {
    const struct scripted script[] = {
        {.answer = ANSWER("400 Bad", "{\"__type\":\"com.amazonaws.x#ResourceNotFoundException\","
                                     "\"Message\":\"Secrets Manager can't find it.\"}"),
         .close = true},
        {.answer = "HTTP/1.1 403 No\r\nConnection: close\r\n"
                   "x-amzn-ErrorType: AccessDeniedException:http://x\r\n\r\n{\"message\":\"no\"}",
         .close = true},
        {.answer = ANSWER("400 Bad", "<ErrorResponse><Error><Type>Sender</Type>"
                                     "<Code>ValidationError</Code><Message>1 &lt; 2</Message>"
                                     "</Error></ErrorResponse>"),
         .close = true},
        {.answer = ANSWER("404 No", "<html><nonsense"), .close = true},
        {.answer = ANSWER("404 No", ""), .close = true}};
    START(script);
    make_client();
    ck_assert_ptr_null(get_secret(ARN));
    ck_assert_str_eq(err.code, "ResourceNotFoundException");
    ck_assert_str_eq(err.message, "secretsmanager GetSecretValue: ResourceNotFoundException: "
                                  "Secrets Manager can't find it. (status 400)");
    ck_assert_ptr_null(get_secret(ARN));
    ck_assert_str_eq(err.code, "AccessDeniedException");
    struct aws_request request = {.service = "sts",
                                  .endpoint_id = "STS",
                                  .protocol = AWS_QUERY,
                                  .body = SLICE("Version=2011-06-15&Action=AssumeRole&X=1"),
                                  .credentials = &credentials};
    cleanup_http_response struct http_response response;
    http_response_init(&response, 10000);
    ck_assert(!aws_call(aws, &request, &response, 0, &err));
    ck_assert_str_eq(err.code, "ValidationError");
    ck_assert_str_eq(err.message, "sts AssumeRole: ValidationError: 1 < 2 (status 400)");
    ck_assert(request_has(2, "Content-Type: application/x-www-form-urlencoded; charset=utf-8"));
    request.credentials = NULL;
    ck_assert(!aws_call(aws, &request, &response, 0, &err));
    ck_assert_str_eq(err.code, "status");
    ck_assert(!request_has(3, "Authorization"));
    ck_assert(!aws_call(aws, &request, &response, 0, &err));
    ck_assert_ptr_nonnull(strstr(err.message, " answered with status 404 and no error of AWS's "
                                              "form (application/x-amz-json-1.1)"));
    ck_assert_uint_eq(fake.sleeps, 0);
    stop_server();
}
END_TEST

#define REFUSAL(message)                                                                           \
    ANSWER("403 No", "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>" message   \
                     "</Message></Error></ErrorResponse>")

START_TEST(shows_no_secret_that_the_service_repeats) {
    const struct scripted script[] = {
        {.answer = REFUSAL("It does not match.\n\nPOST\nx-amz-security-token:the/session+token"),
         .close = true},
        {.answer = REFUSAL("x-amz-security-token:the/session+token"), .close = true},
        {.answer = REFUSAL("Credential=x, Signature=0123"), .close = true},
        {.answer = REFUSAL("not yours: the.web.token"), .close = true}};
    START(script);
    setenv("AWS_SESSION_TOKEN", "the/session+token", 1);
    make_client();
    cleanup_secret struct secret *token = secret_new(SLICE("the.web.token"));
    const struct aws_request request = {.service = "sts",
                                        .endpoint_id = "STS",
                                        .protocol = AWS_QUERY,
                                        .body = SLICE("Action=AssumeRole"),
                                        .credentials = &credentials,
                                        .secret = token};
    cleanup_http_response struct http_response response;
    http_response_init(&response, 10000);
    ck_assert(!aws_call(aws, &request, &response, 0, &err));
    ck_assert_str_eq(err.message, "sts AssumeRole: SignatureDoesNotMatch: It does not match. "
                                  "(status 403)");
    for (size_t i = 1; i < sizeof(script) / sizeof(script[0]); i++) {
        ck_assert(!aws_call(aws, &request, &response, 0, &err));
        ck_assert_str_eq(err.message, "sts AssumeRole: SignatureDoesNotMatch: its message is not "
                                      "shown, as it repeats a secret of the request (status 403)");
    }
    stop_server();
}
END_TEST

START_TEST(repeats_throttled_and_failed_calls_three_times_in_all) {
    const struct scripted script[] = {
        {.answer = ANSWER("400 Bad", "{\"__type\":\"ThrottlingException\"}"), .close = true},
        {.answer = NULL, .close = true},
        {.answer = ANSWER("200 OK", "{\"SecretString\":\"s\"}"), .close = true},
        {.answer = ANSWER("503 No", ""), .close = true},
        {.answer = ANSWER("500 No", ""), .close = true},
        {.answer = ANSWER("502 No", "{\"__type\":\"Last\"}"), .close = true},
        {.answer = ANSWER("400 No", "{\"__type\":\"IDPCommunicationError\"}"), .close = true},
        {.answer = ANSWER("200 OK", ""), .close = true},
        {.answer = ANSWER("503 No", "{\"__type\":\"TooLate\"}"), .close = true}};
    START(script);
    make_client();
    fake.random = UINT32_MAX;
    cleanup_secret struct secret *secret = get_secret(ARN);
    ck_assert_msg(secret != NULL, "%s", err.message);
    ck_assert_int_eq(fake.slept_ms, 1000 + 2000);
    ck_assert_ptr_null(get_secret(ARN));
    ck_assert_str_eq(err.code, "Last");
    ck_assert_uint_eq(fake.sleeps, 4);
    const char *const more[] = {"IDPCommunicationError", NULL};
    const struct aws_request request = {
        .service = "sts", .endpoint_id = "STS", .protocol = AWS_QUERY, .retryable_codes = more};
    cleanup_http_response struct http_response response;
    http_response_init(&response, 10000);
    ck_assert(aws_call(aws, &request, &response, 0, &err));
    ck_assert(!aws_call(aws, &request, &response, fake.now_ms + 500, &err));
    ck_assert_str_eq(err.code, "TooLate");
    stop_server();
}
END_TEST

START_TEST(repeats_no_more_than_all_calls_together_may) {
    const struct scripted script[] = {
        {.answer = ANSWER("503 No", ""), .close = true},
        {.answer = ANSWER("200 OK", "{\"SecretString\":\"s\"}"), .close = true},
        {.answer = "HTTP/1.1 403 No\r\nConnection: close\r\nDate: Sun, 30 Aug 2015 13:36:00 GMT\r\n"
                   "\r\n{\"__type\":\"InvalidSignatureException\"}",
         .close = true},
        {.answer = ANSWER("200 OK", "{\"SecretString\":\"s\"}"), .close = true},
        {.answer = ANSWER("503 No", "{\"__type\":\"Last\"}"), .close = true},
        {.answer = ANSWER("200 OK", "{\"SecretString\":\"s\"}"), .close = true}};
    START(script);
    make_client();
    cleanup_free char *url = xasprintf("http://127.0.0.1:%d", server.port);
    const struct aws_client_options options = {
        .http = http, .clock = &fake.clock, .endpoint = {.url = url}, .max_repetitions = 2};
    aws_client_destroy(aws);
    aws = aws_client_new(&options, &err);
    for (int i = 0; i < 2; i++) {
        cleanup_secret struct secret *secret = get_secret(ARN);
        ck_assert_msg(secret != NULL, "%s", err.message);
    }
    ck_assert_ptr_null(get_secret(ARN));
    ck_assert_str_eq(err.code, "Last");
    ck_assert_uint_eq(fake.sleeps, 1);
    // A call that needs no repetition is still made.
    cleanup_secret struct secret *last = get_secret(ARN);
    ck_assert_msg(last != NULL, "%s", err.message);
    stop_server();
}
END_TEST

START_TEST(corrects_a_skewed_clock_once_and_for_good) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 403 No\r\nConnection: close\r\nDate: Sun, 30 Aug 2015 13:36:00 GMT\r\n"
                   "\r\n{\"__type\":\"InvalidSignatureException\"}",
         .close = true},
        {.answer = ANSWER("200 OK", "{\"SecretString\":\"s\"}"), .close = true},
        {.answer = ANSWER("200 OK", "{\"SecretString\":\"s\"}"), .close = true},
        {.answer = "HTTP/1.1 403 No\r\nConnection: close\r\nDate: Sun, 30 Aug 2015 13:37:00 GMT\r\n"
                   "\r\n{\"__type\":\"InvalidSignatureException\"}",
         .close = true}};
    START(script);
    make_client();
    secret_destroy(get_secret(ARN));
    ck_assert(request_has(0, "X-Amz-Date: 20150830T123600Z"));
    ck_assert(request_has(1, "X-Amz-Date: 20150830T133600Z"));
    secret_destroy(get_secret(ARN));
    ck_assert(request_has(2, "X-Amz-Date: 20150830T133600Z"));
    // A wrong signature at the right time is a wrong signature.
    ck_assert_ptr_null(get_secret(ARN));
    ck_assert_str_eq(err.code, "InvalidSignatureException");
    ck_assert_uint_eq(fake.sleeps, 0);
    stop_server();
}
END_TEST

START_TEST(signs_objects_by_the_services_clock) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 403 No\r\nConnection: close\r\nDate: Sun, 30 Aug 2015 13:36:00 GMT\r\n"
                   "\r\n{\"__type\":\"RequestTimeTooSkewed\"}",
         .close = true},
        {.answer = ANSWER("200 OK", "{\"SecretString\":\"s\"}"), .close = true},
        {.answer = ANSWER("200 OK", "object"), .close = true}};
    START(script);
    make_client();
    secret_destroy(get_secret(ARN));
    const struct aws_s3_object object = {.bucket = "bucket", .key = "a key"};
    cleanup_fclose FILE *file = tmpfile();
    const struct http_download download = {.fd = fileno(file)};
    ck_assert_msg(aws_s3_download(aws, &credentials, &object, &download, 0, &err), "%s",
                  err.message);
    ck_assert(request_has(2, "GET /bucket/a%20key HTTP/1.1\r\n"));
    ck_assert(request_has(2, "X-Amz-Date: 20150830T133600Z"));
    const struct aws_s3_presign presign = {.object = object, .method = "GET", .seconds = 60};
    cleanup_secret struct secret *url = aws_s3_presigned_url(aws, &credentials, &presign, &err);
    ck_assert_msg(url != NULL, "%s", err.message);
    ck_assert(strstr(secret_expose(url).data, "&X-Amz-Date=20150830T133600Z&X-Amz-Expires=60&"));
    stop_server();
}
END_TEST

START_TEST(shows_nothing_of_a_presigned_url) {
    const struct scripted script[] = {
        {.answer = "HTTP/1.1 404 No\r\nConnection: close\r\n\r\n", .close = true}};
    START(script);
    setenv("AWS_SESSION_TOKEN", "the/session+token", 1);
    make_client();
    const struct aws_s3_presign presign = {
        .object = {.bucket = "b", .key = "k"}, .method = "GET", .seconds = 60};
    cleanup_secret struct secret *url = aws_s3_presigned_url(aws, &credentials, &presign, &err);
    ck_assert_msg(url != NULL, "%s", err.message);
    const struct http_request request = {.method = "GET", .url = secret_expose(url).data};
    cleanup_http_response struct http_response response;
    http_response_init(&response, 1000);
    ck_assert(http_send(http, &request, NULL, &response, &err));
    ck_assert(request_has(0, "&X-Amz-Security-Token=the%2Fsession%2Btoken&X-Amz-Signature="));
    stop_server();
    ck_assert(!http_send(http, &request, NULL, &response, &err));
    ck_assert(strstr(err.message, "/b/k") != NULL);
    ck_assert(strstr(err.message, "X-Amz") == NULL);
}
END_TEST

// --- Endpoints ---------------------------------------------------------------------------------

static const char *endpoint(const char *service, const char *id, const char *region) {
    static struct buffer url = BUFFER_INIT(1000);
    buffer_reset(&url);
    struct aws_endpoint place = {.region = region != NULL ? region : "eu-west-1"};
    return aws_endpoint_resolve(&place, &err) && aws_endpoint_url(&place, service, id, &url, &err)
               ? buffer_text(&url)
               : err.message;
}

START_TEST(knows_the_partitions) {
    // From the rule sets of botocore.
    static const struct {
        const char *service;
        const char *region;
        const char *fips;
        const char *dual_stack;
        const char *url;
    } cases[] = {
        {"sts", "eu-central-1", "", "", "https://sts.eu-central-1.amazonaws.com"},
        {"sts", "us-gov-west-1", "", "", "https://sts.us-gov-west-1.amazonaws.com"},
        {"sts", "us-gov-west-1", "true", "", "https://sts.us-gov-west-1.amazonaws.com"},
        {"ssm", "us-gov-east-1", "true", "", "https://ssm.us-gov-east-1.amazonaws.com"},
        {"secretsmanager", "us-gov-west-1", "true", "",
         "https://secretsmanager-fips.us-gov-west-1.amazonaws.com"},
        {"sts", "us-gov-west-1", "true", "true", "https://sts-fips.us-gov-west-1.api.aws"},
        {"ssm", "us-east-1", "TRUE", "", "https://ssm-fips.us-east-1.amazonaws.com"},
        {"ssm", "us-east-1", "no", "true", "https://ssm.us-east-1.api.aws"},
        {"ssm", "cn-north-1", "", "", "https://ssm.cn-north-1.amazonaws.com.cn"},
        {"ssm", "cn-north-1", "", "true", "https://ssm.cn-north-1.api.amazonwebservices.com.cn"},
        {"secretsmanager", "eusc-de-east-1", "", "",
         "https://secretsmanager.eusc-de-east-1.amazonaws.eu"},
        {"sts", "us-iso-east-1", "", "", "https://sts.us-iso-east-1.c2s.ic.gov"},
        {"sts", "us-isob-east-1", "", "", "https://sts.us-isob-east-1.sc2s.sgov.gov"},
        {"sts", "eu-isoe-west-1", "", "", "https://sts.eu-isoe-west-1.cloud.adc-e.uk"},
        {"sts", "us-isof-south-1", "", "", "https://sts.us-isof-south-1.csp.hci.ic.gov"},
        {"sts", "xx-new-1", "", "", "https://sts.xx-new-1.amazonaws.com"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("AWS_USE_FIPS_ENDPOINT", cases[i].fips, 1);
        setenv("AWS_USE_DUALSTACK_ENDPOINT", cases[i].dual_stack, 1);
        ck_assert_str_eq(endpoint(cases[i].service, "X", cases[i].region), cases[i].url);
    }
}
END_TEST

START_TEST(lets_the_environment_win_over_the_options_endpoints) {
    const struct aws_endpoint asked = {.region = "eu-west-1", .fips = true, .dual_stack = true};
    struct aws_endpoint place = asked;
    cleanup_buffer struct buffer both = BUFFER_INIT(256);
    ck_assert(aws_endpoint_resolve(&place, &err));
    ck_assert(aws_endpoint_url(&place, "sts", "STS", &both, &err));
    ck_assert_str_eq(buffer_text(&both), "https://sts-fips.eu-west-1.api.aws");
    setenv("AWS_USE_FIPS_ENDPOINT", "false", 1);
    setenv("AWS_USE_DUALSTACK_ENDPOINT", "false", 1);
    cleanup_buffer struct buffer none = BUFFER_INIT(256);
    place = asked;
    ck_assert(aws_endpoint_resolve(&place, &err));
    ck_assert(aws_endpoint_url(&place, "sts", "STS", &none, &err));
    ck_assert_str_eq(buffer_text(&none), "https://sts.eu-west-1.amazonaws.com");
}
END_TEST

START_TEST(takes_endpoints_from_the_environment) {
    ck_assert_str_eq(endpoint("ssm", "SSM", NULL), "https://ssm.eu-west-1.amazonaws.com");
    setenv("AWS_ENDPOINT_URL", "http://localhost:4566", 1);
    setenv("AWS_ENDPOINT_URL_SSM", "", 1);
    ck_assert_str_eq(endpoint("ssm", "SSM", NULL), "http://localhost:4566");
    setenv("AWS_ENDPOINT_URL_SSM", "https://vpce.example", 1);
    ck_assert_str_eq(endpoint("ssm", "SSM", NULL), "https://vpce.example");
    ck_assert_str_eq(endpoint("sts", "STS", NULL), "http://localhost:4566");
    bool allow_http = false;
    const char *bundle = NULL;
    aws_http_settings(NULL, &allow_http, &bundle);
    ck_assert(allow_http);
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    ck_assert_str_eq(endpoint("ssm", "SSM", NULL), "https://ssm.eu-west-1.amazonaws.com");
    clearenv();
    setenv("AWS_CA_BUNDLE", "/ca.pem", 1);
    aws_http_settings(NULL, &allow_http, &bundle);
    ck_assert(!allow_http);
    ck_assert_str_eq(bundle, "/ca.pem");
}
END_TEST

START_TEST(needs_a_region_and_keys) {
    clearenv();
    const struct aws_client_options options = {0};
    ck_assert_ptr_null(aws_client_new(&options, &err));
    ck_assert_str_eq(err.code, "region");
    const char *const bad[] = {"eu central", "a/b", "a.b", "-a", "A", "x@y"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("AWS_REGION", bad[i], 1);
        ck_assert_ptr_null(aws_client_new(&options, &err));
    }
    setenv("AWS_REGION", "", 1);
    setenv("AWS_DEFAULT_REGION", "sa-east-1", 1);
    cleanup_aws_client struct aws_client *client = aws_client_new(&options, &err);
    ck_assert_str_eq(aws_client_endpoint(client)->region, "sa-east-1");
    ck_assert_str_eq(endpoint("ssm", "SSM", "evil.example/"),
                     "\"evil.example/\" is not a region's name, such as eu-central-1");
    cleanup_aws_credentials struct aws_credentials none;
    ck_assert(!aws_credentials_from_environment(&none, &err));
    ck_assert_str_eq(err.code, "credentials");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("aws");
    TCase *tcase = tcase_create("aws");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, reads_a_secret_in_the_region_of_its_arn);
    tcase_add_test(tcase, reads_binary_secrets_and_parameters);
    tcase_add_test(tcase, gives_the_services_error);
    tcase_add_test(tcase, shows_no_secret_that_the_service_repeats);
    tcase_add_test(tcase, repeats_throttled_and_failed_calls_three_times_in_all);
    tcase_add_test(tcase, repeats_no_more_than_all_calls_together_may);
    tcase_add_test(tcase, corrects_a_skewed_clock_once_and_for_good);
    tcase_add_test(tcase, signs_objects_by_the_services_clock);
    tcase_add_test(tcase, shows_nothing_of_a_presigned_url);
    tcase_add_test(tcase, knows_the_partitions);
    tcase_add_test(tcase, lets_the_environment_win_over_the_options_endpoints);
    tcase_add_test(tcase, takes_endpoints_from_the_environment);
    tcase_add_test(tcase, needs_a_region_and_keys);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
