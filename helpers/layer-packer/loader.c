// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/loader.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/zip/entry_name.h"
#include "layer-packer/links.h"

/// A zip of a few megabytes may hold programs that need each other in more ways than there is time.
static const uint64_t MOST_STEPS = 5 * 1000 * 1000;

enum source {
    FROM_NOWHERE,
    FROM_TREE,
    FROM_IMAGE,
    /// The user says that it is there, or it is musl's loader, which is its own library.
    FROM_ELSEWHERE,
};

/// The program, or a library of it.
struct object {
    enum source source;
    /// FROM_TREE.
    const struct entry *entry;
    /// Where it was found, which is its $ORIGIN: a path in the tree. Owned.
    char *folder;
    /// Who needed it; `NONE` for the program.
    size_t loader;
};
static const size_t NONE = SIZE_MAX;

/// The object that is loaded under a name, in the round of the program that is looked at.
struct name {
    const char *text;
    uint64_t round;
    size_t object;
};

/// A file or link of the tree that leads to an ELF file, by its base name.
struct library {
    const char *name;
    const char *path;
    const struct entry *file;
};

struct loader {
    const struct contents *contents;
    const struct provided_more *more;
    struct warnings *warnings;
    /// Sorted: all that is needed, and all names of libraries.
    struct name *names;
    size_t name_count;
    /// Sorted by name, then by path.
    struct library *libraries;
    size_t library_count;
    /// Of the program that is looked at.
    struct object *objects;
    size_t object_count;
    size_t object_capacity;
    uint64_t round;
    enum arch arch;
    bool is_musl;
    bool has_warned;
    uint64_t steps;
};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/// Owned by the caller; without a slash at the end.
static char *folder_of(const char *path) {
    const size_t length = (size_t)(base_name(path) - path);
    return slice_copy(slice_make(path, length > 0 ? length - 1 : 0));
}

static const struct elf_dynamic *dynamic_of(const struct loader *loader,
                                            const struct entry *entry) {
    return &contents_of(loader->contents, entry)->elf.dynamic;
}

// --- Names ---------------------------------------------------------------------------------------

static int compare_names(const void *left, const void *right) {
    return strcmp(((const struct name *)left)->text, ((const struct name *)right)->text);
}

static size_t count_names(const struct elf_dynamic *dynamic) {
    return dynamic->needed_count + dynamic->version_count + (dynamic->soname ? 1 : 0);
}

static void add_names(struct loader *loader, const struct elf_dynamic *dynamic) {
    for (size_t i = 0; i < dynamic->needed_count; i++) {
        loader->names[loader->name_count++].text = dynamic->needed[i];
    }
    for (size_t i = 0; i < dynamic->version_count; i++) {
        loader->names[loader->name_count++].text = dynamic->versions[i].file;
    }
    if (dynamic->soname) {
        loader->names[loader->name_count++].text = dynamic->soname;
    }
}

static void drop_double_names(struct loader *loader) {
    size_t kept = 0;
    for (size_t i = 0; i < loader->name_count; i++) {
        if (kept == 0 || compare_names(&loader->names[kept - 1], &loader->names[i]) != 0) {
            loader->names[kept++] = loader->names[i];
        }
    }
    loader->name_count = kept;
}

static void index_names(struct loader *loader) {
    const struct tree *tree = loader->contents->tree;
    size_t count = 0;
    for (size_t i = 0; i < tree->count; i++) {
        count += count_names(dynamic_of(loader, &tree->entries[i]));
    }
    loader->names = xcalloc(count + 1, sizeof(*loader->names));
    for (size_t i = 0; i < tree->count; i++) {
        add_names(loader, dynamic_of(loader, &tree->entries[i]));
    }
    qsort(loader->names, loader->name_count, sizeof(*loader->names), compare_names);
    drop_double_names(loader);
}

