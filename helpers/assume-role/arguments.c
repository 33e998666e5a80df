// SPDX-License-Identifier: Apache-2.0
#include "assume-role/arguments.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/cleanup.h"

void arguments_clean_up(struct arguments *arguments) {
    hops_clean_up(&arguments->hops);
    free((void *)arguments->command);
    free((void *)arguments->spread);
    *arguments = (struct arguments){0};
}

// --- Options of a hop -------------------------------------------------------------------------

static bool set_role_arn(void *context, const char *value, struct error *err) {
    (void)err;
    hops_add(context, value);
    return true;
}

static bool set_session_name(void *context, const char *value, struct error *err) {
    struct hop *hop = hops_last(context, err);
    return hop && (hop->assume.session_name = value);
}

static bool set_external_id(void *context, const char *value, struct error *err) {
    struct hop *hop = hops_last(context, err);
    return hop && (hop->assume.external_id = value);
}

static bool set_source_identity(void *context, const char *value, struct error *err) {
    struct hop *hop = hops_last(context, err);
    return hop && (hop->assume.source_identity = value);
}

static bool set_token_file(void *context, const char *value, struct error *err) {
    struct hop *hop = hops_last(context, err);
    return hop && (hop->token_file = value);
}

static bool set_token_env(void *context, const char *value, struct error *err) {
    struct hop *hop = hops_last(context, err);
    return hop && (hop->token_env = value);
}

static bool set_duration(void *context, const char *value, struct error *err) {
    return hops_set_duration(context, value, err);
}

static bool set_policy(void *context, const char *value, struct error *err) {
    return hops_set_policy(context, value, err);
}

static bool add_policy_arns(void *context, const char *value, struct error *err) {
    return hops_add_policy_arns(context, value, err);
}

static bool add_tags(void *context, const char *value, struct error *err) {
    return hops_add_tags(context, value, err);
}

static bool add_transitive_keys(void *context, const char *value, struct error *err) {
    return hops_add_transitive_keys(context, value, err);
}

// --- The table
// ------------------------------------------------------------------------------------

/// Its target is all of the arguments.
static bool set_format(void *target, const char *value, struct error *err) {
    struct arguments *arguments = target;
    arguments->has_format = true;
    return print_parse_format(value, &arguments->format, err);
}

