// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/loader.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/zip/entry_name.h"
#include "layer-packer/libraries.h"
#include "layer-packer/loaded.h"
#include "layer-packer/search.h"

/// A zip of a few megabytes may hold programs that need each other in more ways than there is time.
static const uint64_t MOST_STEPS = 5 * 1000 * 1000;

struct loader {
    struct search search;
    struct libraries libraries;
    struct loaded *loaded;
};

static const struct elf_dynamic *dynamic_of(const struct loader *loader,
                                            const struct entry *entry) {
    return contents_dynamic(loader->search.contents, entry);
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
    cleanup_free char *folder = tree_folder_of(path);
    (void)buffer_appendf(&text, "%s%s", folder[0] != '\0' ? "/" : "", folder);
    return xstrdup(buffer_text(&text));
}

static bool refuse_path(const struct entry *program, const char *path, const char *why,
                        struct error *err) {
    return error_set(err, "library",
                     "%s: needs %s%s, a path from the current folder: link it with a library that "
                     "has a soname (-Wl,-soname,%s)",
                     program->name, path, why, tree_base_name(path));
}

/// The layer has the library, but not for this program.
static bool refuse_place(const struct loader *loader, const struct object *object,
                         const struct library *library, const char *what, struct error *err) {
    const enum arch arch = loader->search.arch;
    if (contents_of(loader->search.contents, library->file)->elf.arch != arch) {
        return error_set(err, "library", "%s, which the layer has at %s, but not for %s", what,
                         library->path, arch_name(arch));
    }
    cleanup_free char *origin = origin_to(object->folder, library->path);
    return error_set(err, "library",
                     "%s, which the layer has at %s, where the loader does not look: move it to "
                     "lib/, or link %s with -Wl,-rpath,'%s'",
                     what, library->path, object->entry->name, origin);
}

