// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/settings/runner_args.h"

#include <ctype.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/json.h"

enum { MAX_ARGUMENTS = 100 };
/// gitlab-runner's --output-limit where none is given, in KB as there, and what nobody means.
enum { OUTPUT_LIMIT_KB = 4096, MOST_OUTPUT_KB = 1 << 30 };

static const struct {
    const char *spelling;
    const char *reason;
} refused_options[] = {
    {"--url", "the runner must talk to the broker"},
    {"-u", "the runner must talk to the broker"},
    {"--token", "the runner token stays in the bootstrap"},
    {"-t", "the runner token stays in the bootstrap"},
    {"--registration-token", "the runner token stays in the bootstrap"},
    {"--executor", "jobs run in the shell executor"},
    {"--builds-dir", "the workspace is made anew for each job"},
    {"--cache-dir", "the workspace is made anew for each job"},
    {"--config", "a configuration file would replace the broker's address"},
    {"-c", "a configuration file would replace the broker's address"},
    {"--runner", "a configuration file would replace the broker's address"},
    {"-r", "a configuration file would replace the broker's address"},
    {"--max-builds", "RUNLET_MAX_JOBS says how many jobs an invocation runs"},
    {"--shutdown-timeout", "gitlab-runner panics on it"},
};
#define REFUSED_COUNT ARRAY_LENGTH(refused_options)

/// Longer names that begin with the letter of a refused short option, so that `-uVALUE`, which
/// Go does not take but another parser might, is told from them.
static const char *const longer_names[] = {
    "tls-", "token-", "unhealthy-", "clone-", "cache-", "custom", "clean-", "request-", "rollback-",
};

static bool is_longer_name(struct slice name) {
    for (size_t i = 0; i < ARRAY_LENGTH(longer_names); i++) {
        if (slice_starts_with(name, slice_text(longer_names[i]))) {
            return true;
        }
    }
    return false;
}

/// The index of the refused option that the argument spells, or REFUSED_COUNT.
static size_t find_refused(struct slice argument) {
    // Blanks in front would make it an operand, but nobody means that.
    struct slice text = slice_trim(argument);
    struct slice name = text;
    while (name.len > 0 && name.data[0] == '-') {
        name = slice_skip(name, 1);
    }
    size_t dashes = text.len - name.len;
    if (dashes == 0) {
        return REFUSED_COUNT;
    }
    name.len = slice_find(name, '=');
    struct slice word = name;
    for (word.len = 0; word.len < name.len && !isspace((unsigned char)name.data[word.len]);) {
        word.len++;
    }
    for (size_t i = 0; i < REFUSED_COUNT; i++) {
        struct slice candidate = slice_text(refused_options[i].spelling);
        candidate = slice_skip(candidate, candidate.len == 2 ? 1 : 2);
        bool glued = dashes == 1 && candidate.len == 1 && slice_starts_with(word, candidate) &&
                     !is_longer_name(word);
        if (slice_equal_ignoring_case(word, candidate) || glued) {
            return i;
        }
    }
    return REFUSED_COUNT;
}

static bool copy_arguments(const struct json *array, char **args, struct error *err) {
    size_t count = 0;
    struct json_iterator it = {0};
    while (json_each(array, &it)) {
        struct slice argument;
        if (!json_as_string(&it.value, &argument, err)) {
            return false;
        }
        const size_t refused = find_refused(argument);
        if (refused < REFUSED_COUNT) {
            return error_set(err, "refused", "contains %s, which is refused: %s",
                             refused_options[refused].spelling, refused_options[refused].reason);
        }
        if (argument.len == 0) {
            return error_set(err, "empty", "element %zu is empty", it.index);
        }
        if (count == MAX_ARGUMENTS) {
            return error_set(err, "too_large", "has more than %d elements", MAX_ARGUMENTS);
        }
        args[count++] = slice_copy(argument);
    }
    return true;
}

char **runner_args_parse(struct slice text, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    if (!json_parse(text, "the value", &document, err) || !json_as_array(&document.root, err)) {
        return NULL;
    }
    char **args = xcalloc(MAX_ARGUMENTS + 1, sizeof(*args));
    if (!copy_arguments(&document.root, args, err)) {
        runner_args_destroy(args);
        return NULL;
    }
    return args;
}

void runner_args_destroy(char **args) {
    for (char **arg = args; arg && *arg; arg++) {
        free(*arg);
    }
    free(args);
}

/// The value that `*args` gives this option, in it or in the next argument; empty: it does not.
static struct slice option_value(char *const *args, struct slice option) {
    struct slice text = slice_text(*args);
    while (slice_starts_with(text, SLICE("-"))) {
        text = slice_skip(text, 1);
    }
    if (!slice_starts_with(text, option)) {
        return (struct slice){0};
    }
    struct slice rest = slice_skip(text, option.len);
    if (slice_starts_with(rest, SLICE("="))) {
        return slice_skip(rest, 1);
    }
    return rest.len == 0 && args[1] ? slice_text(args[1]) : (struct slice){0};
}

int64_t runner_args_output_limit(char *const *args) {
    int64_t limit_kb = OUTPUT_LIMIT_KB;
    for (; args && *args; args++) {
        int64_t value;
        const struct slice text = option_value(args, SLICE("output-limit"));
        if (slice_parse_integer(text, &value) && value > 0 && value < MOST_OUTPUT_KB) {
            limit_kb = value;
        }
    }
    return limit_kb * 1024;
}
