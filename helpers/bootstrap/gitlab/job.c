// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/json_pieces.h"

/// A runner's request says what it can do: some 50 values.
enum { REQUEST_MOST_VALUES = 2000 };
/// Of one value of a job's answer that is read.
enum { PIECE_MOST_VALUES = 2000 };
static const size_t LARGEST_PIECE = (size_t)256 << 10;

// --- Answer --------------------------------------------------------------------------------------

static struct secret *read_token(const struct json *object, struct error *err) {
    struct slice token;
    if (!json_get_string(object, "token", &token, err)) {
        return NULL;
    }
    if (token.len == 0) {
        error_set(err, "json", "%s.token: must not be empty", object->path);
        return NULL;
    }
    return secret_new(token);
}

static int64_t read_queued_ms(const struct json *job_info) {
    const cJSON *seconds =
        cJSON_GetObjectItemCaseSensitive(job_info->node, "time_in_queue_seconds");
    // A number with a fraction; not sent by older GitLabs.
    if (!cJSON_IsNumber(seconds) || !(seconds->valuedouble > 0)) {
        return 0;
    }
    double milliseconds = seconds->valuedouble * 1000.0 + 0.5;
    return milliseconds < 1e15 ? (int64_t)milliseconds : 0;
}

/// Not sent by older GitLabs.
static bool knows_reason(const struct json *features, const char *reason) {
    const cJSON *reasons = cJSON_GetObjectItemCaseSensitive(features->node, "failure_reasons");
    const cJSON *known = NULL;
    cJSON_ArrayForEach(known, reasons) {
        if (cJSON_IsString(known) && strcmp(known->valuestring, reason) == 0) {
            return true;
        }
    }
    return false;
}

static bool parse_piece(struct slice text, struct json_document *document) {
    struct error left_out;
    return text.len <= LARGEST_PIECE &&
           json_parse_bounded(text, "job", PIECE_MOST_VALUES, document, &left_out);
}

/// Adds what the text says to the object, but for what cannot be read.
static void add_piece(cJSON *object, const char *name, struct slice text) {
    cleanup_json_document struct json_document document = {0};
    if (!cJSON_GetObjectItemCaseSensitive(object, name) && parse_piece(text, &document)) {
        cJSON_AddItemToObject(object, name, document.root.node);
        document.root.node = NULL;
    }
}

static const char *find_name(const char *const *names, struct slice name) {
    while (*names && !slice_equal_text(name, *names)) {
        names++;
    }
    return *names;
}

/// Of the object that the text is, adds what is `wanted`, each by itself, so that one member that
/// cannot be read costs no other.
static void add_members(cJSON *object, const char *const *wanted, struct slice text) {
    struct json_pieces members = {.text = text};
    struct json_piece member;
    while (json_pieces_next(&members, &member)) {
        const char *known = find_name(wanted, member.name);
        if (known) {
            add_piece(object, known, member.value);
        }
    }
}

static void add_object(cJSON *object, const char *name, const char *const *wanted,
                       struct slice text) {
    cJSON *added = cJSON_GetObjectItemCaseSensitive(object, name);
    add_members(added ? added : cJSON_AddObjectToObject(object, name), wanted, text);
}

/// An element of a list, to be released as any document.
static void read_element(const char *const *wanted, struct slice text,
                         struct json_document *document) {
    *document = (struct json_document){.root = {.node = cJSON_CreateObject(), .path = "job"}};
    add_members(document->root.node, wanted, text);
}

static void read_tokens(struct job *job, struct slice variables) {
    static const char *const wanted[] = {"key", "value", NULL};
    struct json_pieces elements = {.text = variables};
    struct json_piece variable;
    while (job->tokens.count < JOB_MOST_TOKENS && json_pieces_next(&elements, &variable)) {
        cleanup_json_document struct json_document document;
        read_element(wanted, variable.value, &document);
        job_tokens_add(&job->tokens, &document.root);
    }
}

