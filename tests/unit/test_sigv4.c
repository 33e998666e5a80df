// SPDX-License-Identifier: Apache-2.0
/// What the signer promises its callers; that it signs as AWS does is proven against botocore in
/// tests/integration/test_sigv4.py.
#include <check.h>
#include <stdlib.h>

#include "common/aws/sigv4.h"

static struct error err;

static const struct http_header headers[] = {
    {SLICE("Host"), SLICE("example.amazonaws.com")},
    {SLICE("X-Amz-Date"), SLICE("20200101T000000Z")},
};

/// AWS's own example get-vanilla.
static struct sigv4_request vanilla(void) {
    return (struct sigv4_request){
        .method = SLICE("GET"), .path = SLICE("/"), .headers = headers, .header_count = 2};
}

static struct sigv4_options usual(void) {
    return (struct sigv4_options){
        .access_key = SLICE("AKIDEXAMPLE"),
        .secret_key = SLICE("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        .region = SLICE("us-east-1"),
        .service = SLICE("service"),
        .timestamp_ms = 1440938160000,
        .normalize = true,
    };
}

START_TEST(signs_with_a_date_of_its_own) {
    const struct sigv4_request request = vanilla();
    const struct sigv4_options options = usual();
    cleanup_sigv4_signature struct sigv4_signature signature;
    ck_assert_msg(sigv4_sign(&request, &options, &signature, &err), "%s", err.message);
    ck_assert_str_eq(buffer_text(&signature.authorization),
                     "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/"
                     "aws4_request, SignedHeaders=host;x-amz-date, Signature="
                     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    ck_assert_str_eq(signature.date, "20150830T123600Z");
    ck_assert(slice_starts_with(
        buffer_slice(&signature.string_to_sign),
        SLICE("AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n")));
}
END_TEST

START_TEST(signs_the_token_unless_told_otherwise) {
    const struct sigv4_request request = vanilla();
    struct sigv4_options options = usual();
    options.session_token = SLICE("token");
    cleanup_sigv4_signature struct sigv4_signature with;
    ck_assert(sigv4_sign(&request, &options, &with, &err));
    ck_assert_ptr_nonnull(
        strstr(buffer_text(&with.canonical_request), "\nx-amz-security-token:token\n"));
    options.omit_session_token = true;
    cleanup_sigv4_signature struct sigv4_signature without;
    ck_assert(sigv4_sign(&request, &options, &without, &err));
    ck_assert_ptr_null(strstr(buffer_text(&without.canonical_request), "token"));
}
END_TEST

START_TEST(signs_the_bodys_hash_where_asked) {
    struct sigv4_request request = vanilla();
    struct sigv4_options options = usual();
    request.body = SLICE("a\0b");
    options.sign_body = true;
    cleanup_sigv4_signature struct sigv4_signature signature;
    ck_assert(sigv4_sign(&request, &options, &signature, &err));
    ck_assert_str_eq(signature.content_sha256,
                     "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138");
}
END_TEST

START_TEST(refuses_what_cannot_be_signed) {
    struct sigv4_request request = vanilla();
    request.headers = NULL;
    request.header_count = 0;
    const struct sigv4_options options = usual();
    cleanup_sigv4_signature struct sigv4_signature signature;
    ck_assert(!sigv4_sign(&request, &options, &signature, &err));
    ck_assert_str_eq(err.code, "sigv4");
    ck_assert_str_eq(err.message, "cannot sign without a Host header");
    struct sigv4_options missing = usual();
    missing.region = SLICE("");
    request = vanilla();
    cleanup_sigv4_signature struct sigv4_signature second;
    ck_assert(!sigv4_sign(&request, &missing, &second, &err));
    ck_assert_str_eq(err.message, "cannot sign without a region");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sigv4");
    TCase *tcase = tcase_create("signature");
    tcase_add_test(tcase, signs_with_a_date_of_its_own);
    tcase_add_test(tcase, signs_the_token_unless_told_otherwise);
    tcase_add_test(tcase, signs_the_bodys_hash_where_asked);
    tcase_add_test(tcase, refuses_what_cannot_be_signed);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
