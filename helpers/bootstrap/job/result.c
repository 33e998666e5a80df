// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/job/result.h"

#include <stdlib.h>

#include "common/alloc.h"
#include "common/json.h"

const char *result_status_word(enum result_status status) {
    static const char *const words[] = {
        [RESULT_NO_JOB] = "no_job",         [RESULT_JOB_SUCCEEDED] = "job_succeeded",
        [RESULT_JOB_FAILED] = "job_failed", [RESULT_JOB_CANCELED] = "job_canceled",
        [RESULT_DEADLINE] = "deadline",
    };
    return words[status];
}

void result_add(struct result *result, const struct result_job *job, enum result_status status) {
    result->jobs = xreallocarray(result->jobs, result->job_count + 1, sizeof(*result->jobs));
    result->jobs[result->job_count++] = *job;
    result->status = status;
}

void result_clean_up(struct result *result) {
    for (size_t i = 0; i < result->job_count; i++) {
        free(result->jobs[i].name);
        free(result->jobs[i].failure_reason);
    }
    free(result->jobs);
    *result = (struct result){0};
}

static cJSON *job_json(const struct result_job *job) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "id", (double)job->id);
    cJSON_AddNumberToObject(json, "project_id", (double)job->project_id);
    cJSON_AddItemToObject(json, "name", json_create_string(slice_text(job->name)));
    cJSON_AddStringToObject(json, "state", job->state);
    cJSON_AddItemToObject(json, "failure_reason",
                          job->failure_reason ? json_create_string(slice_text(job->failure_reason))
                                              : cJSON_CreateNull());
    cJSON_AddItemToObject(json, "exit_code",
                          job->has_exit_code ? cJSON_CreateNumber((double)job->exit_code)
                                             : cJSON_CreateNull());
    cJSON_AddNumberToObject(json, "queued_ms", (double)job->queued_ms);
    cJSON_AddNumberToObject(json, "duration_ms", (double)job->duration_ms);
    return json;
}

bool result_print(const struct result *result, bool with_jobs, struct buffer *out,
                  struct error *err) {
    json_initialise();
    cleanup_cjson cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "status", result_status_word(result->status));
    size_t count = result->jobs ? result->job_count : 0;
    const struct result_job *last = count > 0 ? &result->jobs[count - 1] : NULL;
    cJSON_AddItemToObject(json, "job", last ? job_json(last) : cJSON_CreateNull());
    if (with_jobs) {
        cJSON *jobs = cJSON_AddArrayToObject(json, "jobs");
        for (size_t i = 0; i < count; i++) {
            cJSON_AddItemToArray(jobs, job_json(&result->jobs[i]));
        }
    }
    return json_print(json, out, err);
}
