// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "bootstrap/credentials/job_session.h"
#include "bootstrap/credentials/session_tags.h"
#include "bootstrap/gitlab/id_token.h"
#include "bootstrap/gitlab/jwt.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/encoding.h"
#include "common/log.h"
#include "scripted_server.h"

#define NOW_S 1764068400LL
#define AUDIENCE "https://runlet.example"
#define HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define GOOD_HEADER "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"one\"}"

static struct error err;
static struct fake_clock fake;
/// GitLab's key and another one.
static EVP_PKEY *our_key;
static EVP_PKEY *other_key;
static const struct job_identity identity = {.job_id = 41, .project_id = 7};
static struct scripted script[6];
static char *answers[6];
static size_t answer_count;
static struct gitlab *gitlab;
static char *server_url;
static struct id_token_verifier *verifier;

// --- Making tokens -------------------------------------------------------------------------------

static char *base64url(struct slice bytes) {
    cleanup_buffer struct buffer out = BUFFER_INIT(65536);
    encoding_append_base64(&out, bytes);
    while (out.len > 0 && out.data[out.len - 1] == '=') {
        buffer_truncate(&out, out.len - 1);
    }
    for (size_t i = 0; i < out.len; i++) {
        out.data[i] = out.data[i] == '+' ? '-' : out.data[i] == '/' ? '_' : out.data[i];
    }
    return xstrdup(buffer_text(&out));
}

static char *signed_part(const char *header, const char *claims) {
    cleanup_free char *first = base64url(slice_text(header));
    cleanup_free char *second = base64url(slice_text(claims));
    return xasprintf("%s.%s", first, second);
}

static char *with_signature(const char *part, struct slice signature) {
    cleanup_free char *third = base64url(signature);
    return xasprintf("%s.%s", part, third);
}

static char *sign_with(EVP_PKEY *key, const EVP_MD *digest, bool pss, const char *header,
                       const char *claims) {
    cleanup_free char *part = signed_part(header, claims);
    unsigned char signature[512];
    size_t size = sizeof(signature);
    EVP_PKEY_CTX *context;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(md, &context, digest, NULL, key), 1);
    if (pss) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING), 1);
    }
    ck_assert_int_eq(
        EVP_DigestSign(md, signature, &size, (const unsigned char *)part, strlen(part)), 1);
    EVP_MD_CTX_free(md);
    return with_signature(part, slice_make(signature, size));
}

static char *sign(const char *header, const char *claims) {
    return sign_with(our_key, EVP_sha256(), false, header, claims);
}

static char *number_of(EVP_PKEY *key, const char *name) {
    BIGNUM *number = NULL;
    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, name, &number), 1);
    unsigned char bytes[512];
    const int size = BN_bn2bin(number, bytes);
    BN_free(number);
    return base64url(slice_make(bytes, (size_t)size));
}

static char *jwk(EVP_PKEY *key, const char *id) {
    cleanup_free char *modulus = number_of(key, OSSL_PKEY_PARAM_RSA_N);
    cleanup_free char *exponent = number_of(key, OSSL_PKEY_PARAM_RSA_E);
    return xasprintf(
        "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":\"%s\",\"n\":\"%s\","
        "\"e\":\"%s\"}",
        id, modulus, exponent);
}

/// Claims that are good but for one, which is replaced (or left out where it is empty).
static char *claims_but(const char *name, const char *json) {
    const struct {
        const char *name;
        char *json;
    } all[] = {
        {"iss", xasprintf("\"%s\"", server_url)},
        {"aud", xstrdup("\"" AUDIENCE "\"")},
        {"exp", xasprintf("%lld", NOW_S + 600)},
        {"nbf", xasprintf("%lld", NOW_S - 5)},
        {"job_id", xstrdup("\"41\"")},
        {"project_id", xstrdup("\"7\"")},
        {"pipeline_source", xstrdup("\"push\"")},
        {"environment", xstrdup("\"production\"")},
        {"user_login", xstrdup("\"root\"")},
    };
    cleanup_buffer struct buffer out = BUFFER_INIT(4096);
    buffer_append_byte(&out, '{');
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *value = name && strcmp(all[i].name, name) == 0 ? json : all[i].json;
        if (*value) {
            buffer_appendf(&out, "%s\"%s\":%s", out.len > 1 ? "," : "", all[i].name, value);
        }
        free(all[i].json);
    }
    buffer_append_byte(&out, '}');
    return xstrdup(buffer_text(&out));
}

