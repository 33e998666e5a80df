// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/credentials/accounts.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bootstrap/gitlab/job_tokens.h"
#include "bootstrap/settings/forms.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/aws/sts.h"
#include "common/cleanup.h"
#include "common/json.h"

enum { SHOWN_BYTES = 100 };

// --- Values --------------------------------------------------------------------------------------
// Each check fails with the flaw alone.

static bool flaw(struct error *err, const char *text) {
    return error_set(err, "form", "%s", text);
}

static bool is_word(struct slice text, size_t least, size_t longest, const char *more) {
    return text.len >= least && text.len <= longest && slice_is_word(text, more);
}

static bool read_external_id(struct account *account, struct slice value, struct error *err) {
    account->external_id = slice_copy(value);
    return is_word(value, 2, 1224, "_+=,.@:/-") ||
           flaw(err, "is not an external id that STS takes");
}

static bool read_role_arn(struct account *account, struct slice value, struct error *err) {
    account->role_arn = slice_copy(value);
    return form_role_arn(value, err);
}

static bool read_region(struct account *account, struct slice value, struct error *err) {
    account->region = slice_copy(value);
    return (is_word(value, 1, 63, "-") && value.data[0] != '-') ||
           flaw(err, "is not a region's name");
}

static bool read_session_name(struct account *account, struct slice value, struct error *err) {
    account->session_name = slice_copy(value);
    return is_word(value, 2, 64, "_+=,.@-") || flaw(err, "is not a session name that STS takes");
}

static bool read_id_token(struct account *account, struct slice value, struct error *err) {
    account->id_token = slice_copy(value);
    return job_tokens_is_name(value) || flaw(err, "is not a variable's name");
}

/// The members of an account that are texts.
static const struct member {
    const char *name;
    const char *form;
    bool (*read)(struct account *account, struct slice value, struct error *err);
} members[] = {
    {"role_arn", "the ARN of a role, as in arn:aws:iam::123456789012:role/deploy", read_role_arn},
    {"external_id", "2 to 1224 letters, digits and characters of _+=,.@:/-", read_external_id},
    {"region", "a region's name, as in eu-central-1", read_region},
    {"session_name", "2 to 64 letters, digits and characters of _+=,.@-", read_session_name},
    {"id_token",
     "the name of the job's variable that id_tokens: sets (not the token), as in AWS_ID_TOKEN",
     read_id_token},
};
#define MEMBER_COUNT ARRAY_LENGTH(members)
#define DURATION "duration_seconds"

// --- Map -----------------------------------------------------------------------------------------

static const struct member *find_member(struct slice name) {
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
        if (slice_equal_text(name, members[i].name)) {
            return &members[i];
        }
    }
    return NULL;
}

/// Fails with `accounts.prod.region is "x y": flaw; it must be form`.
static bool invalid(const struct json *value, struct slice text, const char *what, const char *form,
                    struct error *err) {
    cleanup_buffer struct buffer shown = BUFFER_INIT(8 * SHOWN_BYTES);
    const bool cut = text.len > SHOWN_BYTES;
    json_append_string(&shown, slice_make(text.data, cut ? SHOWN_BYTES : text.len));
    return error_set(err, "form", "%s is %s%s: it %s; it must be %s", value->path,
                     buffer_text(&shown), cut ? "..." : "", what, form);
}

static bool read_duration(struct account *account, const struct json *value, struct error *err) {
    int64_t seconds = 0;
    if (!json_as_integer(value, &seconds, err)) {
        return false;
    }
    account->duration_seconds = seconds;
    return (seconds >= STS_SHORTEST_SECONDS && seconds <= STS_LONGEST_SECONDS) ||
           error_set(err, "form",
                     "%s is %" PRId64 "; it must be %d to %d, and without id_token at most %d",
                     value->path, seconds, STS_SHORTEST_SECONDS, STS_LONGEST_SECONDS,
                     STS_LONGEST_CHAINED_SECONDS);
}

static bool read_member(struct account *account, const struct json_iterator *it,
                        struct error *err) {
    struct slice text;
    struct error what;
    if (cJSON_IsNull(it->value.node)) {
        return true;
    }
    if (slice_equal_text(it->key, DURATION)) {
        return account->duration_seconds == 0
                   ? read_duration(account, &it->value, err)
                   : error_set(err, "form", "%s is given twice", it->value.path);
    }
    const struct member *member = find_member(it->key);
    if (!member) {
        return error_set(err, "form",
                         "%s is not known; an account has role_arn, external_id, region, " DURATION
                         ", session_name and id_token",
                         it->value.path);
    }
    if (!json_as_string(&it->value, &text, err)) {
        return false;
    }
    return member->read(account, text, &what) ||
           invalid(&it->value, text, what.message, member->form, err);
}

