// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/recipe.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/options.h"
#include "common/system/files.h"

enum { MAX_RECIPE = 1024 * 1024, MAX_TEXT = 8192 };

void recipe_clean_up(struct recipe *recipe) {
    for (size_t i = 0; i < recipe->count; i++) {
        struct recipe_file *file = &recipe->files[i];
        free(file->path);
        free(file->source);
        free(file->link);
        free(file->url);
        free(file->sha256);
        free(file->member);
    }
    free(recipe->files);
    free(recipe->name);
    free(recipe->version);
    *recipe = (struct recipe){0};
}

/// What a recipe is read with.
struct reader {
    const char *folder;
    const char *version;
    enum arch arch;
};

// --- Texts ------------------------------------------------------------------------------------

/// Appends what a placeholder stands for.
static bool append_value(const struct reader *reader, struct slice name, const char *where,
                         struct buffer *out, struct error *err) {
    if (slice_equal_text(name, "version")) {
        (void)buffer_append_text(out, reader->version);
        return true;
    }
    const bool go = slice_equal_text(name, "goarch");
    if (!go && !slice_equal_text(name, "arch")) {
        return error_set(err, "recipe",
                         "%s: unknown placeholder {%" SLICE_FORMAT
                         "}: must be {version}, {arch} or {goarch}",
                         where, SLICE_ARGUMENTS(name));
    }
    if (reader->arch == ARCH_NONE) {
        return error_set(err, "usage", "%s depends on the architecture: say which with --arch",
                         where);
    }
    (void)buffer_append_text(out,
                             go && reader->arch == ARCH_X86_64 ? "amd64" : arch_name(reader->arch));
    return true;
}

/// The text at `key` with its placeholders replaced; to be released with free(). NULL on failure.
static char *read_text(const struct reader *reader, const struct json *object, const char *key,
                       struct error *err) {
    struct slice text;
    if (!json_get_string(object, key, &text, err)) {
        return NULL;
    }
    cleanup_free char *where = xasprintf("%s.%s", object->path, key);
    cleanup_buffer struct buffer out = BUFFER_INIT(MAX_TEXT);
    while (text.len > 0) {
        const size_t open = slice_find(text, '{');
        (void)buffer_append(&out, slice_make(text.data, open));
        text = slice_skip(text, open);
        if (text.len == 0) {
            break;
        }
        const size_t close = slice_find(text, '}');
        if (close == text.len) {
            error_set(err, "recipe", "%s: a \"{\" without its \"}\"", where);
            return NULL;
        }
        if (!append_value(reader, slice_make(text.data + 1, close - 1), where, &out, err)) {
            return NULL;
        }
        text = slice_skip(text, close + 1);
    }
    if (!buffer_check(&out, where, err)) {
        return NULL;
    }
    if (out.len == 0) {
        error_set(err, "recipe", "%s: is empty", where);
        return NULL;
    }
    return xstrdup(buffer_text(&out));
}

/// Refuses members that are not in `known`.
static bool check_members(const struct json *object, const char *const *known, struct error *err) {
    struct json_iterator member = {0};
    while (json_each(object, &member)) {
        bool found = false;
        for (size_t i = 0; known[i]; i++) {
            found = found || slice_equal_text(member.key, known[i]);
        }
        if (found) {
            continue;
        }
        cleanup_free char *key = slice_copy(member.key);
        const char *nearest = options_nearest(key, known);
        return nearest ? error_set(err, "recipe", "%s: unknown member \"%s\"; did you mean \"%s\"?",
                                   object->path, key, nearest)
                       : error_set(err, "recipe", "%s: unknown member \"%s\"", object->path, key);
    }
    return true;
}

// --- Files ------------------------------------------------------------------------------------

static bool read_mode(const struct json *object, struct recipe_file *file, struct error *err) {
    struct slice text;
    file->has_mode = json_has(object, "mode");
    if (!file->has_mode) {
        return true;
    }
    if (!json_get_string(object, "mode", &text, err)) {
        return false;
    }
    bool good = text.len == 3 || (text.len == 4 && text.data[0] == '0');
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '7';
        file->mode = file->mode * 8 + (mode_t)(text.data[i] - '0');
    }
    return good ||
           error_set(err, "recipe",
                     "%s.mode: must be \"0755\", \"0711\" or \"0644\", not \"%" SLICE_FORMAT "\"",
                     object->path, SLICE_ARGUMENTS(text));
}

