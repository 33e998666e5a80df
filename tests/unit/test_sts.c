// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/aws/sts.h"
#include "common/cleanup.h"
#include "scripted_aws.h"

#define ROLE "arn:aws:iam::123456789012:role/path/deploy"

#define ANSWER(status, type, body)                                                                 \
    {                                                                                              \
        .answer =                                                                                  \
            "HTTP/1.1 " status "\r\nConnection: close\r\nContent-Type: " type "\r\n\r\n" body,     \
        .close = true                                                                              \
    }
#define XML(body) ANSWER("200 OK", "text/xml", body)
#define JSON(body) ANSWER("200 OK", "application/json", body)
#define USER                                                                                       \
    "<AssumedRoleUser><AssumedRoleId>AROA1:job</AssumedRoleId>"                                    \
    "<Arn>arn:aws:sts::123456789012:assumed-role/deploy/job</Arn></AssumedRoleUser>"
#define KEYS                                                                                       \
    "<SessionToken>to&#x2F;ken\n  +&amp;=\r\n</SessionToken>"                                      \
    "<SecretAccessKey>se/cret</SecretAccessKey>"                                                   \
    "<AccessKeyId> ASIA1 </AccessKeyId>"

static bool assume(const struct sts_assume *what, struct sts_session *session) {
    return sts_assume_role(aws, what, fake.now_ms + 60000, session, &err);
}

static const struct sts_assume plain = {
    .credentials = &credentials, .role_arn = ROLE, .session_name = "job"};

START_TEST(sends_all_that_was_asked_for) {
    const struct scripted script[] = {
        XML("<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
            "<AssumeRoleResult>" USER "<Credentials>" KEYS "<Expiration>2015-08-30T13:36:00Z"
            "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>")};
    START(script);
    make_client();
    const char *const arns[] = {"arn:aws:iam::aws:policy/ReadOnlyAccess",
                                "arn:aws:iam::123456789012:policy/a/b"};
    const struct sts_tag tags[] = {{"project_path", "group/a b"}, {"\xc3\xa9", ""}};
    const char *const keys[] = {"Project_Path"};
    const struct sts_assume all = {
        .credentials = &credentials,
        .role_arn = ROLE,
        .session_name = "job@1",
        .external_id = "a/b:c",
        .duration_seconds = 900,
        .policy = "{\"a\": 1}",
        .policy_arns = arns,
        .policy_arn_count = 2,
        .tags = tags,
        .tag_count = 2,
        .transitive_keys = keys,
        .transitive_key_count = 1,
        .source_identity = "ada",
    };
    cleanup_sts_session struct sts_session session;
    ck_assert_msg(assume(&all, &session), "%s", err.message);
    ck_assert_str_eq(session.credentials.access_key, "ASIA1");
    ck_assert(secret_equals(session.credentials.secret_key, SLICE("se/cret")));
    ck_assert(secret_equals(session.credentials.session_token, SLICE("to/ken+&=")));
    ck_assert_int_eq(session.credentials.expires_ms, fake.now_ms + 3600000);
    ck_assert_str_eq(session.arn, "arn:aws:sts::123456789012:assumed-role/deploy/job");
    ck_assert_str_eq(session.id, "AROA1:job");
    ck_assert(request_has(
        0, "\r\n\r\nAction=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A"
           "123456789012%3Arole%2Fpath%2Fdeploy&RoleSessionName=job%401&ExternalId=a%2Fb%3Ac"
           "&DurationSeconds=900&Policy=%7B%22a%22%3A%201%7D"
           "&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess"
           "&PolicyArns.member.2.arn=arn%3Aaws%3Aiam%3A%3A123456789012%3Apolicy%2Fa%2Fb"
           "&Tags.member.1.Key=project_path&Tags.member.1.Value=group%2Fa%20b"
           "&Tags.member.2.Key=%C3%A9&Tags.member.2.Value="
           "&TransitiveTagKeys.member.1=Project_Path&SourceIdentity=ada"));
    ck_assert(request_has(0, "Credential=AKIDEXAMPLE/20150830/us-east-1/sts/aws4_request"));
    stop_server();
}
END_TEST