static void add_dependency(struct job *job, const struct json *object) {
    struct error unused;
    struct job_dependency dependency = {0};
    struct slice token;
    if (!json_get_integer(object, "id", &dependency.id, &unused)) {
        return;
    }
    if (json_get_string(object, "token", &token, &unused) && token.len > 0) {
        digest_text(token, dependency.token_hash);
    }
    const size_t count = job->dependency_count++;
    // Twice as many at each power of two.
    if ((count & (count - 1)) == 0) {
        const size_t room = count > 0 ? 2 * count : 1;
        job->dependencies = xreallocarray(job->dependencies, room, sizeof(dependency));
    }
    job->dependencies[count] = dependency;
}

static void read_dependencies(struct job *job, struct slice dependencies) {
    static const char *const wanted[] = {"id", "token", NULL};
    struct json_pieces elements = {.text = dependencies};
    struct json_piece dependency;
    while (json_pieces_next(&elements, &dependency)) {
        cleanup_json_document struct json_document document;
        read_element(wanted, dependency.value, &document);
        add_dependency(job, &document.root);
    }
}

/// One member of the answer: into the job, or into `answer`, a small tree of what is read last.
static void read_member(struct job *job, cJSON *answer, const struct json_piece *member) {
    static const char *const values[] = {"id", "token", NULL};
    static const struct {
        const char *name;
        const char *wanted[8];
    } objects[] = {
        {"job_info",
         {"name", "project_id", "pipeline_id", "user_id", "project_full_path",
          "time_in_queue_seconds"}},
        {"git_info", {"ref", "ref_type", "protected"}},
        {"features", {"failure_reasons"}},
    };
    const char *value = find_name(values, member->name);
    if (value) {
        add_piece(answer, value, member->value);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(objects); i++) {
        if (slice_equal_text(member->name, objects[i].name)) {
            add_object(answer, objects[i].name, objects[i].wanted, member->value);
        }
    }
    if (slice_equal(member->name, SLICE("variables"))) {
        read_tokens(job, member->value);
    } else if (slice_equal(member->name, SLICE("dependencies"))) {
        read_dependencies(job, member->value);
    }
}

static void read_job_info(struct job *job, const struct json *answer) {
    struct json job_info;
    struct slice name = {0};
    struct error not_sent;
    if (json_get_object(answer, "job_info", &job_info, &not_sent)) {
        (void)json_get_string(&job_info, "name", &name, &not_sent);
        job->queued_ms = read_queued_ms(&job_info);
    }
    job->name = slice_copy(name);
}

static bool read_job(struct job *job, const struct json *answer, struct error *err) {
    struct json features;
    struct error not_sent;
    read_job_info(job, answer);
    job_identity_read(answer, &job->identity);
    job->knows_interruption = json_get_object(answer, "features", &features, &not_sent) &&
                              knows_reason(&features, "runner_interrupted");
    job->token = read_token(answer, err);
    return job->token && (job->identity.job_id > 0 ||
                          error_set(err, "json", "%s.id: must be a number above 0", answer->path));
}

/// Whether all of the answer was walked over, and says what a job has to say.
static bool is_readable(const struct job *job, const struct json_pieces *answer,
                        struct error *err) {
    if (!answer->ended) {
        return error_set(err, "json", "not JSON, from about byte %zu on", answer->at);
    }
    return job->identity.project_id > 0 ||
           error_set(err, "json", "job_info.project_id must be a number above 0");
}

struct job *job_parse(struct slice answer, bool *readable, struct error *err) {
    json_initialise();
    struct job *job = xcalloc(1, sizeof(*job));
    cleanup_cjson cJSON *tree = cJSON_CreateObject();
    struct json_pieces members = {.text = answer};
    struct json_piece member;
    while (json_pieces_next(&members, &member)) {
        read_member(job, tree, &member);
    }
    const struct json view = {.node = tree, .path = "job"};
    if (!read_job(job, &view, err)) {
        job_destroy(job);
        return NULL;
    }
    *readable = is_readable(job, &members, err);
    return job;
}