static struct name *find_name(const struct loader *loader, const char *text) {
    const struct name key = {.text = text};
    return bsearch(&key, loader->names, loader->name_count, sizeof(*loader->names), compare_names);
}

/// The object of that name; NULL: none is loaded.
static const struct object *loaded_as(const struct loader *loader, const char *text) {
    const struct name *name = find_name(loader, text);
    return name && name->round == loader->round ? &loader->objects[name->object] : NULL;
}

static void mark_loaded(struct loader *loader, const char *text, size_t object) {
    struct name *name = find_name(loader, text);
    if (name && name->round != loader->round) {
        *name = (struct name){.text = name->text, .round = loader->round, .object = object};
    }
}

// --- Libraries of the tree -----------------------------------------------------------------------

static int compare_libraries(const void *left, const void *right) {
    const struct library *a = left;
    const struct library *b = right;
    const int order = strcmp(a->name, b->name);
    return order != 0 ? order : strcmp(a->path, b->path);
}

static const struct entry *find_elf(const struct loader *loader, struct slice path) {
    const struct entry *file = links_find_file(loader->contents->tree, path);
    return file && contents_of(loader->contents, file)->elf.is_elf ? file : NULL;
}

static void index_libraries(struct loader *loader) {
    const struct tree *tree = loader->contents->tree;
    loader->libraries = xcalloc(tree->count + 1, sizeof(*loader->libraries));
    for (size_t i = 0; i < tree->count; i++) {
        const struct entry *entry = &tree->entries[i];
        const struct entry *file =
            entry->kind == ENTRY_FOLDER ? NULL : find_elf(loader, slice_text(entry->name));
        if (file) {
            loader->libraries[loader->library_count++] =
                (struct library){.name = base_name(entry->name), .path = entry->name, .file = file};
        }
    }
    qsort(loader->libraries, loader->library_count, sizeof(*loader->libraries), compare_libraries);
}

