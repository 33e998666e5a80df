// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/array.h"
#include "common/buffer.h"
#include "common/cleanup.h"
#include "common/json.h"
#include "common/system/digest.h"

bool summary_read(int fd, const char *path, struct summary *summary, struct error *err) {
    unsigned char digest[DIGEST_SIZE];
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_errno(err, errno, "%s", path);
    }
    if (!digest_fd(fd, path, digest, err)) {
        return false;
    }
    summary->path = path;
    summary->size = (uint64_t)status.st_size;
    digest_hex(digest, summary->sha256);
    cleanup_buffer struct buffer text = BUFFER_INIT(sizeof(summary->source_code_hash));
    (void)encoding_append_base64(&text, slice_make(digest, sizeof(digest)));
    (void)snprintf(summary->source_code_hash, sizeof(summary->source_code_hash), "%s",
                   buffer_text(&text));
    return true;
}

void summary_print_json(const struct summary *summary) {
    cleanup_buffer struct buffer path = BUFFER_INIT(SIZE_MAX / 2);
    (void)json_append_string(&path, slice_text(summary->path));
    printf("{\"path\":%s,\"sha256\":\"%s\",\"source_code_hash\":\"%s\",\"size\":%" PRIu64
           ",\"unzipped_size\":%" PRIu64 ",\"entries\":%" PRIu64 "}\n",
           buffer_text(&path), summary->sha256, summary->source_code_hash, summary->size,
           summary->unzipped_size, summary->entries);
}

char *summary_format_size(uint64_t bytes) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    double number = (double)bytes;
    while (number >= 999.95 && unit + 1 < ARRAY_LENGTH(units)) {
        number /= 1000;
        unit++;
    }
    return xasprintf(unit == 0 ? "%.0f %s" : "%.1f %s", number, units[unit]);
}

void summary_print(const struct summary *summary) {
    cleanup_free char *size = summary_format_size(summary->size);
    cleanup_free char *unzipped = summary_format_size(summary->unzipped_size);
    printf("%s: %" PRIu64 " %s, %s, unzipped %s\n", summary->path, summary->entries,
           summary->entries == 1 ? "entry" : "entries", size, unzipped);
    printf("  sha256            %s\n", summary->sha256);
    printf("  source_code_hash  %s\n", summary->source_code_hash);
}