void job_destroy(struct job *job) {
    if (!job) {
        return;
    }
    free(job->dependencies);
    secret_destroy(job->token);
    free(job->name);
    job_identity_clean_up(&job->identity);
    job_tokens_clean_up(&job->tokens);
    free(job);
}

bool job_has_token(const struct job *job, struct slice token) {
    return secret_equals(job->token, token);
}

static bool has_hash(const struct job_dependency *dependency, struct slice token) {
    unsigned char hash[DIGEST_SIZE];
    digest_text(token, hash);
    return memcmp(dependency->token_hash, hash, sizeof(hash)) == 0;
}

bool job_may_download(const struct job *job, int64_t id, struct slice token) {
    if (id == job->identity.job_id) {
        return job_has_token(job, token);
    }
    for (size_t i = 0; i < job->dependency_count; i++) {
        const struct job_dependency *dependency = &job->dependencies[i];
        if (dependency->id == id) {
            return has_hash(dependency, token) || job_has_token(job, token);
        }
    }
    return false;
}

// --- Job requests ------------------------------------------------------------------------------

static cJSON *secret_node(const struct secret *secret) {
    return json_create_string(secret_expose(secret));
}

static void set_member(cJSON *object, const char *name, cJSON *value) {
    if (cJSON_HasObjectItem(object, name)) {
        // Every spelling of it: who reads it last might not care for case.
        cJSON_DeleteItemFromObject(object, name);
        set_member(object, name, value);
    } else {
        cJSON_AddItemToObject(object, name, value);
    }
}

static void remove_member(cJSON *object, const char *name) {
    while (cJSON_HasObjectItem(object, name)) {
        cJSON_DeleteItemFromObject(object, name);
    }
}

static bool same_text(const char *expected, struct slice text) {
    cleanup_secret struct secret *secret = secret_new(slice_text(expected));
    return secret_equals(secret, text);
}

bool job_request_rewrite(struct slice body, const char *placeholder, const struct secret *token,
                         const char *system_id, bool drop_last_update, struct buffer *out,
                         struct error *err) {
    cleanup_json_document struct json_document document = {0};
    struct slice given;
    if (!json_parse_bounded(body, "job request", REQUEST_MOST_VALUES, &document, err) ||
        !json_get_string(&document.root, "token", &given, err)) {
        return false;
    }
    if (!same_text(placeholder, given)) {
        return error_set(err, "forbidden", "job request: not this broker's token");
    }
    cJSON *root = document.root.node;
    set_member(root, "token", secret_node(token));
    set_member(root, "system_id", json_create_string(slice_text(system_id)));
    if (drop_last_update) {
        remove_member(root, "last_update");
    }
    return json_print(root, out, err);
}

// --- Updates -----------------------------------------------------------------------------------

static const char *known_state(struct slice state) {
    static const char *const states[] = {"running", "success", "failed"};
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        if (slice_equal_text(state, states[i])) {
            return states[i];
        }
    }
    return "";
}

bool job_update_parse(struct slice body, struct job_update *update, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    struct slice text;
    if (!json_parse_bounded(body, "update", REQUEST_MOST_VALUES, &document, err) ||
        !json_get_string(&document.root, "state", &text, err)) {
        return false;
    }
    update->state = known_state(text);
    update->final = update->state[0] == 's' || update->state[0] == 'f';
    if (json_has(&document.root, "failure_reason")) {
        if (!json_get_string(&document.root, "failure_reason", &text, err)) {
            return false;
        }
        update->failure_reason = text.len > 0 ? slice_copy(text) : NULL;
    }
    if (json_has(&document.root, "exit_code")) {
        if (!json_get_integer(&document.root, "exit_code", &update->exit_code, err)) {
            return false;
        }
        update->has_exit_code = true;
    }
    if (json_has(&document.root, "token")) {
        update->token = read_token(&document.root, err);
        return update->token != NULL;
    }
    return true;
}

void job_update_clean_up(struct job_update *update) {
    free(update->failure_reason);
    secret_destroy(update->token);
    *update = (struct job_update){0};
}