START_TEST(sends_a_web_identity_unsigned_and_asks_its_issuer_again) {
    const struct scripted script[] = {
        ANSWER("400 Bad", "text/xml",
               "<ErrorResponse><Error><Code>IDPCommunicationError</Code><Message>slow</Message>"
               "</Error></ErrorResponse>"),
        XML("<R>" USER KEYS "<Expiration>2015-08-30T13:36:00.123456Z</Expiration></R>"),
        ANSWER("400 Bad", "text/xml",
               "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>old</Message>"
               "</Error></ErrorResponse>")};
    START(script);
    make_client();
    cleanup_secret struct secret *token = secret_new(SLICE("eyJ.a+b.c="));
    const struct sts_assume web = {
        .role_arn = ROLE, .session_name = "job", .web_identity_token = token};
    cleanup_sts_session struct sts_session session;
    ck_assert_msg(assume(&web, &session), "%s", err.message);
    ck_assert_int_eq(session.credentials.expires_ms, fake.now_ms + 3600123);
    ck_assert(request_has(1, "Action=AssumeRoleWithWebIdentity&"));
    ck_assert(request_has(1, "&WebIdentityToken=eyJ.a%2Bb.c%3D"));
    ck_assert(!request_has(1, "Authorization"));
    ck_assert(!request_has(1, "X-Amz-Date"));
    cleanup_sts_session struct sts_session none;
    ck_assert(!assume(&web, &none));
    ck_assert_str_eq(err.code, "ExpiredTokenException");
    ck_assert_ptr_null(strstr(err.message, "eyJ"));
    stop_server();
}
END_TEST

START_TEST(reads_answers_of_stand_ins) {
    const struct scripted script[] = {XML(
        "\xef\xbb\xbf<R>" KEYS "<Expiration><![CDATA[2015-08-30T13:36:00Z]]></Expiration></R>")};
    START(script);
    make_client();
    const struct sts_assume role = {
        .role_arn = ROLE, .session_name = "job", .credentials = &credentials};
    cleanup_sts_session struct sts_session session;
    ck_assert_msg(assume(&role, &session), "%s", err.message);
    ck_assert_int_eq(session.credentials.expires_ms, fake.now_ms + 3600000);
    ck_assert_str_eq(session.arn, "");
    ck_assert_str_eq(session.id, "");
    stop_server();
}
END_TEST

START_TEST(reads_json_too) {
    const struct scripted script[] = {
        JSON("{\"AssumeRoleResponse\":{\"AssumeRoleResult\":{\"Credentials\":{\"AccessKeyId\":"
             "\"ASIA1\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\\n\",\"Expiration\":"
             "1.44094176E9},\"AssumedRoleUser\":{\"AssumedRoleId\":\"A:j\",\"Arn\":\"arn\"}}}}"),
        JSON("{\"Credentials\":{\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":\"s\","
             "\"SessionToken\":\"t\",\"Expiration\":\"2015-08-30T13:36:00+00:00\"},"
             "\"AssumedRoleUser\":{\"AssumedRoleId\":\"A:j\",\"Arn\":\"arn\"}}"),
        JSON("{\"GetCallerIdentityResponse\":{\"GetCallerIdentityResult\":{\"Account\":\"1\","
             "\"Arn\":\"arn\",\"UserId\":\"U\"}}}")};
    START(script);
    make_client();
    for (int i = 0; i < 2; i++) {
        cleanup_sts_session struct sts_session session;
        ck_assert_msg(assume(&plain, &session), "%s", err.message);
        ck_assert(secret_equals(session.credentials.session_token, SLICE("t")));
        ck_assert_int_eq(session.credentials.expires_ms, fake.now_ms + 3600000);
        ck_assert_str_eq(session.id, "A:j");
    }
    cleanup_sts_identity struct sts_identity identity;
    ck_assert_msg(sts_get_caller_identity(aws, &credentials, 0, &identity, &err), "%s",
                  err.message);
    ck_assert_str_eq(identity.account, "1");
    ck_assert_str_eq(identity.user_id, "U");
    stop_server();
}
END_TEST

START_TEST(says_who_one_is) {
    const struct scripted script[] = {
        XML("<GetCallerIdentityResponse><GetCallerIdentityResult>"
            "<Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>AIDA1</UserId>"
            "<Account>123456789012</Account></GetCallerIdentityResult>"
            "</GetCallerIdentityResponse>"),
        XML("<GetCallerIdentityResponse><Arn>a</Arn></GetCallerIdentityResponse>")};
    START(script);
    make_client();
    cleanup_sts_identity struct sts_identity identity;
    ck_assert_msg(sts_get_caller_identity(aws, &credentials, 0, &identity, &err), "%s",
                  err.message);
    ck_assert_str_eq(identity.account, "123456789012");
    ck_assert_str_eq(identity.arn, "arn:aws:iam::123456789012:user/ada");
    ck_assert_str_eq(identity.user_id, "AIDA1");
    ck_assert(request_has(0, "\r\n\r\nAction=GetCallerIdentity&Version=2011-06-15"));
    cleanup_sts_identity struct sts_identity none;
    ck_assert(!sts_get_caller_identity(aws, &credentials, 0, &none, &err));
    ck_assert_str_eq(err.message, "sts GetCallerIdentity: the answer does not have Account");
    stop_server();
}
END_TEST

