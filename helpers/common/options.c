// SPDX-License-Identifier: Apache-2.0
#include "common/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/version.h"

static const struct option_spec built_in[] = {
    {.name = "help", .help = "Print this help."},
    {.name = "version", .help = "Print the version."},
    {0},
};

// --- Suggestions ------------------------------------------------------------------------------

/// The number of letters to change, insert, drop or swap with their neighbour.
static size_t distance(struct slice a, struct slice b) {
    enum { LONGEST = 40 };
    if (a.len > LONGEST || b.len > LONGEST) {
        return LONGEST;
    }
    size_t rows[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= a.len; i++) {
        for (size_t j = 0; j <= b.len; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = i + j;
                continue;
            }
            const bool same = a.data[i - 1] == b.data[j - 1];
            size_t best = rows[i - 1][j - 1] + (same ? 0 : 1);
            best = rows[i - 1][j] + 1 < best ? rows[i - 1][j] + 1 : best;
            best = rows[i][j - 1] + 1 < best ? rows[i][j - 1] + 1 : best;
            const bool swapped =
                i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            if (swapped && rows[i - 2][j - 2] + 1 < best) {
                best = rows[i - 2][j - 2] + 1;
            }
            rows[i][j] = best;
        }
    }
    return rows[a.len][b.len];
}

const char *options_nearest(const char *word, const char *const *candidates) {
    const struct slice typed = slice_text(word);
    const char *nearest = NULL;
    // A third of the letters may be wrong.
    size_t least = typed.len / 3 + 2;
    for (; *candidates; candidates++) {
        const size_t found = distance(typed, slice_text(*candidates));
        if (found < least && found < typed.len) {
            nearest = *candidates;
            least = found;
        }
    }
    return nearest;
}

static size_t count_specs(const struct option_spec *specs) {
    size_t count = 0;
    while (specs[count].name) {
        count++;
    }
    return count;
}

static bool unknown_option(const struct options *options, struct slice name, struct error *err) {
    const size_t count = count_specs(options->specs);
    cleanup_free const char **names = xcalloc(count + 3, sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        names[i] = options->specs[i].name;
    }
    names[count] = built_in[0].name;
    names[count + 1] = built_in[1].name;
    cleanup_free char *word = slice_copy(name);
    const char *nearest = options_nearest(word, names);
    // Half a name is that option, however long the other half is.
    for (size_t i = 0; name.len > 1 && i < count; i++) {
        if (slice_starts_with(slice_text(names[i]), name)) {
            nearest = names[i];
            break;
        }
    }
    if (!nearest) {
        return error_set(err, "usage", "unknown option --%s", word);
    }
    return error_set(err, "usage", "unknown option --%s; did you mean --%s?", word, nearest);
}

// --- Help -------------------------------------------------------------------------------------

enum { LINE_WIDTH = 80, HELP_INDENT = 26 };

/// Prints words from `column` on, with the lines after the first indented.
static void print_wrapped(const char *text, int indent) {
    int column = indent;
    struct slice rest = slice_text(text);
    struct slice word;
    while (slice_split(&rest, ' ', &word)) {
        if (column > indent && column + 1 + (int)word.len > LINE_WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%" SLICE_FORMAT, SLICE_ARGUMENTS(word));
        column += (int)word.len;
    }
    putchar('\n');
}

static void print_spec(const struct option_spec *spec) {
    const int width =
        printf("  --%s%s%s", spec->name, spec->value ? " " : "", spec->value ? spec->value : "");
    if (width > HELP_INDENT - 2) {
        printf("\n%*s", HELP_INDENT, "");
    } else {
        printf("%*s", HELP_INDENT - width, "");
    }
    print_wrapped(spec->help ? spec->help : "", HELP_INDENT);
}

void options_print_word(const char *word, const char *summary) {
    printf("  %-8s ", word);
    print_wrapped(summary, 11);
}

static void print_help(const struct options *options) {
    printf("usage: %s", options->program);
    if (options->synopsis && options->synopsis[0] != '\0') {
        printf(" %s", options->synopsis);
    }
    printf("\n\n");
    if (options->summary) {
        print_wrapped(options->summary, 0);
        printf("\n");
    }
    for (const struct option_spec *spec = options->specs; spec->name; spec++) {
        print_spec(spec);
    }
    for (const struct option_spec *spec = built_in; spec->name; spec++) {
        print_spec(spec);
    }
    if (options->print_more) {
        printf("\n");
        options->print_more();
    }
    if (options->footer) {
        printf("\n%s", options->footer);
        const struct slice footer = slice_text(options->footer);
        if (!slice_ends_with(footer, SLICE("\n"))) {
            printf("\n");
        }
    }
}

// --- Command lines ----------------------------------------------------------------------------

static const struct option_spec *find_spec(const struct option_spec *specs, struct slice name) {
    for (; specs->name; specs++) {
        if (slice_equal(name, slice_text(specs->name))) {
            return specs;
        }
    }
    return NULL;
}

static bool set_integer(const struct option_spec *spec, int64_t *target, const char *value,
                        struct error *err) {
    int64_t number = 0;
    if (!slice_parse_integer(slice_text(value), &number) || number < spec->min ||
        number > spec->max) {
        return error_set(err, "usage",
                         "--%s: expected a whole number from %lld to %lld, not \"%s\"", spec->name,
                         (long long)spec->min, (long long)spec->max, value);
    }
    *target = number;
    return true;
}

static bool apply(const struct option_spec *spec, void *arguments, const char *value,
                  struct error *err) {
    void *target = (char *)arguments + spec->offset;
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)target = true;
        return true;
    case OPTION_TEXT:
        *(const char **)target = value;
        return true;
    case OPTION_INTEGER:
        return set_integer(spec, target, value, err);
    case OPTION_CALL:
        break;
    }
    return spec->call(target, value, err) || error_prefix(err, "--%s", spec->name);
}

