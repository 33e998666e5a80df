// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "layer-packer/commands.h"
#include "layer-packer/signature.h"

struct arguments {
    const char *key;
};

static const struct option_spec specs[] = {
    {.name = "key",
     .value = "PRIVATE.pem",
     .help = "An Ed25519 key, as `openssl genpkey -algorithm ed25519` makes it.",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct arguments, key)},
    {0},
};
static const struct options options = {
    .program = "layer-packer sign",
    .synopsis = "--key PRIVATE.pem (ZIP | FOLDER)",
    .summary = "Writes ZIP.sig, the 64 bytes that `openssl pkeyutl -sign -rawin` would make; of a "
               "release's FOLDER its SHA256SUMS.sig, which has the same for SHA256SUMS in base64, "
               "on a line.",
    .specs = specs,
};

/// A folder is a release, of which SHA256SUMS is signed.
static bool sign(const char *path, const char *key, struct error *err) {
    struct stat status;
    const bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    cleanup_free char *file = folder ? xasprintf("%s/SHA256SUMS", path) : xstrdup(path);
    if (!signature_write(file, key, folder ? SIGNATURE_BASE64 : SIGNATURE_RAW, err)) {
        return false;
    }
    printf("%s.sig: signed\n", file);
    return true;
}

int command_sign(int argc, char **argv) {
    struct arguments arguments = {0};
    cleanup_options_operands struct options_operands operands = {0};
    int code = EXIT_SUCCESS;
    struct error err;
    if (!command_parse(&options, "sign", argc, argv, &arguments, &operands, &code)) {
        return code;
    }
    if (!arguments.key) {
        error_set(&err, "usage", "--key PRIVATE.pem is missing");
        return command_misused("sign", &err);
    }
    if (operands.count != 1) {
        error_set(&err, "usage", "name one ZIP or FOLDER");
        return command_misused("sign", &err);
    }
    return sign(operands.items[0], arguments.key, &err) ? command_done() : command_failed(&err);
}
