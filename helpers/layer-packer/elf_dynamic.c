// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/elf_dynamic.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/cleanup.h"

enum {
    MAX_ITEMS = 16 * 1024,
    MAX_NEEDED = 1024,
    MAX_VERSIONS = 4096,
    /// Of all texts together, as many may stand in the same place.
    MAX_TEXTS = 256 * 1024,
};

/// The dynamic section, and its table of texts.
struct section {
    const struct elf_image *image;
    struct elf_dynamic *dynamic;
    Elf64_Dyn *items;
    size_t count;
    uint64_t texts;
    uint64_t texts_size;
};

static void section_clean_up(struct section *section) {
    free(section->items);
}

/// The value of the first item of that tag, or `none`.
static uint64_t value_of(const struct section *section, Elf64_Sxword tag, uint64_t none) {
    for (size_t i = 0; i < section->count; i++) {
        if (section->items[i].d_tag == tag) {
            return section->items[i].d_un.d_val;
        }
    }
    return none;
}

/// Where in the file that table is which the item of that tag points to.
static uint64_t table_of(const struct section *section, Elf64_Sxword tag) {
    const uint64_t address = value_of(section, tag, UINT64_MAX);
    return address == UINT64_MAX ? UINT64_MAX : elf_image_offset(section->image, address);
}

static bool section_read(struct section *section, const Elf64_Phdr *header) {
    const size_t most = header->p_filesz / sizeof(Elf64_Dyn);
    const size_t count = most < MAX_ITEMS ? most : MAX_ITEMS;
    section->items = xcalloc(count + 1, sizeof(*section->items));
    if (!elf_image_read(section->image->fd, header->p_offset, section->items,
                        count * sizeof(*section->items))) {
        return false;
    }
    while (section->count < count && section->items[section->count].d_tag != DT_NULL) {
        section->count++;
    }
    section->texts = table_of(section, DT_STRTAB);
    section->texts_size = value_of(section, DT_STRSZ, 0);
    return section->texts != UINT64_MAX;
}

static char *text_at(const struct section *section, uint64_t at) {
    char *text =
        at < section->texts_size && section->dynamic->text_size < MAX_TEXTS
            ? elf_image_text(section->image->fd, section->texts + at, section->texts_size - at)
            : NULL;
    section->dynamic->text_size += text ? strlen(text) + 1 : 0;
    return text;
}

static char *text_of(const struct section *section, Elf64_Sxword tag) {
    return text_at(section, value_of(section, tag, UINT64_MAX));
}

static void read_needed(const struct section *section) {
    struct elf_dynamic *dynamic = section->dynamic;
    dynamic->needed = xcalloc(MAX_NEEDED, sizeof(*dynamic->needed));
    for (size_t i = 0; i < section->count && dynamic->needed_count < MAX_NEEDED; i++) {
        char *name = section->items[i].d_tag == DT_NEEDED
                         ? text_at(section, section->items[i].d_un.d_val)
                         : NULL;
        if (name) {
            dynamic->needed[dynamic->needed_count++] = name;
        }
    }
}

// --- Versions ------------------------------------------------------------------------------------

/// The hash of the System V ABI, which stands beside a version's name. The loader compares both, so
/// a name with another hash is none: bytes that are there for something else.
static uint32_t hash_of(const char *name) {
    uint32_t hash = 0;
    for (; *name != '\0'; name++) {
        hash = (hash << 4) + (unsigned char)*name;
        const uint32_t high = hash & 0xF0000000U;
        hash = (hash ^ (high >> 24)) & ~high;
    }
    return hash;
}

static void add_version(struct elf_dynamic *dynamic, const char *file, char *name) {
    dynamic->versions =
        xreallocarray(dynamic->versions, dynamic->version_count + 1, sizeof(*dynamic->versions));
    dynamic->versions[dynamic->version_count++] =
        (struct elf_version){.file = xstrdup(file), .name = name};
    dynamic->text_size += strlen(file) + 1;
}