static const struct option_spec specs[] = {
    {.name = "role-arn",
     .value = "ARN",
     .help = "A role to assume.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = set_role_arn},
    {.name = "role-session-name",
     .value = "NAME",
     .help = "The session's name; by default runlet-<project>-<job> in a GitLab job.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = set_session_name},
    {.name = "external-id",
     .value = "ID",
     .help = "What the role's trust policy asks for.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = set_external_id},
    {.name = "duration-seconds",
     .value = "N",
     .help = "900 to 43200; a role assumed with another role's session gets 3600 at most.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = set_duration},
    {.name = "policy",
     .value = "JSON",
     .help = "A session policy, or file://PATH of one.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = set_policy},
    {.name = "policy-arns",
     .value = "arn=ARN...",
     .help = "Managed session policies.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = add_policy_arns},
    {.name = "tags",
     .value = "Key=K,Value=V...",
     .help = "Session tags.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = add_tags},
    {.name = "transitive-tag-keys",
     .value = "KEY...",
     .help = "Tags that also stand at the hops that follow.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = add_transitive_keys},
    {.name = "source-identity",
     .value = "NAME",
     .help = "Who is behind the session.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = set_source_identity},
    {.name = "web-identity-token-file",
     .value = "FILE",
     .help = "Assume the first role with this OIDC token instead of keys.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = set_token_file},
    {.name = "web-identity-token-env",
     .value = "NAME",
     .help = "The same with a variable's content, such as GitLab's id_tokens give.",
     .kind = OPTION_CALL,
     .offset = offsetof(struct arguments, hops),
     .call = set_token_env},
    {.name = "profile",
     .value = "NAME",
     .help = "Start from this profile's credentials, whatever keys the environment has.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct arguments, profile)},
    {.name = "region",
     .value = "REGION",
     .help = "Whose STS is called.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct arguments, region)},
    {.name = "endpoint-url",
     .value = "URL",
     .help = "Call this instead.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct arguments, endpoint_url)},
    {.name = "format",
     .value = "FORMAT",
     .help = "process, env, json or terragrunt.",
     .kind = OPTION_CALL,
     .call = set_format},
    {.name = "check",
     .help = "Say who one is then, and until when; without --role-arn, who one is now.",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct arguments, check)},
    {.name = "no-cache",
     .help = "Neither take the session from the cache nor keep it there.",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct arguments, no_cache)},
    {.name = "debug",
     .help = "Tell on stderr what is called, without secrets.",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct arguments, debug)},
    {0},
};

static const char footer[] =
    "A role's options follow its --role-arn; the next --role-arn is assumed with the\n"
    "session of the one before. Without a command the session is printed:\n"
    "  process      for credential_process in a profile (this is the default)\n"
    "  env          for eval in a shell\n"
    "  json         as `aws sts assume-role` prints it\n"
    "  terragrunt   for terragrunt's --auth-provider-cmd\n"
    "\n"
    "Exit codes: 0; 2 where it is misused; 1 for anything else. With a command, the\n"
    "command's own, or 127 and 126 where it is not found or cannot be run.\n";

static const struct options options = {
    .program = "assume-role",
    .synopsis = "--role-arn ARN [OPTIONS] [--role-arn ARN...] [-- COMMAND...]",
    .summary = "Assumes AWS roles, one after another, and prints the last one's session or "
               "runs a command with it.",
    .specs = specs,
    .footer = footer,
};

// --- Lists ------------------------------------------------------------------------------------

/// Tells whether the word is an option whose values may follow it as words of their own.
static bool is_list(const char *word) {
    for (const struct option_spec *spec = specs; spec->name; spec++) {
        if (spec->value && slice_ends_with(slice_text(spec->value), SLICE("...")) &&
            strcmp(word + 2, spec->name) == 0) {
            return true;
        }
    }
    return false;
}

/// `--tags A B` becomes `--tags A --tags B`: the aws CLI's lists take words up to the next option.
static char **spread_lists(int argc, char **argv, int *count) {
    char **spread = xcalloc(2 * (size_t)argc + 2, sizeof(*spread));
    int next = 0;
    char *list = NULL;
    bool first = false;
    int i = 0;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (i > 0 && argv[i][0] == '-' && argv[i][1] == '-') {
            list = is_list(argv[i]) ? argv[i] : NULL;
            first = true;
        } else if (list) {
            if (!first) {
                spread[next++] = list;
            }
            first = false;
        }
        spread[next++] = argv[i];
    }
    for (; i < argc; i++) {
        spread[next++] = argv[i];
    }
    *count = next;
    return spread;
}

// --- All of it --------------------------------------------------------------------------------

static bool check_whole(const struct arguments *arguments, const struct options_operands *operands,
                        struct error *err) {
    if (operands->after_dashes > 0) {
        return error_set(err, "usage", "unexpected \"%s\"; a command stands after --",
                         operands->items[0]);
    }
    if (operands->has_dashes && operands->count == 0) {
        return error_set(err, "usage", "there is no command after --");
    }
    if (arguments->hops.count == 0 && !arguments->check) {
        return error_set(err, "usage", "which role? Give --role-arn ARN%s",
                         arguments->profile
                             ? "; the profile says whose keys to start from (what it gives by "
                               "itself, the SDKs take by AWS_PROFILE)"
                             : "");
    }
    if (arguments->check && operands->has_dashes) {
        return error_set(err, "usage", "--check runs no command");
    }
    if (arguments->has_format && operands->has_dashes) {
        return error_set(err, "usage",
                         "--format is for output, but a command gets its keys by its environment");
    }
    if (arguments->check && arguments->has_format && arguments->format != PRINT_JSON) {
        return error_set(err, "usage", "--check answers as text, or with --format json");
    }
    return true;
}

static bool finish(struct arguments *arguments, const struct options_operands *operands,
                   struct error *err) {
    if (!check_whole(arguments, operands, err)) {
        return false;
    }
    if (operands->has_dashes) {
        arguments->command = xcalloc(operands->count + 1, sizeof(*arguments->command));
        for (size_t i = 0; i < operands->count; i++) {
            arguments->command[i] = (char *)operands->items[i];
        }
    }
    return hops_finish(&arguments->hops, err);
}

enum options_result arguments_parse(int argc, char **argv, struct arguments *arguments,
                                    struct error *err) {
    *arguments = (struct arguments){0};
    int count = 0;
    arguments->spread = spread_lists(argc, argv, &count);
    cleanup_options_operands struct options_operands operands = {0};
    const enum options_result result =
        options_parse(&options, count, arguments->spread, arguments, &operands, err);
    if (result != OPTIONS_RUN) {
        return result;
    }
    return finish(arguments, &operands, err) ? OPTIONS_RUN : OPTIONS_MISUSED;
}
