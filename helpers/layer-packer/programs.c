// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/programs.h"

#include <string.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/zip/entry_name.h"
#include "layer-packer/links.h"
#include "layer-packer/loader.h"
#include "layer-packer/script.h"

/// As many interpreters in a row as the kernel goes through.
enum { MOST_INTERPRETERS = 5 };

struct programs {
    const struct programs_options *options;
    const struct contents *contents;
    struct loader *loader;
    struct warnings *warnings;
};

static const struct elf *elf_of(const struct programs *programs, const struct entry *entry) {
    return &contents_of(programs->contents, entry)->elf;
}

static bool is_script(const struct programs *programs, const struct entry *entry) {
    return contents_of(programs->contents, entry)->head;
}

/// The file at an absolute path, where that is one of the zip.
static const struct entry *find_file(const struct programs *programs, struct slice path) {
    return links_below_root(&path) ? links_find_file(programs->contents->tree, path) : NULL;
}

// --- ELF files -----------------------------------------------------------------------------------

static bool check_arch(const struct programs *programs, const struct entry *entry,
                       struct error *err) {
    const struct elf *elf = elf_of(programs, entry);
    const enum arch arch = programs->options->arch;
    return !elf->is_elf || arch == ARCH_NONE || elf->arch == arch ||
           error_set(err, "arch", "%s: is an ELF file for %s, not for %s", entry->name,
                     elf_machine_name(elf), arch_name(arch));
}

static bool refuse_interpreter(const struct entry *entry, const struct elf *elf,
                               struct error *err) {
    const bool musl =
        slice_starts_with(slice_text(tree_base_name(elf->interpreter)), SLICE("ld-musl-"));
    return error_set(err, "library",
                     "%s: needs %s, which neither the layer nor provided.al2023 has: %s",
                     entry->name, elf->interpreter,
                     musl ? "it is made for musl, so link it statically, or take the build for "
                            "glibc (GNU)"
                          : "build it on Amazon Linux 2023, or link it statically");
}

/// The dynamic loader that the program names.
static bool check_interpreter(const struct programs *programs, const struct entry *entry,
                              struct error *err) {
    const struct elf *elf = elf_of(programs, entry);
    if (!elf->interpreter || provided_has_interpreter(elf->arch, elf->interpreter) ||
        provided_more_has(&programs->options->more, slice_text(elf->interpreter))) {
        return true;
    }
    const struct entry *file = find_file(programs, slice_text(elf->interpreter));
    if (!file) {
        return refuse_interpreter(entry, elf, err);
    }
    if (elf_of(programs, file)->arch != elf->arch) {
        return error_set(err, "library", "%s: needs %s, which is not an ELF file for %s: %s",
                         entry->name, elf->interpreter, arch_name(elf->arch), file->name);
    }
    return file->executable ||
           error_set(err, "library", "%s: needs %s, which is not executable: chmod 755 %s",
                     entry->name, elf->interpreter, file->name);
}

static bool check_elf(struct programs *programs, const struct entry *entry, struct error *err) {
    const struct elf *elf = elf_of(programs, entry);
    if (!check_arch(programs, entry, err)) {
        return false;
    }
    if (elf->arch == ARCH_NONE) {
        return true;
    }
    if (!elf->is_program) {
        return loader_check_library(programs->loader, entry, err);
    }
    return !entry->executable || (check_interpreter(programs, entry, err) &&
                                  loader_check_program(programs->loader, entry, err));
}

// --- Scripts -------------------------------------------------------------------------------------

static bool refuse_script(const struct entry *entry, const char *why, struct error *err) {
    return error_set(err, "script", "%s: %s", entry->name, why);
}

/// A file of the zip is the interpreter.
static bool check_own_interpreter(const struct programs *programs, const struct entry *entry,
                                  const struct entry *file, struct error *err) {
    for (int i = 0; i < MOST_INTERPRETERS; i++) {
        struct script script;
        if (!file->executable) {
            return error_set(err, "script",
                             "%s: its #! line names %s, which is not executable: chmod 755 it",
                             entry->name, file->name);
        }
        // What is wrong with that file is said where it is looked at itself.
        if (!is_script(programs, file) ||
            script_parse(contents_head(programs->contents, file), &script)) {
            return true;
        }
        file = find_file(programs, script.interpreter);
        if (!file) {
            return true;
        }
    }
    return refuse_script(entry, "its #! line goes in circles, or through too many scripts", err);
}

static const struct entry *find_in_bin(const struct programs *programs, struct slice name) {
    cleanup_buffer struct buffer path = BUFFER_INIT(ENTRY_NAME_MAX);
    return buffer_append_text(&path, "bin/") && buffer_append(&path, name)
               ? links_find_file(programs->contents->tree, buffer_slice(&path))
               : NULL;
}

/// The last part of a path.
static struct slice last_part(struct slice path) {
    struct slice part = path;
    while (slice_find(path, '/') < path.len) {
        (void)slice_split(&path, '/', &part);
    }
    return path;
}

static bool has_folder(struct slice path, const char *name) {
    struct slice part;
    while (slice_split(&path, '/', &part)) {
        if (slice_equal_text(part, name)) {
            return true;
        }
    }
    return false;
}

/// Programs lie in such folders or at the root. What lies elsewhere comes along with packages of
/// all kinds and may never run, least of all the data in share/.
static bool is_called(const struct entry *entry) {
    static const char *const folders[] = {"bin", "sbin", "libexec", "extensions"};
    const struct slice path = slice_text(entry->name);
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        if (has_folder(path, folders[i])) {
            return true;
        }
    }
    return slice_find(path, '/') == path.len;
}

