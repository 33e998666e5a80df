// SPDX-License-Identifier: Apache-2.0
#include "layer-packer/compress.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <libdeflate.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "layer-packer/deflate.h"
#include "layer-packer/source.h"

enum {
    /// Large files are compressed in blocks of this size. A part of the format: other sizes give
    /// other bytes.
    BLOCK_SIZE = 4 * 1024 * 1024,
    /// What a thread has room for until it meets a larger file.
    SMALL_BLOCK = 64 * 1024,
    /// Smaller files do not get smaller.
    SMALLEST_DEFLATED = 64,
    /// Jobs that are done or under way and not taken yet, for each thread.
    JOBS_AHEAD = 8,
};

/// One block of one file; where it is kept is a ring of as many jobs as may be ahead.
struct job {
    unsigned char *data;
    size_t length;
    size_t raw_length;
    uint32_t crc;
    bool done;
    bool failed;
    struct error error;
};

struct compressor {
    const struct tree *tree;
    int level;

    pthread_mutex_t lock;
    /// A job is done.
    pthread_cond_t done;
    /// There is room for another job, or it is time to stop.
    pthread_cond_t room;
    bool stop;

    struct job *ring;
    size_t ring_size;
    /// The numbers of the next job to begin and to take; those between are in the ring.
    uint64_t begun;
    uint64_t taken;
    /// The file and offset of the next job to begin.
    size_t next_entry;
    uint64_t next_offset;

    /// The taker's side: the piece it has, the file and where it is in it.
    unsigned char *piece;
    size_t entry;
    uint64_t offset;
    uint32_t crc;
    bool in_entry;

    pthread_t *threads;
    unsigned thread_count;
};

bool compress_is_deflated(const struct entry *entry) {
    return entry->found.st_size >= SMALLEST_DEFLATED;
}

// --- Threads ----------------------------------------------------------------------------------

/// What one thread has for itself.
struct worker {
    struct deflater *deflater;
    unsigned char *input;
    size_t input_size;
};

/// A block that was taken on.
struct order {
    const struct entry *entry;
    uint64_t offset;
    size_t length;
    bool last;
    struct job *job;
};

static bool read_block(struct worker *worker, const struct order *order, struct error *err) {
    if (worker->input_size < order->length) {
        free(worker->input);
        worker->input = NULL;
        worker->input_size = BLOCK_SIZE;
        worker->input = xmalloc(worker->input_size);
    }
    const int fd = source_open(order->entry, err);
    if (fd < 0) {
        return false;
    }
    const bool good =
        source_read(order->entry, fd, order->offset, worker->input, order->length, err) &&
        source_is_unchanged(order->entry, fd, err);
    source_close(order->entry, fd);
    return good;
}

static bool do_block(struct worker *worker, const struct order *order, struct error *err) {
    struct job *job = order->job;
    job->raw_length = order->length;
    job->crc = 0;
    if (!read_block(worker, order, err)) {
        return false;
    }
    job->crc = libdeflate_crc32(0, worker->input, order->length);
    if (!compress_is_deflated(order->entry)) {
        job->length = order->length;
        job->data = xmalloc(order->length + 1);
        memcpy(job->data, worker->input, order->length);
        return true;
    }
    const size_t room = deflate_bound(worker->deflater, order->length);
    cleanup_free unsigned char *data = xmalloc(room);
    if (!deflate_block(worker->deflater, worker->input, order->length, order->last, data, room,
                       &job->length, err)) {
        return error_prefix(err, "%s", order->entry->origin);
    }
    job->data = xreallocarray(steal_pointer(&data), job->length, 1);
    return true;
}

/// Takes the next block on; called with the lock held. False when none is left.
static bool next_order(struct compressor *compressor, struct order *order) {
    const struct tree *tree = compressor->tree;
    while (compressor->next_entry < tree->count &&
           tree->entries[compressor->next_entry].kind != ENTRY_FILE) {
        compressor->next_entry++;
    }
    if (compressor->next_entry == tree->count) {
        return false;
    }
    const struct entry *entry = &tree->entries[compressor->next_entry];
    const uint64_t left = (uint64_t)entry->found.st_size - compressor->next_offset;
    *order = (struct order){
        .entry = entry,
        .offset = compressor->next_offset,
        .length = left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE,
        .last = left <= BLOCK_SIZE,
        .job = &compressor->ring[compressor->begun++ % compressor->ring_size],
    };
    *order->job = (struct job){0};
    compressor->next_offset += order->length;
    if (order->last) {
        compressor->next_entry++;
        compressor->next_offset = 0;
    }
    return true;
}