static bool read_sha256(const struct reader *reader, const struct json *source,
                        struct recipe_file *file, struct error *err) {
    struct json sums;
    struct slice text;
    if (reader->arch == ARCH_NONE) {
        return error_set(err, "usage",
                         "%s.sha256 depends on the architecture: say which with --arch",
                         source->path);
    }
    if (!json_get_object(source, "sha256", &sums, err) ||
        !json_get_string(&sums, arch_name(reader->arch), &text, err)) {
        return false;
    }
    bool good = text.len == 64;
    file->sha256 = slice_copy(text);
    for (size_t i = 0; good && i < text.len; i++) {
        char *digit = &file->sha256[i];
        *digit = *digit >= 'A' && *digit <= 'F' ? (char)(*digit - 'A' + 'a') : *digit;
        good = (*digit >= '0' && *digit <= '9') || (*digit >= 'a' && *digit <= 'f');
    }
    return good || error_set(err, "recipe", "%s.%s: must be a SHA-256 of 64 hexadecimal digits",
                             sums.path, arch_name(reader->arch));
}

static bool read_url(const struct reader *reader, const struct json *source,
                     struct recipe_file *file, struct error *err) {
    file->url = read_text(reader, source, "url", err);
    if (!file->url || !read_sha256(reader, source, file, err)) {
        return false;
    }
    if (json_has(source, "member")) {
        file->member = read_text(reader, source, "member", err);
        return file->member != NULL;
    }
    return true;
}

static bool read_source(const struct reader *reader, const struct json *source,
                        struct recipe_file *file, struct error *err) {
    static const char *const known[] = {"path", "link", "url", "sha256", "member", NULL};
    const bool path = json_has(source, "path");
    const bool link = json_has(source, "link");
    const bool url = json_has(source, "url");
    if (!check_members(source, known, err)) {
        return false;
    }
    if (path + link + url != 1) {
        return error_set(err, "recipe",
                         "%s: must have exactly one of \"path\", \"link\" and \"url\"",
                         source->path);
    }
    if (!url && (json_has(source, "sha256") || json_has(source, "member"))) {
        return error_set(err, "recipe", "%s: \"sha256\" and \"member\" belong to a \"url\"",
                         source->path);
    }
    if (url) {
        return read_url(reader, source, file, err);
    }
    if (link) {
        struct slice target;
        if (!json_get_string(source, "link", &target, err)) {
            return false;
        }
        file->link = slice_copy(target);
        return true;
    }
    cleanup_free char *below = read_text(reader, source, "path", err);
    if (!below) {
        return false;
    }
    file->source = below[0] == '/' ? xstrdup(below) : xasprintf("%s/%s", reader->folder, below);
    return true;
}

static bool read_file(const struct reader *reader, const struct json *object,
                      struct recipe_file *file, struct error *err) {
    static const char *const known[] = {"path", "mode", "source", NULL};
    struct json source;
    if (!json_as_object(object, err) || !check_members(object, known, err)) {
        return false;
    }
    file->path = read_text(reader, object, "path", err);
    return file->path && read_mode(object, file, err) &&
           json_get_object(object, "source", &source, err) &&
           read_source(reader, &source, file, err);
}

// --- Recipes ----------------------------------------------------------------------------------

static bool read_files(const struct reader *reader, const struct json *root, struct recipe *recipe,
                       struct error *err) {
    struct json files;
    if (!json_get_array(root, "files", &files, err)) {
        return false;
    }
    struct json_iterator element = {0};
    size_t capacity = 0;
    while (json_each(&files, &element)) {
        if (recipe->count == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 16;
            recipe->files = xreallocarray(recipe->files, capacity, sizeof(*recipe->files));
        }
        struct recipe_file *file = &recipe->files[recipe->count++];
        *file = (struct recipe_file){0};
        if (!read_file(reader, &element.value, file, err)) {
            return false;
        }
    }
    return recipe->count > 0 || error_set(err, "recipe", "%s: names no file", files.path);
}