static bool check_together(const struct account *account, struct error *err) {
    if (!account->role_arn) {
        return error_set(err, "form", "accounts.%s.role_arn is missing; it must be %s",
                         account->name, members[0].form);
    }
    if (account->id_token && account->external_id) {
        return error_set(err, "form",
                         "accounts.%s has id_token and external_id: with a token STS takes no "
                         "external id; leave one of them out",
                         account->name);
    }
    if (!account->id_token && account->duration_seconds > STS_LONGEST_CHAINED_SECONDS) {
        return error_set(
            err, "form",
            "accounts.%s.duration_seconds is %" PRId64
            ": one role's session gives another's for an hour at most; it must be %d to "
            "%d",
            account->name, account->duration_seconds, STS_SHORTEST_SECONDS,
            STS_LONGEST_CHAINED_SECONDS);
    }
    return true;
}

static bool is_given_twice(const struct json *object) {
    for (const cJSON *a = object->node->child; a; a = a->next) {
        for (const cJSON *b = a->next; b; b = b->next) {
            if (strcmp(a->string, b->string) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool read_account(struct account *account, const struct json_iterator *entry,
                         struct error *err) {
    if (!is_word(entry->key, 1, 64, "_.-") || strchr("_.-", entry->key.data[0]) ||
        slice_equal_text(entry->key, "default")) {
        return invalid(&(struct json){.path = "accounts: a name"}, entry->key,
                       "is not a name that a profile can have",
                       "1 to 64 letters, digits and characters of _.-, the first a letter or "
                       "digit, and not default",
                       err);
    }
    account->name = slice_copy(entry->key);
    if (!json_as_object(&entry->value, err)) {
        return false;
    }
    if (is_given_twice(&entry->value)) {
        return error_set(err, "form", "%s has a member twice", entry->value.path);
    }
    struct json_iterator it = {0};
    while (json_each(&entry->value, &it)) {
        if (!read_member(account, &it, err)) {
            return false;
        }
    }
    return check_together(account, err);
}

bool accounts_parse(struct slice text, struct accounts *accounts, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    if (!json_parse(text, "accounts", &document, err) || !json_as_object(&document.root, err)) {
        return error_set(err, "form", "%s", err->message);
    }
    const int count = cJSON_GetArraySize(document.root.node);
    if (count > ACCOUNTS_MOST) {
        return error_set(err, "form", "accounts: there are %d; %d is the most", count,
                         ACCOUNTS_MOST);
    }
    if (is_given_twice(&document.root)) {
        return error_set(err, "form", "accounts: one name is there twice");
    }
    accounts->list = xcalloc((size_t)count + 1, sizeof(*accounts->list));
    struct json_iterator it = {0};
    while (json_each(&document.root, &it)) {
        // Counted first, so that a half one is cleaned up too.
        if (!read_account(&accounts->list[accounts->count++], &it, err)) {
            return error_set(err, "form", "%s", err->message);
        }
    }
    return true;
}

void accounts_clean_up(struct accounts *accounts) {
    for (size_t i = 0; i < accounts->count; i++) {
        struct account *account = &accounts->list[i];
        free(account->name);
        free(account->role_arn);
        free(account->external_id);
        free(account->region);
        free(account->session_name);
        free(account->id_token);
    }
    free(accounts->list);
    *accounts = (struct accounts){0};
}

// --- Configuration file --------------------------------------------------------------------------

static void print_setting(struct buffer *out, const char *name, const char *value) {
    if (value) {
        buffer_appendf(out, "%s = %s\n", name, value);
    }
}

static void print_account(const struct account *account, const struct accounts_profile *profile,
                          struct buffer *out) {
    buffer_appendf(out, "\n[profile %s]\n", account->name);
    print_setting(out, "role_arn", account->role_arn);
    if (account->id_token) {
        buffer_appendf(out, "web_identity_token_file = %s/%s\n", profile->token_folder,
                       account->id_token);
    } else {
        print_setting(out, "credential_source", profile->credential_source);
    }
    print_setting(out, "external_id", account->external_id);
    print_setting(out, "role_session_name",
                  account->session_name ? account->session_name : profile->session_name);
    const int64_t seconds =
        account->duration_seconds > 0 ? account->duration_seconds : profile->duration_seconds;
    buffer_appendf(out, DURATION " = %" PRId64 "\n", seconds);
    print_setting(out, "region", account->region ? account->region : profile->region);
}

bool accounts_print(const struct accounts *accounts, const struct accounts_profile *profile,
                    struct buffer *out, struct error *err) {
    buffer_append_text(out, "[default]\n");
    print_setting(out, "region", profile->region);
    for (size_t i = 0; i < accounts->count; i++) {
        if (accounts->list[i].id_token || profile->credential_source) {
            print_account(&accounts->list[i], profile, out);
        }
    }
    return buffer_check(out, "the AWS configuration", err);
}

bool accounts_have_other_region(const struct accounts *accounts, const char *region) {
    for (size_t i = 0; i < accounts->count; i++) {
        const char *own = accounts->list[i].region;
        if (own && (!region || strcmp(own, region) != 0)) {
            return true;
        }
    }
    return false;
}