START_TEST(refuses_an_answer_that_lacks_a_part) {
    const struct scripted script[] = {
        XML("<R>" USER KEYS "</R>"),
        XML("<R>" USER KEYS "<Expiration>soon</Expiration></R>"),
        XML("<R>" USER "<AccessKeyId>A</AccessKeyId><SecretAccessKey> </SecretAccessKey></R>"),
        XML("nonsense"),
        JSON("[1]"),
        JSON("{\"Credentials\":\"none\"}"),
        JSON("{\"Credentials\":{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"SessionToken\":"
             "\"t\",\"Expiration\":-1e300}}"),
        XML("<R>" USER "<AccessKeyId>A\x01</AccessKeyId></R>")};
    static const char *const messages[] = {
        "the answer does not have Expiration",
        "the answer's Expiration is not a time: \"soon\"",
        "the answer does not have SecretAccessKey",
        "the answer is neither XML nor JSON",
        "the answer is not a JSON object",
        "the answer does not have AccessKeyId",
        "the answer does not have Expiration",
        "the answer does not have AccessKeyId",
    };
    START(script);
    make_client();
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        cleanup_sts_session struct sts_session session;
        ck_assert(!assume(&plain, &session));
        ck_assert_str_eq(err.code, "answer");
        cleanup_free char *expected = xasprintf("sts AssumeRole: %s", messages[i]);
        ck_assert_str_eq(err.message, expected);
    }
    stop_server();
}
END_TEST

START_TEST(gives_the_services_own_words) {
    const struct scripted script[] = {
        ANSWER("403 No", "text/xml",
               "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: x is not authorized"
               "</Message></Error></ErrorResponse>"),
        ANSWER("400 No", "application/json",
               "{\"Error\":{\"Code\":\"ValidationError\",\"Message\":\"too long\"}}")};
    START(script);
    make_client();
    cleanup_sts_session struct sts_session session;
    ck_assert(!assume(&plain, &session));
    ck_assert_str_eq(err.code, "AccessDenied");
    ck_assert_str_eq(err.message,
                     "sts AssumeRole: AccessDenied: User: x is not authorized (status 403)");
    cleanup_sts_session struct sts_session second;
    ck_assert(!assume(&plain, &second));
    ck_assert_str_eq(err.code, "ValidationError");
    ck_assert_str_eq(err.message, "sts AssumeRole: ValidationError: too long (status 400)");
    ck_assert_uint_eq(fake.sleeps, 0);
    stop_server();
}
END_TEST

/// The message about `plain` with one thing changed.
static const char *refusal(struct sts_assume what) {
    what.role_arn = what.role_arn != NULL ? what.role_arn : ROLE;
    what.session_name = what.session_name != NULL ? what.session_name : "job";
    if (sts_check(&what, &err)) {
        return "good";
    }
    ck_assert_str_eq(err.code, "form");
    return err.message;
}
#define REFUSAL(...) refusal((struct sts_assume){__VA_ARGS__})
#define ck_assert_begins(text, begin)                                                              \
    ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0, "%s", err.message)

START_TEST(checks_names_and_arns) {
    ck_assert_str_eq(REFUSAL(0), "good");
    ck_assert_str_eq(REFUSAL(.role_arn = "arn:aws-cn:iam::123456789012:role/x"), "good");
    static const char *const bad[] = {"deploy",
                                      "arn:aws:iam::12345678901:role/x",
                                      "arn:aws:iam::123456789012:user/x",
                                      "arn:aws:iam::123456789012:role/",
                                      "arn:aws:sts::123456789012:assumed-role/x/y",
                                      "arn:aws:iam::123456789012:role/x y",
                                      "arn:aws:iam::aws:role/xxxxxxxxxxx"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_begins(REFUSAL(.role_arn = bad[i]), "role ARN: \"");
    }
    ck_assert_str_eq(REFUSAL(.session_name = "x"), "session name: 1 characters; it takes 2 to 64");
    ck_assert_str_eq(REFUSAL(.session_name = "a b"),
                     "session name: \"a b\" has a character other than letters, digits and "
                     "_+=,.@-");
    ck_assert_begins(REFUSAL(.external_id = "a;b"), "external id: \"a;b\" has");
    ck_assert_begins(REFUSAL(.source_identity = "a/b"), "source identity: \"a/b\" has");
    ck_assert_str_eq(REFUSAL(.duration_seconds = 899),
                     "duration: 899 seconds; STS takes 900 to 43200");
    ck_assert_begins(REFUSAL(.duration_seconds = 43201), "duration: ");
    const struct sts_assume nameless = {.role_arn = ROLE};
    ck_assert(!sts_check(&nameless, &err));
}
END_TEST

