// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/options.h"
#include "common/system/files.h"
#include "common/version.h"

static struct error err;
static struct {
    bool json;
    const char *output;
    int64_t level;
    char seen[100];
} arguments;
#define OFFSET(member) offsetof(typeof(arguments), member)

static bool note(void *target, const char *value, struct error *failure) {
    char *text = target;
    if (strcmp(value, "bad") == 0) {
        return error_set(failure, "usage", "is bad");
    }
    const size_t length = strlen(text);
    (void)snprintf(text + length, sizeof(arguments.seen) - length, "%s,", value);
    return true;
}

static const struct option_spec specs[] = {
    {.name = "output",
     .value = "FILE",
     .help = "Where it goes.",
     .kind = OPTION_TEXT,
     .offset = OFFSET(output)},
    {.name = "level",
     .value = "1-12",
     .help = "How hard to try, in more words than fit in what "
             "is left of one line of the terminal.",
     .kind = OPTION_INTEGER,
     .offset = OFFSET(level),
     .min = 1,
     .max = 12},
    {.name = "json", .help = "As JSON.", .kind = OPTION_FLAG, .offset = OFFSET(json)},
    {.name = "a-tag-with-a-long-name",
     .value = "KEY=VALUE",
     .help = "A tag.",
     .kind = OPTION_CALL,
     .offset = OFFSET(seen),
     .call = note},
    {0},
};

static const struct options options = {
    .program = "packer pack",
    .synopsis = "--output FILE SOURCE...",
    .summary = "Packs.",
    .specs = specs,
    .footer = "See the README.",
};

static enum options_result parse(struct options_operands *operands, const char *const *words) {
    static char *argv[20];
    int argc = 0;
    argv[argc++] = "pack";
    for (; *words != NULL; words++) {
        memcpy(&argv[argc++], words, sizeof(*words));
    }
    memset(&arguments, 0, sizeof(arguments));
    return options_parse(&options, argc, argv, &arguments, operands, &err);
}
#define PARSE(operands, ...) parse(operands, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(reads_options_and_operands_in_any_order) {
    cleanup_options_operands struct options_operands operands;
    ck_assert_int_eq(PARSE(&operands, "a", "--output", "x", "--json", "-", "--level=7", "b",
                           "--a-tag-with-a-long-name", "k=v", "--output=y=z",
                           "--a-tag-with-a-long-name=q", "--", "--json", "--"),
                     OPTIONS_RUN);
    ck_assert_str_eq(arguments.output, "y=z"); // The last one holds.
    ck_assert(arguments.json);
    ck_assert_int_eq(arguments.level, 7);
    ck_assert_str_eq(arguments.seen, "k=v,q,");
    ck_assert_uint_eq(operands.count, 5);
    ck_assert_str_eq(operands.items[0], "a");
    ck_assert_str_eq(operands.items[1], "-");
    ck_assert_str_eq(operands.items[2], "b");
    ck_assert(operands.has_dashes);
    ck_assert_uint_eq(operands.after_dashes, 3);
    ck_assert_str_eq(operands.items[3], "--json");
    ck_assert_str_eq(operands.items[4], "--");
}
END_TEST

START_TEST(says_what_is_wrong) {
    static const char *const cases[][4] = {
        {"unknown option --outptu; did you mean --output?", "--outptu", "x", NULL},
        {"unknown option --hepl; did you mean --help?", "--hepl", NULL, NULL},
        {"unknown option --frobnicate", "--frobnicate", NULL, NULL},
        {"unknown option -o; options have two dashes and a name", "-o", NULL, NULL},
        {"--output needs a value: --output FILE", "--output", NULL, NULL},
        {"--output needs a value: --output FILE", "--output", "--json", NULL},
        {"--output needs a value: --output FILE", "--output", "--", NULL},
        {"unknown option --a-tag; did you mean --a-tag-with-a-long-name?", "--a-tag", NULL, NULL},
        {"--json takes no value", "--json=yes", NULL, NULL},
        {"--help takes no value", "--help=yes", NULL, NULL},
        {"--level: expected a whole number from 1 to 12, not \"13\"", "--level", "13", NULL},
        {"--level: expected a whole number from 1 to 12, not \"\"", "--level=", NULL, NULL},
        {"--a-tag-with-a-long-name: is bad", "--a-tag-with-a-long-name", "bad", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cleanup_options_operands struct options_operands operands;
        ck_assert_int_eq(parse(&operands, &cases[i][1]), OPTIONS_MISUSED);
        ck_assert_str_eq(err.message, cases[i][0]);
    }
}
END_TEST

/// What the call writes to stdout.
static char *answer_to(const char *argument) {
    fflush(stdout);
    char path[] = "/tmp/test_options.XXXXXX";
    cleanup_close int fd = mkstemp(path);
    cleanup_close int before = dup(STDOUT_FILENO);
    ck_assert_int_ge(dup2(fd, STDOUT_FILENO), 0);
    cleanup_options_operands struct options_operands operands;
    const enum options_result result = PARSE(&operands, argument, "--no-such-option");
    fflush(stdout);
    ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
    ck_assert_int_eq(result, OPTIONS_ANSWERED);
    cleanup_buffer struct buffer text = BUFFER_INIT(10000);
    ck_assert(files_read(path, &text, &err));
    ck_assert_int_eq(unlink(path), 0);
    return slice_copy(buffer_slice(&text));
}

START_TEST(answers_help_and_version) {
    cleanup_free char *version = answer_to("--version");
    ck_assert_str_eq(version, "packer " RUNLET_VERSION "\n");
    cleanup_free char *help = answer_to("--help");
    ck_assert_str_eq(help, "usage: packer pack --output FILE SOURCE...\n"
                           "\n"
                           "Packs.\n"
                           "\n"
                           "  --output FILE           Where it goes.\n"
                           "  --level 1-12            How hard to try, in more words than fit in "
                           "what is\n"
                           "                          left of one line of the terminal.\n"
                           "  --json                  As JSON.\n"
                           "  --a-tag-with-a-long-name KEY=VALUE\n"
                           "                          A tag.\n"
                           "  --help                  Print this help.\n"
                           "  --version               Print the version.\n"
                           "\n"
                           "See the README.\n");
}
END_TEST

START_TEST(finds_the_nearest_word) {
    const char *const commands[] = {"pack", "verify", "list", "sign", "fetch", NULL};
    ck_assert_str_eq(options_nearest("pakc", commands), "pack");
    ck_assert_str_eq(options_nearest("verfiy", commands), "verify");
    ck_assert_ptr_null(options_nearest("x", commands));
    ck_assert_ptr_null(options_nearest("", commands));
    ck_assert_ptr_null(
        options_nearest("something-else-entirely-and-much-longer-than-that", commands));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("options");
    tcase_add_test(tcase, reads_options_and_operands_in_any_order);
    tcase_add_test(tcase, says_what_is_wrong);
    tcase_add_test(tcase, answers_help_and_version);
    tcase_add_test(tcase, finds_the_nearest_word);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
