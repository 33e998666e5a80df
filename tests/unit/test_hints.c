// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "assume-role/hints.h"

static const char *hint(const char *code, const char *message, const struct sts_assume *assume) {
    struct error err;
    error_set(&err, code, "sts AssumeRole: %s: %s (status 403)", code, message);
    return hints_for(&err, assume);
}

START_TEST(tells_what_to_do_about_a_refusal) {
    static const struct {
        const char *code;
        const char *message;
        const char *hint;
    } cases[] = {
        {"AccessDenied", "with an explicit deny in a service control policy", "an organization's"},
        {"AccessDenied", "is not authorized to perform: sts:TagSession", "must allow sts:TagSess"},
        {"AccessDenied", "is not authorized to perform: sts:SetSourceIdentity", "sts:SetSourceId"},
        {"AccessDenied", "perform sts:AssumeRoleWithWebIdentity", "the token's aud and sub"},
        {"AccessDenied", "no identity-based policy allows it", "the caller's own policy does not"},
        {"ExpiredToken", "The security token is expired", "get new ones"},
        {"InvalidIdentityToken", "The ID Token provided is not a valid JWT.", "not an OIDC token"},
        {"InvalidIdentityToken", "Incorrect token audience", "lists the token's audience"},
        {"ValidationError", "the 1 hour session limit for roles assumed by role chaining", "3600"},
        {"ValidationError", "exceeds the MaxSessionDuration", "maximum session duration"},
        {"RegionDisabledException", "", "give another --region"},
        {"certificate", "SSL certificate problem: self-signed certificate", "in AWS_CA_BUNDLE"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *given = hint(cases[i].code, cases[i].message, NULL);
        ck_assert_msg(given != NULL && strstr(given, cases[i].hint) != NULL, "%s: %s: %s",
                      cases[i].code, cases[i].message, given != NULL ? given : "no hint");
    }
}
END_TEST

START_TEST(asks_for_an_external_id_only_where_none_was_given) {
    const struct sts_assume without = {.role_arn = "x"};
    const struct sts_assume with = {.role_arn = "x", .external_id = "id"};
    ck_assert_ptr_nonnull(strstr(hint("AccessDenied", "no", &without), "give --external-id"));
    ck_assert_ptr_nonnull(strstr(hint("AccessDenied", "no", &with), "with just this external id"));
}
END_TEST

START_TEST(says_nothing_where_the_cause_cannot_be_told) {
    ck_assert_ptr_null(hint("AccessDenied", "no", NULL));
    ck_assert_ptr_null(hint("ValidationError", "1 validation error detected", NULL));
    ck_assert_ptr_null(hint("certificate", "cannot read the CA certificates in x", NULL));
    ck_assert_ptr_null(hint("timeout", "", NULL));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hints");
    TCase *tcase = tcase_create("hints");
    tcase_add_test(tcase, tells_what_to_do_about_a_refusal);
    tcase_add_test(tcase, asks_for_an_external_id_only_where_none_was_given);
    tcase_add_test(tcase, says_nothing_where_the_cause_cannot_be_told);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