START_TEST(checks_policies) {
    static char letters[2049];
    memset(letters, 'a', 2048);
    const char *const arns[11] = {"arn:aws:iam::aws:policy/x"};
    ck_assert_str_eq(REFUSAL(.policy = letters), "good");
    ck_assert_str_eq(REFUSAL(.policy = letters, .policy_arns = arns, .policy_arn_count = 1),
                     "policy: 2073 characters with the policy ARNs; STS takes 2048 at most");
    ck_assert_str_eq(REFUSAL(.policy = ""), "policy: it is empty");
    ck_assert_str_eq(REFUSAL(.policy = "\xc3\xbf\t\n"), "good");
    ck_assert_begins(REFUSAL(.policy = "a\xc4\x80"), "policy: it has a character");
    ck_assert_begins(REFUSAL(.policy = "a\x02"), "policy: it has a character");
    ck_assert_begins(REFUSAL(.policy = "a\xff"), "policy: it is not valid UTF-8");
    ck_assert_begins(REFUSAL(.policy_arns = arns, .policy_arn_count = 11),
                     "policy ARNs: 11 of them");
    const char *const role[] = {ROLE};
    ck_assert_begins(REFUSAL(.policy_arns = role, .policy_arn_count = 1), "policy ARN: ");
}
END_TEST

START_TEST(checks_tags) {
    static char letters[258];
    memset(letters, 'a', 257);
    static struct sts_tag many[51];
    ck_assert_begins(REFUSAL(.tags = many, .tag_count = 51), "tags: 51 of them");
#define TAG(key, value) .tags = (struct sts_tag[]){{key, value}}, .tag_count = 1
    ck_assert_str_eq(REFUSAL(TAG("a_.:/=+-@ b", "")), "good");
    ck_assert_begins(REFUSAL(TAG("", "x")), "tag key: \"\" has 0 characters");
    ck_assert_begins(REFUSAL(TAG(letters, "x")), "tag key: ");
    ck_assert_begins(REFUSAL(TAG("x", letters)), "tag value: ");
    ck_assert_begins(REFUSAL(TAG("x", "a,b")), "tag value: \"a,b\" has");
    ck_assert_begins(REFUSAL(TAG("Aws:x", "x")), "tag key: \"Aws:x\": keys that");
    ck_assert_begins(REFUSAL(.tags = (struct sts_tag[]){{"a", "1"}, {"A", "2"}}, .tag_count = 2),
                     "tag key: \"A\" is given twice");
    const char *const keys[] = {"a", "b"};
    ck_assert_begins(REFUSAL(TAG("A", "1"), .transitive_keys = keys, .transitive_key_count = 2),
                     "transitive tag key: \"b\" is not among the tags' keys");
}
END_TEST

START_TEST(checks_what_goes_with_a_token) {
    cleanup_secret struct secret *token = secret_new(SLICE("token"));
    cleanup_secret struct secret *short_token = secret_new(SLICE("x"));
    ck_assert_str_eq(REFUSAL(.web_identity_token = token, .policy = "{}"), "good");
    ck_assert_begins(REFUSAL(.web_identity_token = token, .external_id = "abc"),
                     "external id: STS takes it from the claims of a web identity token");
    ck_assert_begins(REFUSAL(.web_identity_token = token, TAG("a", "b")),
                     "tags: STS takes it from the claims");
    ck_assert_begins(REFUSAL(.web_identity_token = token, .source_identity = "ab"),
                     "source identity: STS takes it from the claims");
    ck_assert_begins(REFUSAL(.web_identity_token = short_token),
                     "web identity token: 1 characters");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sts");
    TCase *tcase = tcase_create("sts");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, sends_all_that_was_asked_for);
    tcase_add_test(tcase, sends_a_web_identity_unsigned_and_asks_its_issuer_again);
    tcase_add_test(tcase, reads_answers_of_stand_ins);
    tcase_add_test(tcase, reads_json_too);
    tcase_add_test(tcase, says_who_one_is);
    tcase_add_test(tcase, refuses_an_answer_that_lacks_a_part);
    tcase_add_test(tcase, gives_the_services_own_words);
    tcase_add_test(tcase, checks_names_and_arns);
    tcase_add_test(tcase, checks_policies);
    tcase_add_test(tcase, checks_tags);
    tcase_add_test(tcase, checks_what_goes_with_a_token);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