static char *token_but(const char *name, const char *json) {
    cleanup_free char *claims = claims_but(name, json);
    return sign(GOOD_HEADER, claims);
}

// --- GitLab --------------------------------------------------------------------------------------

static void add_answer(char *text) {
    answers[answer_count] = text;
    script[answer_count++] = (struct scripted){.answer = text, .close = true};
}

static void add_discovery(const char *issuer) {
    add_answer(xasprintf(HEAD "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/keys\"}", issuer, server_url));
}

static void add_keys(EVP_PKEY *key, const char *id) {
    cleanup_free char *text = jwk(key, id);
    add_answer(xasprintf(HEAD "{\"keys\":[%s]}", text));
}

static void set_up(void) {
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_FATAL);
    clearenv();
    fake_clock_init(&fake, NOW_S * 1000);
    our_key = EVP_RSA_gen(2048);
    other_key = EVP_RSA_gen(2048);
    answer_count = 0;
    start_server(script, sizeof(script) / sizeof(script[0]), NULL);
    server_url = xasprintf("http://127.0.0.1:%d", server.port);
    const struct gitlab_options options = {.server_url = server_url, .clock = &fake.clock};
    gitlab = gitlab_new(&options);
    const struct id_token_options id_token = {
        .gitlab = gitlab, .server_url = server_url, .audience = AUDIENCE};
    verifier = id_token_verifier_new(&id_token);
}

static void tear_down(void) {
    id_token_verifier_destroy(verifier);
    gitlab_destroy(gitlab);
    stop_server();
    while (answer_count > 0) {
        free(answers[--answer_count]);
    }
    free(server_url);
    EVP_PKEY_free(our_key);
    EVP_PKEY_free(other_key);
}

static void publish(void) {
    add_discovery(server_url);
    add_keys(our_key, "one");
}

static bool verifies(char *token) {
    cleanup_id_token_claims struct id_token_claims claims = {0};
    const bool good = id_token_verify(verifier, slice_text(token), &identity, 0, &claims, &err);
    free(token);
    return good;
}

static void is_refused(char *token, const char *code, const char *message) {
    ck_assert_msg(!verifies(token), "taken, not refused with %s", message);
    ck_assert_str_eq(err.code, code);
    ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
}

// --- Good tokens ---------------------------------------------------------------------------------

START_TEST(tells_what_a_good_token_says) {
    publish();
    cleanup_free char *token = token_but(NULL, NULL);
    cleanup_id_token_claims struct id_token_claims claims = {0};
    ck_assert_msg(id_token_verify(verifier, slice_text(token), &identity, 0, &claims, &err), "%s",
                  err.message);
    ck_assert_str_eq(claims.pipeline_source, "push");
    ck_assert_str_eq(claims.environment, "production");
    ck_assert_str_eq(claims.user_login, "root");
    cleanup_session_tags struct session_tags tags = {0};
    session_tags_add_claims(&tags, &claims);
    ck_assert_uint_eq(tags.count, 3);
    ck_assert_str_eq(tags.keys[1], "runlet:environment");
    ck_assert_str_eq(tags.tags[1].value, "production");
    ck_assert(strstr(buffer_text(&server.requests[0]), "GET /.well-known/openid-configuration ") !=
              NULL);
    ck_assert(strstr(buffer_text(&server.requests[1]), "GET /keys ") != NULL);
}
END_TEST