static void *work(void *context) {
    struct compressor *compressor = context;
    struct worker worker = {.deflater = deflater_new(compressor->level),
                            .input = xmalloc(SMALL_BLOCK),
                            .input_size = SMALL_BLOCK};
    (void)pthread_mutex_lock(&compressor->lock);
    for (;;) {
        while (!compressor->stop &&
               compressor->begun - compressor->taken >= compressor->ring_size) {
            (void)pthread_cond_wait(&compressor->room, &compressor->lock);
        }
        struct order order;
        if (compressor->stop || !next_order(compressor, &order)) {
            break;
        }
        (void)pthread_mutex_unlock(&compressor->lock);
        const bool good = do_block(&worker, &order, &order.job->error);
        (void)pthread_mutex_lock(&compressor->lock);
        order.job->failed = !good;
        order.job->done = true;
        (void)pthread_cond_signal(&compressor->done);
    }
    (void)pthread_mutex_unlock(&compressor->lock);
    deflater_destroy(worker.deflater);
    free(worker.input);
    return NULL;
}

// --- Lifetime ---------------------------------------------------------------------------------

static bool start_threads(struct compressor *compressor, unsigned threads, struct error *err) {
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    // Signals are for the main thread.
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = 0;
    for (unsigned i = 0; i < threads && failure == 0; i++) {
        failure = pthread_create(&compressor->threads[i], NULL, work, compressor);
        compressor->thread_count += failure == 0 ? 1 : 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    // Fewer than were asked for do as well.
    return compressor->thread_count > 0 || error_errno(err, failure, "cannot start a thread");
}

struct compressor *compressor_start(const struct tree *tree, int level, unsigned threads,
                                    struct error *err) {
    struct compressor *compressor = xcalloc(1, sizeof(*compressor));
    compressor->tree = tree;
    compressor->level = level;
    compressor->ring_size = (size_t)JOBS_AHEAD * threads;
    compressor->ring = xcalloc(compressor->ring_size, sizeof(*compressor->ring));
    compressor->threads = xcalloc(threads, sizeof(*compressor->threads));
    (void)pthread_mutex_init(&compressor->lock, NULL);
    (void)pthread_cond_init(&compressor->done, NULL);
    (void)pthread_cond_init(&compressor->room, NULL);
    if (!start_threads(compressor, threads, err)) {
        compressor_destroy(compressor);
        return NULL;
    }
    return compressor;
}

void compressor_destroy(struct compressor *compressor) {
    if (!compressor) {
        return;
    }
    (void)pthread_mutex_lock(&compressor->lock);
    compressor->stop = true;
    (void)pthread_cond_broadcast(&compressor->room);
    (void)pthread_mutex_unlock(&compressor->lock);
    for (unsigned i = 0; i < compressor->thread_count; i++) {
        (void)pthread_join(compressor->threads[i], NULL);
    }
    for (size_t i = 0; i < compressor->ring_size; i++) {
        free(compressor->ring[i].data);
    }
    (void)pthread_mutex_destroy(&compressor->lock);
    (void)pthread_cond_destroy(&compressor->done);
    (void)pthread_cond_destroy(&compressor->room);
    free(compressor->piece);
    free(compressor->ring);
    free(compressor->threads);
    free(compressor);
}

// --- Pieces -----------------------------------------------------------------------------------

bool compressor_next(struct compressor *compressor, size_t index, struct compress_piece *piece,
                     uint32_t *crc, struct error *err) {
    const uint64_t size = (uint64_t)compressor->tree->entries[index].found.st_size;
    if (!compressor->in_entry || compressor->entry != index) {
        compressor->entry = index;
        compressor->in_entry = true;
        compressor->offset = 0;
        compressor->crc = 0;
    } else if (compressor->offset == size) {
        *piece = (struct compress_piece){0};
        *crc = compressor->crc;
        compressor->in_entry = false;
        return true;
    }
    free(compressor->piece);
    compressor->piece = NULL;
    (void)pthread_mutex_lock(&compressor->lock);
    struct job *job = &compressor->ring[compressor->taken % compressor->ring_size];
    while (!job->done) {
        (void)pthread_cond_wait(&compressor->done, &compressor->lock);
    }
    const struct job result = *job;
    *job = (struct job){0};
    compressor->taken++;
    (void)pthread_cond_signal(&compressor->room);
    (void)pthread_mutex_unlock(&compressor->lock);

    compressor->piece = result.data;
    if (result.failed) {
        *err = result.error;
        return false;
    }
    compressor->crc = (uint32_t)crc32_combine(compressor->crc, result.crc, (long)result.raw_length);
    compressor->offset += result.raw_length;
    *piece = (struct compress_piece){.data = result.data, .length = result.length};
    if (size == 0) {
        *crc = 0;
        compressor->in_entry = false;
    }
    return true;
}