/// The architectures as a set of 1 << arch.
static bool read_architectures(const struct json *root, unsigned *set, struct error *err) {
    struct json list;
    *set = 1U << ARCH_X86_64 | 1U << ARCH_ARM64;
    if (!json_has(root, "architectures")) {
        return true;
    }
    if (!json_get_array(root, "architectures", &list, err)) {
        return false;
    }
    struct json_iterator element = {0};
    *set = 0;
    while (json_each(&list, &element)) {
        struct slice text;
        if (!json_as_string(&element.value, &text, err)) {
            return false;
        }
        cleanup_free char *name = slice_copy(text);
        const enum arch arch = arch_parse(name);
        if (arch == ARCH_NONE) {
            return error_set(err, "recipe", "%s: must be \"x86_64\" or \"arm64\", not \"%s\"",
                             element.value.path, name);
        }
        *set |= 1U << arch;
    }
    return *set != 0 || error_set(err, "recipe", "%s: does not name an architecture", list.path);
}

static bool choose_arch(const struct json *root, struct reader *reader, struct error *err) {
    unsigned set = 0;
    if (!read_architectures(root, &set, err)) {
        return false;
    }
    if (reader->arch == ARCH_NONE) {
        // With more than one it is asked for where it matters.
        reader->arch = set == 1U << ARCH_X86_64  ? ARCH_X86_64
                       : set == 1U << ARCH_ARM64 ? ARCH_ARM64
                                                 : ARCH_NONE;
        return true;
    }
    return (set & 1U << reader->arch) != 0 ||
           error_set(err, "arch", "%s.architectures: the recipe is not for %s", root->path,
                     arch_name(reader->arch));
}

static bool read_root(const struct json *root, struct reader *reader, struct recipe *recipe,
                      struct error *err) {
    static const char *const known[] = {"name",          "version", "description", "license",
                                        "architectures", "files",   NULL};
    static const char *const texts[] = {"description", "license", NULL};
    struct slice name;
    struct slice version;
    if (!json_as_object(root, err) || !check_members(root, known, err) ||
        !json_get_string(root, "name", &name, err) ||
        !json_get_string(root, "version", &version, err) || !choose_arch(root, reader, err)) {
        return false;
    }
    for (size_t i = 0; texts[i]; i++) {
        struct slice text;
        if (json_has(root, texts[i]) && !json_get_string(root, texts[i], &text, err)) {
            return false;
        }
    }
    recipe->name = slice_copy(name);
    recipe->version = slice_copy(version);
    recipe->arch = reader->arch;
    reader->version = recipe->version;
    return read_files(reader, root, recipe, err);
}

bool recipe_parse(struct slice text, const char *name, const char *folder, enum arch arch,
                  struct recipe *recipe, struct error *err) {
    cleanup_json_document struct json_document document = {0};
    struct reader reader = {.folder = folder, .arch = arch};
    *recipe = (struct recipe){0};
    if (json_parse(text, name, &document, err) && read_root(&document.root, &reader, recipe, err)) {
        return true;
    }
    recipe_clean_up(recipe);
    return false;
}

bool recipe_read(const char *path, enum arch arch, struct recipe *recipe, struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(MAX_RECIPE);
    const char *slash = strrchr(path, '/');
    // "/layer.json" lies in "/", which reads "" with the slash that follows.
    cleanup_free char *folder =
        slash ? slice_copy(slice_make(path, (size_t)(slash - path))) : xstrdup(".");
    return files_read(path, &text, err) &&
           recipe_parse(buffer_slice(&text), "recipe", folder, arch, recipe, err);
}

bool recipe_architectures(const char *path, unsigned *set, struct error *err) {
    cleanup_buffer struct buffer text = BUFFER_INIT(MAX_RECIPE);
    cleanup_json_document struct json_document document = {0};
    return files_read(path, &text, err) &&
           json_parse(buffer_slice(&text), "recipe", &document, err) &&
           json_as_object(&document.root, err) && read_architectures(&document.root, set, err);
}