START_TEST(leaves_out_what_a_token_does_not_say) {
    publish();
    cleanup_free char *token = token_but("environment", "");
    cleanup_id_token_claims struct id_token_claims claims = {0};
    ck_assert(id_token_verify(verifier, slice_text(token), &identity, 0, &claims, &err));
    ck_assert_ptr_null(claims.environment);
    ck_assert_str_eq(claims.user_login, "root");
}
END_TEST

START_TEST(takes_several_audiences_and_ids_as_numbers) {
    publish();
    ck_assert(verifies(token_but("aud", "[\"x\",\"" AUDIENCE "\"]")));
    ck_assert(verifies(token_but("job_id", "41")));
    ck_assert(verifies(token_but("nbf", "")));
}
END_TEST

START_TEST(takes_the_issuer_that_gitlab_calls_itself) {
    add_discovery("https://issuer.example");
    add_keys(our_key, "one");
    ck_assert(verifies(token_but("iss", "\"https://issuer.example\"")));
    ck_assert(verifies(token_but(NULL, NULL)));
    is_refused(token_but("iss", "\"https://evil.example\""), "claims", "iss");
}
END_TEST

// --- Bad ones --------------------------------------------------------------------------------

START_TEST(refuses_what_is_not_for_us_or_this_job) {
    static const struct {
        const char *claim;
        const char *json;
    } bad[] = {
        {"iss", "\"https://evil.example\""},
        {"iss", ""},
        {"iss", "[\"x\"]"},
        {"aud", "\"https://other.example\""},
        {"aud", "\"" AUDIENCE "/\""},
        {"aud", "[\"x\",7]"},
        {"aud", "[]"},
        {"aud", ""},
        {"exp", "1764068400"},
        {"exp", "1764060000"},
        {"exp", "\"1764069000\""},
        {"exp", ""},
        {"nbf", "1764069000"},
        {"nbf", "\"now\""},
        {"job_id", "\"42\""},
        {"job_id", "\"41 \""},
        {"job_id", "null"},
        {"job_id", ""},
        {"project_id", "\"8\""},
        {"project_id", ""},
    };
    publish();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_refused(token_but(bad[i].claim, bad[i].json), "claims", bad[i].claim);
    }
    ck_assert(verifies(token_but(NULL, NULL)));
}
END_TEST

START_TEST(refuses_the_token_of_a_job_whose_id_is_not_known) {
    publish();
    cleanup_free char *token = token_but("job_id", "0");
    const struct job_identity unknown = {.project_id = 7};
    cleanup_id_token_claims struct id_token_claims claims = {0};
    ck_assert(!id_token_verify(verifier, slice_text(token), &unknown, 0, &claims, &err));
    ck_assert_ptr_null(claims.user_login);
}
END_TEST

/// HS256 with the public key, which everybody has, as the secret: a checker that lets the token
/// choose would take it.
static char *confused(const char *header) {
    cleanup_free char *claims = claims_but(NULL, NULL);
    cleanup_free char *part = signed_part(header, claims);
    cleanup_free char *key = jwk(our_key, "one");
    unsigned char digest[32];
    unsigned size = sizeof(digest);
    HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)part, strlen(part), digest,
         &size);
    return with_signature(part, slice_make(digest, size));
}

START_TEST(takes_one_algorithm_alone) {
    publish();
    cleanup_free char *claims = claims_but(NULL, NULL);
    is_refused(confused("{\"alg\":\"HS256\",\"kid\":\"one\"}"), "token", "RS256");
    is_refused(confused(GOOD_HEADER), "signature", "signature");
    cleanup_free char *unsigned_part = signed_part("{\"alg\":\"none\",\"kid\":\"one\"}", claims);
    is_refused(xasprintf("%s.AAAA", unsigned_part), "token", "RS256");
    is_refused(xasprintf("%s.", unsigned_part), "token", "three parts");
    cleanup_free char *part = signed_part(GOOD_HEADER, claims);
    is_refused(xasprintf("%s.", part), "token", "three parts");
    is_refused(xstrdup(part), "token", "three parts");
    is_refused(sign("{\"alg\":\"rs256\",\"kid\":\"one\"}", claims), "token", "RS256");
    is_refused(sign("{\"kid\":\"one\"}", claims), "token", "RS256");
    is_refused(sign_with(our_key, EVP_sha512(), false, GOOD_HEADER, claims), "signature", "");
    is_refused(sign_with(our_key, EVP_sha256(), true, GOOD_HEADER, claims), "signature", "");
}
END_TEST

