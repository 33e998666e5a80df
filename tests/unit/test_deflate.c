// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "layer-packer/deflate.h"

static struct error err;

/// Bytes of all kinds: runs, words that come again, noise.
static unsigned char *make_content(size_t size, unsigned seed) {
    unsigned char *content = xmalloc(size + 1);
    unsigned state = seed * 2654435761U + 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 1103515245U + 12345U;
        const unsigned kind = (unsigned)(i >> 10) % 3;
        content[i] = (unsigned char)(kind == 0 ? seed : kind == 1 ? (i * seed) % 251 : state >> 16);
    }
    return content;
}

/// Inflates all of `stream` and checks that it is `content` and ends where the stream ends.
static void check_stream(const unsigned char *stream, size_t length, const unsigned char *content,
                         size_t size) {
    cleanup_free unsigned char *out = xmalloc(size + 1);
    z_stream inflater = {.next_in = (unsigned char *)(uintptr_t)stream,
                         .avail_in = (unsigned)length,
                         .next_out = out,
                         .avail_out = (unsigned)size + 1};
    ck_assert_int_eq(inflateInit2(&inflater, -15), Z_OK);
    ck_assert_int_eq(inflate(&inflater, Z_FINISH), Z_STREAM_END);
    ck_assert_uint_eq(inflater.avail_in, 0);
    ck_assert_uint_eq(inflater.total_out, size);
    ck_assert_int_eq(memcmp(out, content, size), 0);
    (void)inflateEnd(&inflater);
}

START_TEST(blocks_join_to_one_stream) {
    static const size_t sizes[] = {1, 2, 3, 63, 64, 100, 1000, 65535, 65536, 300000};
    const int level = 1 + _i;
    struct deflater *deflater = deflater_new(level);
    cleanup_free unsigned char *content = make_content(4 * 300000, (unsigned)level);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        const size_t size = sizes[s];
        const size_t room = deflate_bound(deflater, size);
        cleanup_free unsigned char *stream = xmalloc(4 * room);
        size_t total = 0;
        for (unsigned block = 0; block < 4; block++) {
            size_t length = 0;
            ck_assert_msg(deflate_block(deflater, content + block * size, size, block == 3,
                                        stream + total, room, &length, &err),
                          "%s", err.message);
            ck_assert_uint_le(length, room);
            total += length;
        }
        check_stream(stream, total, content, 4 * size);
    }
    deflater_destroy(deflater);
}
END_TEST

START_TEST(noise_fits_in_its_bound) {
    struct deflater *deflater = deflater_new(7);
    enum { SIZE = 200000 };
    cleanup_free unsigned char *content = xmalloc(SIZE);
    unsigned state = 1;
    for (size_t i = 0; i < SIZE; i++) {
        state = state * 1664525U + 1013904223U;
        content[i] = (unsigned char)(state >> 24);
    }
    for (size_t size = 0; size < SIZE; size = size * 2 + 1) {
        const size_t room = deflate_bound(deflater, size);
        cleanup_free unsigned char *stream = xmalloc(room);
        size_t length = 0;
        ck_assert(deflate_block(deflater, content, size, true, stream, room, &length, &err));
        check_stream(stream, length, content, size);
    }
    deflater_destroy(deflater);
}
END_TEST

START_TEST(gives_the_same_bytes_again) {
    enum { SIZE = 100000 };
    cleanup_free unsigned char *content = make_content(SIZE, 3);
    struct deflater *used = deflater_new(7);
    const size_t room = deflate_bound(used, SIZE);
    cleanup_free unsigned char *first = xmalloc(room);
    cleanup_free unsigned char *second = xmalloc(room);
    size_t length = 0;
    size_t again = 0;
    ck_assert(deflate_block(used, content, SIZE, false, first, room, &length, &err));
    struct deflater *fresh = deflater_new(7);
    ck_assert(deflate_block(fresh, content, 777, false, second, room, &again, &err));
    ck_assert(deflate_block(fresh, content, SIZE, false, second, room, &again, &err));
    ck_assert_uint_eq(length, again);
    ck_assert_int_eq(memcmp(first, second, length), 0);
    deflater_destroy(used);
    deflater_destroy(fresh);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("deflate");
    TCase *tcase = tcase_create("deflate");
    tcase_add_loop_test(tcase, blocks_join_to_one_stream, 0, DEFLATE_MAX_LEVEL);
    tcase_add_test(tcase, noise_fits_in_its_bound);
    tcase_add_test(tcase, gives_the_same_bytes_again);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
