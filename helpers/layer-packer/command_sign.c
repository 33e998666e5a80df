// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

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
    .synopsis = "--key PRIVATE.pem ZIP",
    .summary = "Writes ZIP.sig, the 64 bytes that `openssl pkeyutl -sign -rawin` would make.",
    .specs = specs,
};

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
        error_set(&err, "usage", "name one ZIP");
        return command_misused("sign", &err);
    }
    if (!signature_write(operands.items[0], arguments.key, &err)) {
        return command_failed(&err);
    }
    printf("%s.sig: signed\n", operands.items[0]);
    return command_done();
}