START_TEST(takes_the_keys_of_gitlab_alone) {
    publish();
    cleanup_free char *claims = claims_but(NULL, NULL);
    is_refused(sign_with(other_key, EVP_sha256(), false, GOOD_HEADER, claims), "signature", "");
    cleanup_free char *own = jwk(other_key, "one");
    cleanup_free char *header =
        xasprintf("{\"alg\":\"RS256\",\"kid\":\"one\",\"jwk\":%s,\"jku\":\"http://x\"}", own);
    is_refused(sign_with(other_key, EVP_sha256(), false, header, claims), "signature", "");
    is_refused(sign("{\"alg\":\"RS256\"}", claims), "token", "kid");
    is_refused(sign("{\"alg\":\"RS256\",\"kid\":\"\"}", claims), "token", "kid");
    is_refused(sign("{\"alg\":\"RS256\",\"kid\":\"one\",\"crit\":[\"x\"]}", claims), "token",
               "crit");
}
END_TEST

START_TEST(notices_every_changed_character) {
    publish();
    cleanup_free char *token = token_but(NULL, NULL);
    ck_assert(verifies(xstrdup(token)));
    const size_t signature = (size_t)(strrchr(token, '.') - token);
    for (size_t i = 0; i < strlen(token); i++) {
        char *changed = xstrdup(token);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        // The last character's lowest bits may be of no byte.
        if (i == strlen(token) - 1 && i > signature) {
            changed[i - 1] = changed[i - 1] == 'A' ? 'B' : 'A';
        }
        ck_assert_msg(!verifies(changed), "taken with character %zu changed", i);
    }
}
END_TEST

START_TEST(refuses_what_is_no_token_without_showing_it) {
    static const char *const bad[] = {
        "",
        "hidden",
        "a.b",
        "hidden.hidden.hidden",
        "eyJhbGciOiJSUzI1NiJ9.hid den.AAAA",
        "eyJhbGciOiJSUzI1NiJ9.e30=.AAAA",
        "eyJhbGciOiJSUzI1NiJ9.e30.AAAA.",
        "eyJhbGciOiJSUzI1NiJ9.e30.A+AA",
        "W10.W10.AAAA",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_refused(xstrdup(bad[i]), "token", "");
        ck_assert_ptr_null(strstr(err.message, "hid"));
    }
    char *longer = xcalloc(1, JWT_LONGEST + 2);
    memset(longer, 'A', JWT_LONGEST + 1);
    is_refused(longer, "token", "longer");
}
END_TEST

// --- GitLab's keys -------------------------------------------------------------------------------

START_TEST(reads_keys_once_and_again_where_one_is_new) {
    publish();
    ck_assert(verifies(token_but(NULL, NULL)));
    ck_assert(verifies(token_but(NULL, NULL)));
    ck_assert_uint_eq(server.connections, 2);
    cleanup_free char *claims = claims_but(NULL, NULL);
    static const char header[] = "{\"alg\":\"RS256\",\"kid\":\"two\"}";
    // Not within a minute, whoever asks.
    is_refused(sign_with(other_key, EVP_sha256(), false, header, claims), "key", "publish");
    ck_assert_uint_eq(server.connections, 2);
    fake.now_ms += 61000;
    add_discovery(server_url);
    add_keys(other_key, "two");
    ck_assert(verifies(sign_with(other_key, EVP_sha256(), false, header, claims)));
    ck_assert_uint_eq(server.connections, 4);
    // The old one is not published any more.
    is_refused(token_but(NULL, NULL), "key", "publish");
}
END_TEST