/// What to do about a command that is not there.
static char *advise(const struct programs *programs, struct slice command) {
    const struct slice base = last_part(command);
    const struct entry *own = find_in_bin(programs, base);
    return own ? xasprintf("the layer has it as /opt/%s: write #!/usr/bin/env %" SLICE_FORMAT,
                           own->name, SLICE_ARGUMENTS(base))
               : xasprintf("bring it in bin/, or say --provided %" SLICE_FORMAT
                           " where another layer does",
                           SLICE_ARGUMENTS(command));
}

static bool refuse_command(const struct programs *programs, const struct entry *entry,
                           struct slice command, struct error *err) {
    const bool is_data = slice_starts_with(slice_text(entry->name), SLICE("share/"));
    cleanup_free char *advice = advise(programs, command);
    cleanup_free char *why = xasprintf("its #! line names %" SLICE_FORMAT
                                       ", which neither the layer nor provided.al2023 has: %s",
                                       SLICE_ARGUMENTS(command), advice);
    if (is_called(entry)) {
        return refuse_script(entry, why, err);
    }
    warnings_add(is_data ? NULL : programs->warnings, "%s: %s", entry->name, why);
    return true;
}

/// What the script names, or env of it: a path, or a name to be looked for in PATH.
static bool check_command(const struct programs *programs, const struct entry *entry,
                          struct slice command, struct error *err) {
    const bool is_name = slice_find(command, '/') == command.len;
    if (provided_has_command(command) || provided_more_has(&programs->options->more, command)) {
        return true;
    }
    const struct entry *file =
        is_name ? find_in_bin(programs, command) : find_file(programs, command);
    return file ? check_own_interpreter(programs, entry, file, err)
                : refuse_command(programs, entry, command, err);
}

static bool is_env(struct slice interpreter) {
    return slice_equal_text(interpreter, "/usr/bin/env") ||
           slice_equal_text(interpreter, "/bin/env");
}

static bool check_script(const struct programs *programs, const struct entry *entry,
                         struct error *err) {
    struct script script;
    const char *flaw = script_parse(contents_head(programs->contents, entry), &script);
    if (flaw || !is_env(script.interpreter)) {
        return flaw ? refuse_script(entry, flaw, err)
                    : check_command(programs, entry, script.interpreter, err);
    }
    struct slice program;
    flaw = script_parse_env(script.argument, &program);
    if (flaw) {
        return refuse_script(entry, flaw, err);
    }
    return program.len == 0 || check_command(programs, entry, program, err);
}

// --- What Lambda itself starts -------------------------------------------------------------------

static bool is_started(const struct entry *entry) {
    const struct slice folder = SLICE("extensions/");
    const struct slice name = slice_text(entry->name);
    const struct slice below = slice_skip(name, folder.len);
    return slice_equal_text(name, "bootstrap") ||
           (slice_starts_with(name, folder) && slice_find(below, '/') == below.len);
}

static bool check_started(const struct programs *programs, const struct entry *entry,
                          struct error *err) {
    const struct entry *file = links_find_file(programs->contents->tree, slice_text(entry->name));
    if (!file) {
        // A link to nothing may lead to what another layer has.
        return true;
    }
    if (!file->executable) {
        return error_set(err, "mode",
                         "%s: Lambda starts it, but it is not executable (it would end with "
                         "\"permission denied\"): %s %s",
                         entry->name, file->fd < 0 ? "chmod 755" : "set \"mode\": \"0755\" for",
                         file->fd < 0 ? file->origin : file->name);
    }
    return elf_of(programs, file)->is_elf || is_script(programs, file) ||
           error_set(err, "mode",
                     "%s: Lambda starts it, but it is neither an ELF program nor a script that "
                     "begins with #! (it would end with \"exec format error\")",
                     entry->name);
}

// --- What must be read ---------------------------------------------------------------------------

/// The kernel reads a program for whoever runs it, but a script is read by its interpreter and a
/// library by the dynamic loader, in the job's name.
static bool check_readable(const struct programs *programs, const struct entry *entry,
                           struct error *err) {
    const bool is_read = is_script(programs, entry) || elf_of(programs, entry)->dynamic.soname;
    return (entry->mode & S_IROTH) != 0 || !is_read ||
           error_set(err, "mode",
                     "%s: has mode %04o, but must be readable, as its interpreter or the dynamic "
                     "loader reads it: chmod 755 it",
                     entry->name, (unsigned)entry->mode);
}

// --- All of them ---------------------------------------------------------------------------------

static bool check(struct programs *programs, const struct entry *entry, struct error *err) {
    if (entry->kind == ENTRY_FOLDER ||
        (is_started(entry) && !check_started(programs, entry, err))) {
        return entry->kind == ENTRY_FOLDER;
    }
    if (entry->kind != ENTRY_FILE) {
        return true;
    }
    if (!check_readable(programs, entry, err)) {
        return false;
    }
    if (elf_of(programs, entry)->is_elf) {
        return check_elf(programs, entry, err);
    }
    return !entry->executable || !is_script(programs, entry) || check_script(programs, entry, err);
}

static bool check_all(struct programs *programs, struct error *err) {
    const struct tree *tree = programs->contents->tree;
    for (size_t i = 0; i < tree->count; i++) {
        if (!check(programs, &tree->entries[i], err)) {
            return false;
        }
    }
    return true;
}

bool programs_check(const struct tree *tree, const struct contents_access *access,
                    const struct programs_options *options, struct warnings *warnings,
                    struct error *err) {
    cleanup_contents struct contents contents;
    if (!contents_read(&contents, tree, access, err)) {
        return false;
    }
    struct programs programs = {
        .options = options,
        .contents = &contents,
        .loader = loader_new(&contents, &options->more, warnings),
        .warnings = warnings,
    };
    const bool good = check_all(&programs, err);
    loader_destroy(programs.loader);
    return good;
}
