// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/workspace/mirror_config.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/system/files.h"

static const char TERRAFORM_HOST[] = "registry.terraform.io";
static const char TOFU_HOST[] = "registry.opentofu.org";
enum { MOST_ENTRIES = 4096 };

static void globfreep(glob_t *found) {
    globfree(found);
}
#define cleanup_glob __attribute__((cleanup(globfreep)))

/// Finds FOLDER/<pattern>; none is no failure.
static bool find(const char *folder, const char *pattern, glob_t *found, struct error *err) {
    cleanup_free char *whole = xasprintf("%s/%s", folder, pattern);
    const int result = glob(whole, GLOB_ERR, NULL, found);
    if (result != 0 && result != GLOB_NOMATCH) {
        return error_set(err, "mirror", "cannot read %s", folder);
    }
    return found->gl_pathc <= MOST_ENTRIES ||
           error_set(err, "mirror", "%s has more than %d entries", folder, MOST_ENTRIES);
}

/// What registries call hosts, namespaces, types and versions: nothing that the configuration's
/// syntax or a path would take for something else.
static bool is_plain(const char *path) {
    return slice_is_word(slice_text(path), "._-/:+");
}

// --- Links -----------------------------------------------------------------------------------

static bool link_entry(const char *entry, const char *mirror, const char *from, const char *links,
                       const char *to, struct error *err) {
    const char *rest = entry + strlen(mirror) + 1 + strlen(from); // "/hashicorp/aws/..."
    cleanup_free char *path = xasprintf("%s/%s%s", links, to, rest);
    char *last = strrchr(path, '/');
    *last = '\0';
    if (!files_make_directories(path, 0700, err)) {
        return false;
    }
    *last = '/';
    return symlink(entry, path) == 0 || error_errno(err, errno, "cannot make %s", path);
}

/// Links what is under the host `from` under the host `to`, where the mirror does not have that.
static bool link_host(const char *mirror, const char *from, const char *links, const char *to,
                      struct error *err) {
    cleanup_free char *other = xasprintf("%s/%s", mirror, to);
    if (access(other, F_OK) == 0) {
        return true;
    }
    static const char *const forms[] = {"*/*/*/*", "*/*/*.zip"};
    for (size_t form = 0; form < ARRAY_LENGTH(forms); form++) {
        cleanup_glob glob_t found = {0};
        cleanup_free char *pattern = xasprintf("%s/%s", from, forms[form]);
        if (!find(mirror, pattern, &found, err)) {
            return false;
        }
        for (size_t i = 0; i < found.gl_pathc; i++) {
            if (is_plain(found.gl_pathv[i]) &&
                !link_entry(found.gl_pathv[i], mirror, from, links, to, err)) {
                return false;
            }
        }
    }
    return true;
}

// --- Text ----------------------------------------------------------------------------------------

/// Appends the providers of a folder, "HOST/NAMESPACE/TYPE", as a list's elements.
static bool append_providers(const char *folder, struct buffer *out, struct error *err) {
    cleanup_glob glob_t found = {0};
    if (!find(folder, "*.*/*/*", &found, err)) {
        return false;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *name = found.gl_pathv[i] + strlen(folder) + 1;
        struct stat status;
        if (is_plain(name) && stat(found.gl_pathv[i], &status) == 0 && S_ISDIR(status.st_mode)) {
            buffer_appendf(out, "%s\"%s\"", out->len > 0 ? ", " : "", name);
        }
    }
    return buffer_check(out, "list of providers", err);
}

static void append_mirror(struct buffer *out, const char *folder, const struct buffer *providers) {
    if (providers->len > 0) {
        buffer_appendf(out,
                       "  filesystem_mirror {\n    path    = \"%s\"\n    include = [%s]\n  }\n",
                       folder, buffer_text(providers));
    }
}

bool mirror_config_make(const char *mirror, const char *links, struct buffer *out,
                        struct error *err) {
    cleanup_buffer struct buffer own = BUFFER_INIT(out->max);
    cleanup_buffer struct buffer linked = BUFFER_INIT(out->max);
    if (access(mirror, R_OK | X_OK) != 0) {
        error_errno(err, errno, "cannot read %s", mirror);
        return error_set(err, "mirror", "%s", err->message);
    }
    if (!append_providers(mirror, &own, err)) {
        return false;
    }
    if (own.len == 0) {
        return error_set(err, "mirror",
                         "there is no provider in it; expected folders of the form "
                         "registry.terraform.io/hashicorp/aws/VERSION/linux_amd64");
    }
    if (!link_host(mirror, TERRAFORM_HOST, links, TOFU_HOST, err) ||
        !link_host(mirror, TOFU_HOST, links, TERRAFORM_HOST, err) ||
        (access(links, F_OK) == 0 && !append_providers(links, &linked, err))) {
        return false;
    }
    buffer_append_text(out, "provider_installation {\n");
    append_mirror(out, mirror, &own);
    append_mirror(out, links, &linked);
    buffer_appendf(out, "  direct {\n    exclude = [%s%s%s]\n  }\n}\n", buffer_text(&own),
                   linked.len > 0 ? ", " : "", buffer_text(&linked));
    return buffer_check(out, "CLI configuration", err);
}