START_TEST(keeps_a_key_that_is_withdrawn_for_an_hour_at_most) {
    publish();
    cleanup_free char *later = xasprintf("%lld", NOW_S + 7200);
    ck_assert(verifies(token_but("exp", later)));
    fake.now_ms += 3599 * 1000;
    ck_assert(verifies(token_but("exp", later)));
    ck_assert_uint_eq(server.connections, 2);
    fake.now_ms += 2 * 1000;
    add_discovery(server_url);
    add_keys(other_key, "two");
    is_refused(token_but("exp", later), "key", "publish");
    ck_assert_uint_eq(server.connections, 4);
}
END_TEST

START_TEST(finds_the_keys_without_a_discovery_document) {
    add_answer(xstrdup("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"));
    add_keys(our_key, "one");
    ck_assert(verifies(token_but(NULL, NULL)));
    ck_assert(strstr(buffer_text(&server.requests[1]), "GET /oauth/discovery/keys ") != NULL);
}
END_TEST

START_TEST(says_where_keys_cannot_be_read) {
    add_answer(xstrdup("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"));
    add_answer(xstrdup("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"));
    is_refused(token_but(NULL, NULL), "keys", "/oauth/discovery/keys: ");
    // That is not remembered.
    publish();
    ck_assert(verifies(token_but(NULL, NULL)));
}
END_TEST

/// What a good token that names this key comes to.
static bool is_signed_by(const struct jwt_keys *keys, const char *id) {
    cleanup_free char *token = token_but(NULL, NULL);
    cleanup_jwt struct jwt jwt = {0};
    ck_assert_msg(jwt_parse(slice_text(token), &jwt, &err), "%s", err.message);
    jwt.key_id = slice_text(id);
    return jwt_verify(&jwt, keys, &err);
}

START_TEST(leaves_out_keys_that_are_not_for_us) {
    EVP_PKEY *small = EVP_RSA_gen(1024);
    cleanup_free char *good = jwk(our_key, "one");
    cleanup_free char *weak = jwk(small, "weak");
    EVP_PKEY_free(small);
    cleanup_free char *sealing = jwk(our_key, "sealing");
    memcpy(strstr(sealing, "\"sig\""), "\"enc\"", 5);
    cleanup_free char *longer = jwk(our_key, "longer");
    memcpy(strstr(longer, "RS256"), "RS512", 5);
    cleanup_free char *set =
        xasprintf("{\"keys\":[%s,%s,%s,%s,7,{},{\"kty\":\"EC\",\"kid\":\"e\"},{\"kty\":\"oct\","
                  "\"kid\":\"o\",\"k\":"
                  "\"AA\"},{\"kty\":\"RSA\",\"kid\":\"bad\",\"n\":\"!\",\"e\":\"AQAB\"}]}",
                  weak, sealing, longer, good);
    cleanup_jwt_keys struct jwt_keys *keys = jwt_keys_parse(slice_text(set), &err);
    ck_assert(is_signed_by(keys, "one"));
    static const char *const others[] = {"weak", "sealing", "longer", "e", "o", "bad", ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_msg(!is_signed_by(keys, others[i]), "%s", others[i]);
        ck_assert_str_eq(err.code, "key");
    }
    ck_assert_ptr_null(jwt_keys_parse(SLICE("[]"), &err));
    ck_assert_ptr_null(jwt_keys_parse(SLICE("{\"keys\":{}}"), &err));
}
END_TEST

START_TEST(refuses_a_key_with_an_exponent_of_one) {
    cleanup_free char *modulus = number_of(our_key, OSSL_PKEY_PARAM_RSA_N);
    cleanup_free char *set = xasprintf(
        "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"one\",\"n\":\"%s\",\"e\":\"AQ\"}]}", modulus);
    cleanup_jwt_keys struct jwt_keys *keys = jwt_keys_parse(slice_text(set), &err);
    ck_assert(!is_signed_by(keys, "one"));
    ck_assert_str_eq(err.code, "key");
}
END_TEST