static cJSON *checksum_node(const struct job_trace *trace) {
    cleanup_free char *text = xasprintf("crc32:%08" PRIx32, trace->crc);
    return json_create_string(slice_text(text));
}

static cJSON *output_node(const struct job_trace *trace) {
    cJSON *output = cJSON_CreateObject();
    cJSON_AddItemToObject(output, "checksum", checksum_node(trace));
    cJSON_AddItemToObject(output, "bytesize", cJSON_CreateNumber((double)trace->size));
    return output;
}

void job_update_explain(struct job_update *update, const char *reason) {
    static const char *const own_ends[] = {"runner_system_failure", "runner_interrupted",
                                           "unknown_failure"};
    bool replace = !update->failure_reason;
    for (size_t i = 0; !replace && i < ARRAY_LENGTH(own_ends); i++) {
        replace = strcmp(update->failure_reason, own_ends[i]) == 0;
    }
    if (replace) {
        free(update->failure_reason);
        update->failure_reason = xstrdup(reason);
    }
}

/// Another spelling of what job_update_parse() reads, as in "State".
static bool is_misspelt(const char *name) {
    static const char *const understood[] = {
        "token", "state", "failure_reason", "exit_code", "checksum", "output",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(understood); i++) {
        if (strcasecmp(name, understood[i]) == 0) {
            return strcmp(name, understood[i]) != 0;
        }
    }
    return false;
}

static bool comes_again(const cJSON *object, const cJSON *member) {
    return cJSON_GetObjectItemCaseSensitive(object, member->string) != member;
}

/// Leaves what json_get_*() reads: the first of equal names. Few members: see REQUEST_MOST_VALUES.
static void keep_what_was_read(cJSON *object) {
    cJSON *next;
    for (cJSON *member = object->child; member; member = next) {
        next = member->next;
        if (is_misspelt(member->string) || comes_again(object, member)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(object, member));
        }
    }
}

static void fit_to_trace(const struct json *update, const struct job_trace *trace) {
    cJSON *root = update->node;
    bool had_checksum = json_has(update, "checksum");
    bool had_output = json_has(update, "output");
    remove_member(root, "checksum");
    remove_member(root, "output");
    if (trace->crc_known && had_checksum) {
        cJSON_AddItemToObject(root, "checksum", checksum_node(trace));
    }
    if (trace->crc_known && had_output) {
        cJSON_AddItemToObject(root, "output", output_node(trace));
    }
}

bool job_update_rewrite(struct slice body, const struct job_update *update,
                        const struct job_trace *trace, struct buffer *out, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    if (!json_parse_bounded(body, "update", REQUEST_MOST_VALUES, &document, err) ||
        !json_as_object(&document.root, err)) {
        return false;
    }
    cJSON *root = document.root.node;
    keep_what_was_read(root);
    if (update->failure_reason) {
        set_member(root, "failure_reason", json_create_string(slice_text(update->failure_reason)));
    }
    if (trace) {
        fit_to_trace(&document.root, trace);
    }
    return json_print(root, out, err);
}

void job_update_compose(const struct job *job, const char *state, const char *failure_reason,
                        const struct job_trace *trace, struct buffer *out) {
    json_initialise();
    cleanup_cjson cJSON *root = cJSON_CreateObject();
    cJSON_AddItemToObject(root, "token", secret_node(job->token));
    cJSON_AddItemToObject(root, "state", json_create_string(slice_text(state)));
    if (failure_reason) {
        cJSON_AddItemToObject(root, "failure_reason",
                              json_create_string(slice_text(failure_reason)));
    }
    if (trace && trace->crc_known) {
        cJSON_AddItemToObject(root, "checksum", checksum_node(trace));
        cJSON_AddItemToObject(root, "output", output_node(trace));
    }
    struct error unused;
    // Our own few fields always fit: an overflow is seen as a broken body by buffer_check().
    (void)json_print(root, out, &unused);
}
