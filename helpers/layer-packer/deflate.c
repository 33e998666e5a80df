// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/deflate.h"

#include <libdeflate.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/alloc.h"

enum {
    /// Where inflate puts what nobody reads.
    SCRATCH_SIZE = 64 * 1024,
    /// The most that filling up adds: a byte and the lengths of an empty stored block.
    FILLING = 5,
};

struct deflater {
    struct libdeflate_compressor *compressor;
    z_stream inflater;
    bool has_inflater;
    unsigned char scratch[SCRATCH_SIZE];
};

struct deflater *deflater_new(int level) {
    struct deflater *deflater = xcalloc(1, sizeof(*deflater));
    deflater->compressor = libdeflate_alloc_compressor(level);
    // NULL is answered by deflate_block.
    return deflater;
}

void deflater_destroy(struct deflater *deflater) {
    if (!deflater) {
        return;
    }
    if (deflater->compressor) {
        libdeflate_free_compressor(deflater->compressor);
    }
    if (deflater->has_inflater) {
        (void)inflateEnd(&deflater->inflater);
    }
    free(deflater);
}

size_t deflate_bound(struct deflater *deflater, size_t size) {
    return libdeflate_deflate_compress_bound(deflater->compressor, size) + FILLING;
}

/// zlib's notes on where it stands, in data_type.
enum { UNUSED_BITS = 7, IN_LAST_BLOCK = 64, AT_BLOCK_END = 128 };

/// How many bits of the input are read.
static size_t bits_read(const z_stream *stream, const unsigned char *start) {
    const size_t bytes = (size_t)(stream->next_in - start);
    return 8 * bytes - (size_t)(stream->data_type & UNUSED_BITS);
}

/// Finds the first bit of the final block, which is its mark, and the end of the stream in bits.
static bool find_final_block(struct deflater *deflater, unsigned char *stream, size_t length,
                             size_t *mark, size_t *end) {
    z_stream *inflater = &deflater->inflater;
    if (length > UINT_MAX ||
        (deflater->has_inflater ? inflateReset(inflater) : inflateInit2(inflater, -15)) != Z_OK) {
        return false;
    }
    deflater->has_inflater = true;
    inflater->next_in = stream;
    inflater->avail_in = (unsigned)length;
    *mark = 0;
    for (;;) {
        inflater->next_out = deflater->scratch;
        inflater->avail_out = SCRATCH_SIZE;
        const int result = inflate(inflater, Z_BLOCK);
        if (result != Z_OK) {
            return false;
        }
        if ((inflater->data_type & AT_BLOCK_END) == 0) {
            continue;
        }
        if ((inflater->data_type & IN_LAST_BLOCK) != 0) {
            *end = bits_read(inflater, stream);
            return true;
        }
        *mark = bits_read(inflater, stream);
    }
}

/// Takes the final mark away and fills up to a whole byte.
static bool open_end(struct deflater *deflater, unsigned char *out, size_t *length,
                     struct error *err) {
    size_t mark = 0;
    size_t end = 0;
    if (!find_final_block(deflater, out, *length, &mark, &end)) {
        return error_set(err, "deflate", "what libdeflate compressed cannot be read by zlib");
    }
    out[mark / 8] = (unsigned char)(out[mark / 8] & ~(1U << (mark % 8)));
    // The stored block: three zero bits, zeros up to a whole byte, and the lengths 0 and ~0.
    const size_t whole = (end + 3 + 7) / 8;
    memset(out + *length, 0, whole - *length);
    memcpy(out + whole, "\x00\x00\xff\xff", 4);
    *length = whole + 4;
    return true;
}

bool deflate_block(struct deflater *deflater, const void *data, size_t size, bool last,
                   unsigned char *out, size_t room, size_t *length, struct error *err) {
    if (!deflater->compressor) {
        return error_set(err, "deflate", "no memory to compress with");
    }
    *length = libdeflate_deflate_compress(deflater->compressor, data, size, out, room - FILLING);
    if (*length == 0) {
        return error_set(err, "deflate", "libdeflate cannot compress %zu bytes", size);
    }
    return last || open_end(deflater, out, length, err);
}