/// The message of a library that is not found, which `object` needs.
static bool refuse_missing(const struct loader *loader, const struct object *object,
                           const char *name, struct error *err) {
    const struct object *program = loaded_first(loader->loaded);
    const struct library *library = libraries_find(&loader->libraries, tree_base_name(name));
    cleanup_free char *why =
        object == program ? xstrdup("") : xasprintf(" for %s", object->entry->name);
    if (strchr(name, '/') && name[0] != '/') {
        return refuse_path(program->entry, name, why, err);
    }
    cleanup_free char *what = xasprintf("%s: needs %s%s", program->entry->name, name, why);
    return library ? refuse_place(loader, object, library, what, err)
                   : error_set(err, "library",
                               "%s, which neither the layer nor provided.al2023 has: bring it in "
                               "lib/, or link it statically",
                               what);
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
    const char *newest = provided_newest_version(loader->search.arch, version->file, version->name);
    const struct library *own = libraries_find_version(&loader->libraries, version);
    if (own) {
        cleanup_free char *folder = tree_folder_of(entry->name);
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
    if (loader->search.is_musl || !object ||
        provided_more_has(loader->search.more, slice_text(version->name))) {
        return true;
    }
    switch (object->source) {
    case FROM_IMAGE:
        return provided_has_version(loader->search.arch, version->file, version->name);
    case FROM_TREE:
        return elf_dynamic_defines(dynamic_of(loader, object->entry), version->name);
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
        if (!has_version(loader, loaded_as(loader->loaded, version->file), version) &&
            is_newer(version, missing)) {
            missing = version;
        }
    }
    if (!missing) {
        return true;
    }
    const struct object *object = loaded_as(loader->loaded, missing->file);
    if (object->source == FROM_IMAGE) {
        return refuse_image_version(loader, entry, missing, err);
    }
    cleanup_free char *there = xasprintf("the layer's %s does not have it", object->entry->name);
    return refuse_version(entry, missing, there, err);
}

// --- A program -----------------------------------------------------------------------------------

static bool load(struct loader *loader, const struct object *object, const char *name,
                 struct error *err) {
    if (++loader->search.steps > MOST_STEPS) {
        return error_set(err, "too_large",
                         "%s: the programs and libraries need each other in too many ways to look "
                         "at them all",
                         object->entry->name);
    }
    if (loaded_as(loader->loaded, name)) {
        return true;
    }
    struct object found = search_library(&loader->search, object, name);
    if (found.source == FROM_NOWHERE) {
        return refuse_missing(loader, object, name, err);
    }
    found.needed_by = object;
    const struct object *added = loaded_add(loader->loaded, found);
    const char *soname = found.source == FROM_TREE ? dynamic_of(loader, found.entry)->soname : NULL;
    loaded_name(loader->loaded, name, added);
    loaded_name(loader->loaded, soname ? soname : name, added);
    return true;
}

static bool load_needs_of(struct loader *loader, const struct object *object, struct error *err) {
    if (object->source != FROM_TREE) {
        return true;
    }
    const struct elf_dynamic *dynamic = dynamic_of(loader, object->entry);
    for (size_t i = 0; i < dynamic->needed_count; i++) {
        if (!load(loader, object, dynamic->needed[i], err)) {
            return false;
        }
    }
    return true;
}

static bool load_all(struct loader *loader, struct error *err) {
    const struct object *program = loaded_first(loader->loaded);
    // There are more of them meanwhile.
    for (const struct object *object = program; object; object = object->next) {
        if (!load_needs_of(loader, object, err)) {
            return false;
        }
    }
    for (const struct object *object = program; object; object = object->next) {
        if (object->source == FROM_TREE && !check_versions(loader, object->entry, err)) {
            return false;
        }
    }
    return true;
}

/// The dynamic loader itself is loaded, and what needs it by its name has it.
static void load_interpreter(struct loader *loader, const char *path) {
    const struct object found = search_path(&loader->search, path);
    if (found.source != FROM_NOWHERE) {
        loaded_name(loader->loaded, tree_base_name(path), loaded_add(loader->loaded, found));
    }
}

bool loader_check_program(struct loader *loader, const struct entry *program, struct error *err) {
    const struct elf *elf = &contents_of(loader->search.contents, program)->elf;
    const char *interpreter = elf->interpreter ? elf->interpreter : "";
    loaded_clear(loader->loaded);
    loader->search.arch = elf->arch;
    loader->search.is_musl =
        slice_starts_with(slice_text(tree_base_name(interpreter)), SLICE("ld-musl-"));
    (void)loaded_add(loader->loaded, (struct object){.source = FROM_TREE,
                                                     .entry = program,
                                                     .folder = tree_folder_of(program->name)});
    load_interpreter(loader, interpreter);
    return load_all(loader, err);
}

// --- A library alone -----------------------------------------------------------------------------

bool loader_check_library(struct loader *loader, const struct entry *library, struct error *err) {
    const struct elf *elf = &contents_of(loader->search.contents, library)->elf;
    const struct elf_version *missing = NULL;
    loader->search.arch = elf->arch;
    for (size_t i = 0; i < elf->dynamic.version_count; i++) {
        const struct elf_version *version = &elf->dynamic.versions[i];
        if (provided_has_library(elf->arch, version->file) &&
            !provided_has_version(elf->arch, version->file, version->name) &&
            !provided_more_has(loader->search.more, slice_text(version->name)) &&
            !libraries_find_version(&loader->libraries, version) && is_newer(version, missing)) {
            missing = version;
        }
    }
    return !missing || refuse_image_version(loader, library, missing, err);
}

// --- All of them ---------------------------------------------------------------------------------

struct loader *loader_new(const struct contents *contents, const struct provided_more *more,
                          struct warnings *warnings) {
    struct loader *loader = xcalloc(1, sizeof(*loader));
    loader->search = (struct search){.contents = contents, .more = more, .warnings = warnings};
    loader->loaded = loaded_new(contents);
    libraries_index(&loader->libraries, contents);
    return loader;
}

void loader_destroy(struct loader *loader) {
    loaded_destroy(loader->loaded);
    libraries_clean_up(&loader->libraries);
    free(loader);
}