/// The versions that are needed of one library; counts down `left`.
static void read_versions_of(const struct section *section, uint64_t at, const Elf64_Verneed *need,
                             size_t *left) {
    cleanup_free char *file = text_at(section, need->vn_file);
    Elf64_Vernaux item = {.vna_next = need->vn_aux};
    for (size_t i = 0; file && i<need->vn_cnt && * left> 0 && item.vna_next != 0; i++) {
        at += item.vna_next;
        --*left;
        if (!elf_image_read(section->image->fd, at, &item, sizeof(item))) {
            return;
        }
        cleanup_free char *name = text_at(section, item.vna_name);
        if (name && hash_of(name) == item.vna_hash && (item.vna_flags & VER_FLG_WEAK) == 0) {
            add_version(section->dynamic, file, steal_pointer(&name));
        }
    }
}

static void read_versions(const struct section *section) {
    const uint64_t count = value_of(section, DT_VERNEEDNUM, 0);
    uint64_t at = table_of(section, DT_VERNEED);
    size_t left = MAX_VERSIONS;
    Elf64_Verneed need = {0};
    for (uint64_t i = 0; at != UINT64_MAX && i < count && left > 0; i++, left--) {
        if (!elf_image_read(section->image->fd, at, &need, sizeof(need)) ||
            need.vn_version != VER_NEED_CURRENT) {
            return;
        }
        read_versions_of(section, at, &need, &left);
        if (need.vn_next == 0 || left == 0) {
            return;
        }
        at += need.vn_next;
    }
}

static void add_defined(const struct section *section, uint64_t at) {
    struct elf_dynamic *dynamic = section->dynamic;
    Elf64_Verdaux item;
    char *name = elf_image_read(section->image->fd, at, &item, sizeof(item))
                     ? text_at(section, item.vda_name)
                     : NULL;
    if (name) {
        dynamic->defined =
            xreallocarray((void *)dynamic->defined, dynamic->defined_count + 1, sizeof(name));
        dynamic->defined[dynamic->defined_count++] = name;
    }
}

static void read_defined(const struct section *section) {
    const uint64_t count = value_of(section, DT_VERDEFNUM, 0);
    uint64_t at = table_of(section, DT_VERDEF);
    Elf64_Verdef item = {0};
    for (uint64_t i = 0; at != UINT64_MAX && i < count && i < MAX_VERSIONS; i++) {
        if (!elf_image_read(section->image->fd, at, &item, sizeof(item)) ||
            item.vd_version != VER_DEF_CURRENT) {
            return;
        }
        add_defined(section, at + item.vd_aux);
        if (item.vd_next == 0) {
            return;
        }
        at += item.vd_next;
    }
}

// --- All of it -----------------------------------------------------------------------------------

void elf_dynamic_read(const struct elf_image *image, const Elf64_Phdr *header,
                      struct elf_dynamic *dynamic) {
    __attribute__((cleanup(section_clean_up))) struct section section = {.image = image,
                                                                         .dynamic = dynamic};
    if (!section_read(&section, header)) {
        return;
    }
    dynamic->soname = text_of(&section, DT_SONAME);
    dynamic->rpath = text_of(&section, DT_RPATH);
    dynamic->runpath = text_of(&section, DT_RUNPATH);
    read_needed(&section);
    read_versions(&section);
    read_defined(&section);
}

bool elf_dynamic_defines(const struct elf_dynamic *dynamic, const char *version) {
    for (size_t i = 0; i < dynamic->defined_count; i++) {
        if (strcmp(dynamic->defined[i], version) == 0) {
            return true;
        }
    }
    return dynamic->defined_count == 0;
}

static void free_texts(char **texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free((void *)texts);
}

void elf_dynamic_clean_up(struct elf_dynamic *dynamic) {
    for (size_t i = 0; i < dynamic->version_count; i++) {
        free(dynamic->versions[i].file);
        free(dynamic->versions[i].name);
    }
    free(dynamic->versions);
    free_texts(dynamic->needed, dynamic->needed_count);
    free_texts(dynamic->defined, dynamic->defined_count);
    free(dynamic->soname);
    free(dynamic->rpath);
    free(dynamic->runpath);
    *dynamic = (struct elf_dynamic){0};
}
