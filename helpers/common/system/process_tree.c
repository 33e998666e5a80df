// SPDX-License-Identifier: Apache-2.0
/// Ending whole trees of processes, and no other: the listing goes from us downwards, so that each
/// one's parent was found to be ours before it.
#include <unistd.h>

#include "common/system/process.h"
#include "common/system/process_list.h"

/// All descendants as of the listing, parents before their children.
static void choose_descendants(struct process_listing *all, struct process_listing *ours,
                               void *unused) {
    (void)unused;
    const pid_t self = getpid();
    size_t next = 0;
    for (pid_t parent = self;; parent = ours->entries[next++].pid) {
        for (size_t i = 0; i < all->count; i++) {
            if (all->entries[i].parent == parent && all->entries[i].pid != self) {
                process_listing_add(ours, all->entries[i]);
                // Taken: a listing made while ids were used again must not send us in circles.
                all->entries[i].parent = -1;
            }
        }
        if (next == ours->count) {
            return;
        }
    }
}

bool process_kill_descendants(int64_t limit_ms, struct error *err) {
    // One that vanished was reaped by its parent, and what it left is our child by now.
    const struct process_choice descendants = {.choose = choose_descendants, .quiet_looks = 1};
    return process_kill_chosen(&descendants, limit_ms, err);
}

unsigned process_count_descendants(void) {
    cleanup_process_listing struct process_listing all = {0};
    cleanup_process_listing struct process_listing ours = {0};
    struct error ignored;
    if (!process_list(&all, &ignored)) {
        return 0;
    }
    choose_descendants(&all, &ours, NULL);
    unsigned count = 0;
    for (size_t i = 0; i < ours.count; i++) {
        count += process_is_alive(&ours.entries[i]) ? 1U : 0U;
    }
    return count;
}
