// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/gitlab/job_identity.h"

#include <stdlib.h>

static int64_t read_id(const struct json *object, const char *key) {
    struct error not_sent;
    int64_t id = 0;
    return json_get_integer(object, key, &id, &not_sent) && id > 0 ? id : 0;
}

static char *read_text(const struct json *object, const char *key) {
    struct error not_sent;
    struct slice text;
    return json_get_string(object, key, &text, &not_sent) && text.len > 0 ? slice_copy(text) : NULL;
}

void job_identity_read(const struct json *answer, struct job_identity *identity) {
    struct error not_sent;
    struct json job_info;
    struct json git_info;
    identity->job_id = read_id(answer, "id");
    if (json_get_object(answer, "job_info", &job_info, &not_sent)) {
        identity->project_id = read_id(&job_info, "project_id");
        identity->pipeline_id = read_id(&job_info, "pipeline_id");
        identity->user_id = read_id(&job_info, "user_id");
        identity->project_path = read_text(&job_info, "project_full_path");
    }
    if (json_get_object(answer, "git_info", &git_info, &not_sent)) {
        identity->ref = read_text(&git_info, "ref");
        identity->ref_type = read_text(&git_info, "ref_type");
        bool protected_ref = false;
        identity->protected_ref =
            json_get_boolean(&git_info, "protected", &protected_ref, &not_sent) && protected_ref;
    }
}

void job_identity_clean_up(struct job_identity *identity) {
    free(identity->project_path);
    free(identity->ref);
    free(identity->ref_type);
    *identity = (struct job_identity){0};
}