/// The first library of that base name, wherever it is; the others follow. NULL: none.
static const struct library *first_library(const struct loader *loader, const char *name) {
    size_t low = 0;
    size_t high = loader->library_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(loader->libraries[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool found =
        low < loader->library_count && strcmp(loader->libraries[low].name, name) == 0;
    return found ? &loader->libraries[low] : NULL;
}

static const struct library *next_library(const struct loader *loader,
                                          const struct library *library) {
    const struct library *next = library + 1;
    const bool same =
        next < loader->libraries + loader->library_count && strcmp(next->name, library->name) == 0;
    return same ? next : NULL;
}

static bool defines(const struct elf_dynamic *dynamic, const char *version) {
    for (size_t i = 0; i < dynamic->defined_count; i++) {
        if (strcmp(dynamic->defined[i], version) == 0) {
            return true;
        }
    }
    // The loader lets all pass where a library does not tell.
    return dynamic->defined_count == 0;
}

/// The first library of that file's name, wherever it is in the tree, that has the version.
static const struct library *library_with_version(const struct loader *loader,
                                                  const struct elf_version *version) {
    const struct library *library = first_library(loader, version->file);
    while (library && !defines(dynamic_of(loader, library->file), version->name)) {
        library = next_library(loader, library);
    }
    return library;
}

// --- Where the loader looks ----------------------------------------------------------------------

static struct object found_elsewhere(void) {
    return (struct object){.source = FROM_ELSEWHERE, .folder = NULL};
}

/// Looks into a folder of the tree.
static struct object look_in_tree(struct loader *loader, struct slice folder, const char *name) {
    cleanup_buffer struct buffer path = BUFFER_INIT(2 * (size_t)ENTRY_NAME_MAX);
    loader->steps++;
    if (links_follow(loader->contents->tree, folder, &path) != LINKS_ARRIVED) {
        return (struct object){.source = FROM_NOWHERE};
    }
    const size_t length = path.len;
    if (length > 0) {
        (void)buffer_append_byte(&path, '/');
    }
    const struct entry *file =
        buffer_append_text(&path, name) ? find_elf(loader, buffer_slice(&path)) : NULL;
    // The loader goes on where a file is for another machine.
    if (!file || contents_of(loader->contents, file)->elf.arch != loader->arch) {
        return (struct object){.source = FROM_NOWHERE};
    }
    return (struct object){.source = FROM_TREE,
                           .entry = file,
                           .folder = slice_copy(slice_make(buffer_text(&path), length))};
}

static struct object look_in_image(const struct loader *loader, const char *name) {
    const bool found = !loader->is_musl && provided_has_library(loader->arch, name);
    return (struct object){.source = found ? FROM_IMAGE : FROM_NOWHERE};
}

static bool is_image_folder(struct slice path) {
    static const char *const folders[] = {"/lib64", "/usr/lib64", "/lib", "/usr/lib"};
    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        if (slice_equal_text(path, folders[i])) {
            return true;
        }
    }
    return false;
}

static struct object look_in(struct loader *loader, struct slice folder, const char *name) {
    if (is_image_folder(folder)) {
        return look_in_image(loader, name);
    }
    return links_below_root(&folder) ? look_in_tree(loader, folder, name)
                                     : (struct object){.source = FROM_NOWHERE};
}

/// What stands at the beginning of `rest` in place of a path's part; empty: nothing does.
static struct slice take_token(struct slice *rest, const char *origin) {
    const struct {
        struct slice token;
        const char *value;
    } tokens[] = {
        {SLICE("$ORIGIN"), origin},
        {SLICE("${ORIGIN}"), origin},
        {SLICE("$LIB"), "lib64"},
        {SLICE("${LIB}"), "lib64"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
        if (slice_starts_with(*rest, tokens[i].token)) {
            *rest = slice_skip(*rest, tokens[i].token.len);
            return slice_text(tokens[i].value);
        }
    }
    return SLICE("");
}

static bool expand(struct slice folder, const char *origin, struct buffer *path) {
    bool fits = true;
    while (fits && folder.len > 0) {
        const struct slice value = take_token(&folder, origin);
        if (value.len > 0) {
            fits = buffer_append(path, value);
        } else {
            fits = buffer_append_byte(path, folder.data[0]);
            folder = slice_skip(folder, 1);
        }
    }
    return fits;
}

/// Looks into the folders of a DT_RPATH or DT_RUNPATH of `owner`; NULL: it has none.
static struct object look_along(struct loader *loader, const struct object *owner,
                                const char *folders, const char *name) {
    cleanup_free char *origin = xasprintf("/opt/%s", owner->folder);
    struct object found = {.source = FROM_NOWHERE};
    struct slice rest = slice_text(folders ? folders : "");
    struct slice folder;
    while (found.source == FROM_NOWHERE && slice_split(&rest, ':', &folder)) {
        cleanup_buffer struct buffer path = BUFFER_INIT(2 * (size_t)ENTRY_NAME_MAX);
        if (expand(folder, origin, &path)) {
            found = look_in(loader, buffer_slice(&path), name);
        }
    }
    return found;
}

/// DT_RPATH of who needs it, and of those that brought that in, as far as they have no DT_RUNPATH;
/// one's own DT_RUNPATH turns all of them off.
static struct object look_in_rpaths(struct loader *loader, size_t needs, const char *name) {
    struct object found = {.source = FROM_NOWHERE};
    if (dynamic_of(loader, loader->objects[needs].entry)->runpath) {
        return found;
    }
    for (size_t i = needs; i != NONE && found.source == FROM_NOWHERE;
         i = loader->objects[i].loader) {
        const struct object *owner = &loader->objects[i];
        const struct elf_dynamic *dynamic = dynamic_of(loader, owner->entry);
        found = look_along(loader, owner, dynamic->runpath ? NULL : dynamic->rpath, name);
    }
    return found;
}

/// Only a function's zip has its root in LD_LIBRARY_PATH.
static struct object look_in_root(struct loader *loader, const char *name) {
    const struct object found = look_in_tree(loader, SLICE(""), name);
    if (found.source == FROM_TREE && !loader->has_warned &&
        !tree_find(loader->contents->tree, SLICE("bootstrap"))) {
        loader->has_warned = true;
        warnings_add(loader->warnings,
                     "%s: lies at the zip's root, where the loader looks for libraries in a "
                     "function's zip, but not in a layer's: for a layer, move it to lib/",
                     name);
    }
    return found;
}

static struct object look_in_library_path(struct loader *loader, const char *name) {
    struct object found = look_in_image(loader, name);
    if (found.source == FROM_NOWHERE) {
        found = look_in_root(loader, name);
    }
    return found.source == FROM_NOWHERE ? look_in_tree(loader, SLICE("lib"), name) : found;
}

/// A name with a slash is a path. One from the current folder is none in Lambda.
static struct object look_at(struct loader *loader, const char *path) {
    const char *name = base_name(path);
    return path[0] == '/' ? look_in(loader, slice_make(path, (size_t)(name - path)), name)
                          : (struct object){.source = FROM_NOWHERE};
}

static bool is_own_library_of_musl(const char *name) {
    return strcmp(name, "libc.so") == 0 || slice_starts_with(slice_text(name), SLICE("libc.musl-"));
}

static struct object look_for(struct loader *loader, size_t needs, const char *name) {
    const struct object *object = &loader->objects[needs];
    if (provided_more_has(loader->more, slice_text(name)) ||
        (loader->is_musl && is_own_library_of_musl(name))) {
        return found_elsewhere();
    }
    if (strchr(name, '/')) {
        return look_at(loader, name);
    }
    struct object found = look_in_rpaths(loader, needs, name);
    if (found.source == FROM_NOWHERE) {
        found = look_in_library_path(loader, name);
    }
    return found.source == FROM_NOWHERE
               ? look_along(loader, object, dynamic_of(loader, object->entry)->runpath, name)
               : found;
}

// --- Messages ------------------------------------------------------------------------------------

/// "$ORIGIN/../lib64" for what lies in lib64/ and is needed in bin/.
static char *origin_to(const char *from, const char *path) {
    cleanup_buffer struct buffer text = BUFFER_INIT(4 * (size_t)ENTRY_NAME_MAX);
    (void)buffer_append_text(&text, "$ORIGIN");
    struct slice rest = slice_text(from);
    struct slice part;
    while (slice_split(&rest, '/', &part)) {
        (void)buffer_append_text(&text, part.len > 0 ? "/.." : "");
    }
    cleanup_free char *folder = folder_of(path);
    (void)buffer_appendf(&text, "%s%s", folder[0] != '\0' ? "/" : "", folder);
    return xstrdup(buffer_text(&text));
}

/// The message of a library that is not found. `needs` is who needs it.
static bool refuse_missing(const struct loader *loader, size_t needs, const char *name,
                           struct error *err) {
    const struct object *object = &loader->objects[needs];
    const char *program = loader->objects[0].entry->name;
    const struct library *library = first_library(loader, base_name(name));
    cleanup_free char *why = needs == 0 ? xstrdup("") : xasprintf(" for %s", object->entry->name);
    if (strchr(name, '/') && name[0] != '/') {
        return error_set(err, "library",
                         "%s: needs %s%s, a path from the current folder: link it with a library "
                         "that has a soname (-Wl,-soname,%s)",
                         program, name, why, base_name(name));
    }
    if (library) {
        cleanup_free char *origin = origin_to(object->folder, library->path);
        return error_set(
            err, "library",
            "%s: needs %s%s, which the layer has at %s, where the loader does not look: "
            "move it to lib/, or link %s with -Wl,-rpath,'%s'",
            program, name, why, library->path, object->entry->name, origin);
    }
    return error_set(err, "library",
                     "%s: needs %s%s, which neither the layer nor provided.al2023 has: bring it in "
                     "lib/, or link it statically",
                     program, name, why);
}

static bool refuse_version(const struct entry *entry, const struct elf_version *version,
                           const char *there, struct error *err) {
    return error_set(
        err, "version",
        "%s: needs %s of %s, and %s: build it on Amazon Linux 2023 or an older system, "
        "or link it statically",
        entry->name, version->name, version->file, there);
}

static bool refuse_image_version(const struct loader *loader, const struct entry *entry,
                                 const struct elf_version *version, struct error *err) {
    const char *newest = provided_newest_version(loader->arch, version->file, version->name);
    const struct library *own = library_with_version(loader, version);
    if (own) {
        cleanup_free char *folder = folder_of(entry->name);
        cleanup_free char *origin = origin_to(folder, own->path);
        return error_set(err, "version",
                         "%s: needs %s of %s, which the layer's %s has, but the loader takes "
                         "provided.al2023's before it, as LD_LIBRARY_PATH begins with /lib64: link "
                         "it with -Wl,--disable-new-dtags,-rpath,'%s'",
                         entry->name, version->name, version->file, own->path, origin);
    }
    cleanup_free char *there = newest ? xasprintf("provided.al2023 has %s at most", newest)
                                      : xstrdup("provided.al2023 does not have it");
    return refuse_version(entry, version, there, err);
}

// --- Versions ------------------------------------------------------------------------------------

/// Whether the object that is loaded for it has the version.
static bool has_version(const struct loader *loader, const struct object *object,
                        const struct elf_version *version) {
    if (loader->is_musl || !object || provided_more_has(loader->more, slice_text(version->name))) {
        return true;
    }
    switch (object->source) {
    case FROM_IMAGE:
        return provided_has_version(loader->arch, version->file, version->name);
    case FROM_TREE:
        return defines(dynamic_of(loader, object->entry), version->name);
    case FROM_ELSEWHERE:
    case FROM_NOWHERE:
        break;
    }
    return true;
}

static bool is_newer(const struct elf_version *one, const struct elf_version *other) {
    return !other || strverscmp(one->name, other->name) > 0;
}

static bool check_versions(const struct loader *loader, const struct entry *entry,
                           struct error *err) {
    const struct elf_dynamic *dynamic = dynamic_of(loader, entry);
    const struct elf_version *missing = NULL;
    for (size_t i = 0; i < dynamic->version_count; i++) {
        const struct elf_version *version = &dynamic->versions[i];
        if (!has_version(loader, loaded_as(loader, version->file), version) &&
            is_newer(version, missing)) {
            missing = version;
        }
    }
    if (!missing) {
        return true;
    }
    const struct object *object = loaded_as(loader, missing->file);
    if (object->source == FROM_IMAGE) {
        return refuse_image_version(loader, entry, missing, err);
    }
    cleanup_free char *there = xasprintf("the layer's %s does not have it", object->entry->name);
    return refuse_version(entry, missing, there, err);
}

// --- A program -----------------------------------------------------------------------------------

/// Takes `object` over.
static size_t add_object(struct loader *loader, struct object object, size_t needs) {
    if (loader->object_count == loader->object_capacity) {
        loader->object_capacity = loader->object_capacity > 0 ? 2 * loader->object_capacity : 16;
        loader->objects =
            xreallocarray(loader->objects, loader->object_capacity, sizeof(*loader->objects));
    }
    object.loader = needs;
    loader->objects[loader->object_count] = object;
    return loader->object_count++;
}

static void forget_objects(struct loader *loader) {
    for (size_t i = 0; i < loader->object_count; i++) {
        free(loader->objects[i].folder);
    }
    loader->object_count = 0;
}

static bool load(struct loader *loader, size_t needs, const char *name, struct error *err) {
    if (++loader->steps > MOST_STEPS) {
        return error_set(err, "too_large",
                         "%s: the programs and libraries need each other in too many ways to look "
                         "at them all",
                         loader->objects[0].entry->name);
    }
    if (loaded_as(loader, name)) {
        return true;
    }
    const struct object found = look_for(loader, needs, name);
    if (found.source == FROM_NOWHERE) {
        return refuse_missing(loader, needs, name, err);
    }
    const size_t object = add_object(loader, found, needs);
    mark_loaded(loader, name, object);
    const char *soname = found.source == FROM_TREE ? dynamic_of(loader, found.entry)->soname : NULL;
    if (soname) {
        mark_loaded(loader, soname, object);
    }
    return true;
}

static bool load_needs_of(struct loader *loader, size_t needs, struct error *err) {
    const struct object *object = &loader->objects[needs];
    if (object->source != FROM_TREE) {
        return true;
    }
    const struct elf_dynamic *dynamic = dynamic_of(loader, object->entry);
    for (size_t i = 0; i < dynamic->needed_count; i++) {
        if (!load(loader, needs, dynamic->needed[i], err)) {
            return false;
        }
    }
    return true;
}

static bool load_all(struct loader *loader, struct error *err) {
    // The list grows meanwhile.
    for (size_t i = 0; i < loader->object_count; i++) {
        if (!load_needs_of(loader, i, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < loader->object_count; i++) {
        if (loader->objects[i].source == FROM_TREE &&
            !check_versions(loader, loader->objects[i].entry, err)) {
            return false;
        }
    }
    return true;
}

/// The dynamic loader itself is loaded, and what needs it by its name has it.
static void load_interpreter(struct loader *loader, const char *path) {
    const struct object found = look_at(loader, path);
    if (found.source != FROM_NOWHERE) {
        mark_loaded(loader, base_name(path), add_object(loader, found, NONE));
    }
}

bool loader_check_program(struct loader *loader, const struct entry *program, struct error *err) {
    const struct elf *elf = &contents_of(loader->contents, program)->elf;
    const struct object object = {
        .source = FROM_TREE, .entry = program, .folder = folder_of(program->name)};
    loader->round++;
    loader->arch = elf->arch;
    loader->is_musl = elf->interpreter &&
                      slice_starts_with(slice_text(base_name(elf->interpreter)), SLICE("ld-musl-"));
    (void)add_object(loader, object, NONE);
    if (elf->interpreter) {
        load_interpreter(loader, elf->interpreter);
    }
    const bool good = load_all(loader, err);
    forget_objects(loader);
    return good;
}

// --- A library alone -----------------------------------------------------------------------------

bool loader_check_library(struct loader *loader, const struct entry *library, struct error *err) {
    const struct elf *elf = &contents_of(loader->contents, library)->elf;
    const struct elf_version *missing = NULL;
    loader->arch = elf->arch;
    for (size_t i = 0; i < elf->dynamic.version_count; i++) {
        const struct elf_version *version = &elf->dynamic.versions[i];
        if (provided_has_library(elf->arch, version->file) &&
            !provided_has_version(elf->arch, version->file, version->name) &&
            !provided_more_has(loader->more, slice_text(version->name)) &&
            !library_with_version(loader, version) && is_newer(version, missing)) {
            missing = version;
        }
    }
    return !missing || refuse_image_version(loader, library, missing, err);
}

// --- All of them ---------------------------------------------------------------------------------

struct loader *loader_new(const struct contents *contents, const struct provided_more *more,
                          struct warnings *warnings) {
    struct loader *loader = xcalloc(1, sizeof(*loader));
    *loader = (struct loader){.contents = contents, .more = more, .warnings = warnings};
    index_names(loader);
    index_libraries(loader);
    return loader;
}

void loader_destroy(struct loader *loader) {
    forget_objects(loader);
    free(loader->names);
    free(loader->libraries);
    free(loader->objects);
    free(loader);
}