START_TEST(gives_up_when_it_is_told_to) {
    publish();
    cleanup_free char *token = token_but(NULL, NULL);
    cleanup_id_token_claims struct id_token_claims claims = {0};
    cleanup_close int stop = eventfd(1, EFD_CLOEXEC);
    ck_assert(!id_token_verify(verifier, slice_text(token), &identity, stop, &claims, &err));
    ck_assert_str_eq(err.code, "keys");
    ck_assert_msg(strstr(err.message, "canceled") != NULL, "%s", err.message);
}
END_TEST

// --- The job's variables -------------------------------------------------------------------------

static void read_variables(const char *variables, struct job_tokens *tokens) {
    cleanup_free char *answer = xasprintf("{\"variables\":%s}", variables);
    cleanup_json_document struct json_document document = {0};
    ck_assert(json_parse(slice_text(answer), "job", &document, &err));
    struct json list;
    struct json_iterator it = {0};
    ck_assert(json_get_array(&document.root, "variables", &list, &err));
    while (json_each(&list, &it)) {
        job_tokens_add(tokens, &it.value);
    }
}

START_TEST(finds_the_good_one_beside_a_projects_own) {
    publish();
    cleanup_free char *good = token_but(NULL, NULL);
    cleanup_free char *stolen = token_but("job_id", "\"40\"");
    cleanup_free char *variables = xasprintf("[{\"key\":\"RUNLET_ID_TOKEN\",\"value\":\"%s\"},"
                                             "{\"key\":\"RUNLET_ID_TOKEN\",\"value\":\"%s\"},"
                                             "{\"key\":\"RUNLET_ID_TOKEN\",\"value\":\"x\"}]",
                                             good, stolen);
    struct job job = {.identity = identity};
    read_variables(variables, &job.tokens);
    ck_assert_uint_eq(job.tokens.count, 2);
    cleanup_id_token_claims struct id_token_claims claims = {0};
    ck_assert(id_token_find(verifier, &job, 0, &claims));
    ck_assert_str_eq(claims.environment, "production");
    job_tokens_clean_up(&job.tokens);
}
END_TEST

START_TEST(takes_no_token_of_another_name_or_job) {
    publish();
    cleanup_free char *good = token_but(NULL, NULL);
    cleanup_free char *stolen = token_but("job_id", "\"40\"");
    cleanup_free char *variables = xasprintf("[{\"key\":\"OTHER_TOKEN\",\"value\":\"%s\"},"
                                             "{\"key\":\"RUNLET_ID_TOKEN\",\"value\":\"%s\"}]",
                                             good, stolen);
    struct job job = {.identity = identity};
    read_variables(variables, &job.tokens);
    cleanup_id_token_claims struct id_token_claims claims = {0};
    ck_assert(!id_token_find(verifier, &job, 0, &claims));
    ck_assert_ptr_null(claims.environment);
    job_tokens_clean_up(&job.tokens);
}
END_TEST

START_TEST(keeps_the_variables_that_are_tokens) {
    struct job_tokens tokens = {0};
    read_variables("[{\"key\":\"A\",\"value\":\"eyJh.e30.AAAA\"},7,{\"key\":\"B\"},"
                   "{\"key\":\"../C\",\"value\":\"eyJh.e30.AAAA\"},"
                   "{\"key\":\"D\",\"value\":\"glrt-x\"},"
                   "{\"key\":\"A\",\"value\":\"eyJh.e30.BBBB\"}]",
                   &tokens);
    ck_assert_uint_eq(tokens.count, 2);
    ck_assert(secret_equals(job_tokens_find(&tokens, "A"), SLICE("eyJh.e30.BBBB")));
    ck_assert_ptr_null(job_tokens_find(&tokens, "D"));
    job_tokens_clean_up(&tokens);
}
END_TEST

// --- The session ---------------------------------------------------------------------------------