/// Where we are in the command line.
struct cursor {
    char *const *argv;
    int argc;
    int next;
};

/// --help or --version
static enum options_result print_answer(const struct options *options,
                                        const struct option_spec *answer, struct error *err) {
    if (answer == &built_in[0]) {
        print_help(options);
    } else {
        // The program's first word: all its commands have one version.
        const struct slice program = slice_text(options->program);
        printf("%" SLICE_FORMAT " %s\n", (int)slice_find(program, ' '), program.data,
               RUNLET_VERSION);
    }
    // An earlier write may be what failed: musl writes before we flush.
    if (fflush(stdout) != 0 || ferror(stdout)) {
        error_errno(err, errno, "cannot write to stdout");
        return OPTIONS_MISUSED;
    }
    return OPTIONS_ANSWERED;
}

static enum options_result read_option(const struct options *options, struct cursor *cursor,
                                       void *arguments, struct error *err) {
    const struct slice argument = slice_skip(slice_text(cursor->argv[cursor->next++]), 2);
    const struct slice name = slice_make(argument.data, slice_find(argument, '='));
    const char *value = name.len < argument.len ? argument.data + name.len + 1 : NULL;
    const struct option_spec *spec = find_spec(options->specs, name);
    const struct option_spec *answer = !spec ? find_spec(built_in, name) : NULL;
    if (!spec && !answer) {
        unknown_option(options, name, err);
        return OPTIONS_MISUSED;
    }
    const bool takes_value = spec && spec->value;
    if (!takes_value && value) {
        error_set(err, "usage", "--%" SLICE_FORMAT " takes no value", SLICE_ARGUMENTS(name));
        return OPTIONS_MISUSED;
    }
    if (answer) {
        return print_answer(options, answer, err);
    }
    if (takes_value && !value) {
        // The value that an unset variable leaves out must not be the next option.
        value = cursor->next < cursor->argc ? cursor->argv[cursor->next++] : "--";
        if (value[0] == '-' && value[1] == '-') {
            error_set(err, "usage", "--%s needs a value: --%s %s", spec->name, spec->name,
                      spec->value);
            return OPTIONS_MISUSED;
        }
    }
    return apply(spec, arguments, value, err) ? OPTIONS_RUN : OPTIONS_MISUSED;
}

enum options_result options_parse(const struct options *options, int argc, char *const *argv,
                                  void *arguments, struct options_operands *operands,
                                  struct error *err) {
    struct cursor cursor = {.argv = argv, .argc = argc, .next = 1};
    *operands = (struct options_operands){
        .items = xcalloc((size_t)(argc > 0 ? argc : 1), sizeof(*operands->items))};
    while (cursor.next < argc) {
        const char *argument = argv[cursor.next];
        if (!operands->has_dashes && strcmp(argument, "--") == 0) {
            operands->has_dashes = true;
            operands->after_dashes = operands->count;
            cursor.next++;
        } else if (operands->has_dashes || argument[0] != '-' || argument[1] == '\0') {
            operands->items[operands->count++] = argument;
            cursor.next++;
        } else if (argument[1] != '-') {
            error_set(err, "usage", "unknown option %s; options have two dashes and a name",
                      argument);
            return OPTIONS_MISUSED;
        } else {
            const enum options_result result = read_option(options, &cursor, arguments, err);
            if (result != OPTIONS_RUN) {
                return result;
            }
        }
    }
    if (!operands->has_dashes) {
        operands->after_dashes = operands->count;
    }
    return OPTIONS_RUN;
}

void options_operands_clean_up(struct options_operands *operands) {
    free((void *)operands->items);
    *operands = (struct options_operands){0};
}