static char *assumed(const char *expires) {
    return xasprintf(
        HEAD "{\"AssumeRoleResponse\":{\"AssumeRoleResult\":{\"Credentials\":{\"AccessKeyId\":"
             "\"ASIA\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"%s\"},"
             "\"AssumedRoleUser\":{\"AssumedRoleId\":\"AROA:x\",\"Arn\":\"arn:aws:sts::1:x\"}}}}",
        expires);
}

START_TEST(tags_the_session_with_what_a_good_token_says) {
    publish();
    add_answer(assumed("2025-11-25T12:00:00Z"));
    add_answer(assumed("2025-11-25T13:00:00Z"));
    cleanup_aws_credentials struct aws_credentials keys = {
        .access_key = xstrdup("ASIAFUNCTION"),
        .secret_key = secret_new(SLICE("function-secret")),
    };
    setenv("AWS_ENDPOINT_URL", server_url, 1);
    const struct function_aws_options function = {
        .credentials = &keys, .region = "eu-central-1", .clock = &fake.clock};
    struct function_aws *aws = function_aws_new(&function);
    const struct job_session_options options = {.aws = aws,
                                                .role_arn = "arn:aws:iam::123456789012:role/job",
                                                .identity = true,
                                                .verifier = verifier,
                                                .clock = &fake.clock,
                                                .deadline_ms = (NOW_S + 5400) * 1000};
    struct job_session *session = job_session_new(&options);
    cleanup_free char *good = token_but(NULL, NULL);
    cleanup_free char *variables =
        xasprintf("[{\"key\":\"RUNLET_ID_TOKEN\",\"value\":\"%s\"}]", good);
    struct job job = {.identity = identity};
    read_variables(variables, &job.tokens);
    // The token is over when the session is renewed, but what it said still holds.
    for (size_t i = 2; i < 4; i++) {
        cleanup_buffer struct buffer out = BUFFER_INIT(4096);
        ck_assert_msg(job_session_print(session, &job, 0, &out, &err), "%s", err.message);
        const char *request = buffer_text(&server.requests[i]);
        ck_assert(strstr(request, ".Key=runlet%3Aenvironment&") != NULL);
        ck_assert(strstr(request, ".Value=production&") != NULL);
        ck_assert(strstr(request, ".Value=root&") != NULL);
        fake.now_ms += 3500000;
    }
    job_tokens_clean_up(&job.tokens);
    job_session_destroyp(&session);
    function_aws_destroy(aws);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("id_token");
    TCase *tests = tcase_create("id_token");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, tells_what_a_good_token_says);
    tcase_add_test(tests, leaves_out_what_a_token_does_not_say);
    tcase_add_test(tests, takes_several_audiences_and_ids_as_numbers);
    tcase_add_test(tests, takes_the_issuer_that_gitlab_calls_itself);
    tcase_add_test(tests, refuses_what_is_not_for_us_or_this_job);
    tcase_add_test(tests, refuses_the_token_of_a_job_whose_id_is_not_known);
    tcase_add_test(tests, gives_up_when_it_is_told_to);
    tcase_add_test(tests, takes_one_algorithm_alone);
    tcase_add_test(tests, takes_the_keys_of_gitlab_alone);
    tcase_add_test(tests, notices_every_changed_character);
    tcase_add_test(tests, refuses_what_is_no_token_without_showing_it);
    tcase_add_test(tests, reads_keys_once_and_again_where_one_is_new);
    tcase_add_test(tests, keeps_a_key_that_is_withdrawn_for_an_hour_at_most);
    tcase_add_test(tests, finds_the_keys_without_a_discovery_document);
    tcase_add_test(tests, says_where_keys_cannot_be_read);
    tcase_add_test(tests, leaves_out_keys_that_are_not_for_us);
    tcase_add_test(tests, refuses_a_key_with_an_exponent_of_one);
    tcase_add_test(tests, finds_the_good_one_beside_a_projects_own);
    tcase_add_test(tests, takes_no_token_of_another_name_or_job);
    tcase_add_test(tests, keeps_the_variables_that_are_tokens);
    tcase_add_test(tests, tags_the_session_with_what_a_good_token_says);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
