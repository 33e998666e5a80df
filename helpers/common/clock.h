// SPDX-License-Identifier: Apache-2.0
/// Time, and the randomness of waiting, handed in: tests bring their own and never sleep.
///
/// Deadlines are Unix epoch milliseconds throughout, as Lambda gives them; 0 or less means none.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock {
    int64_t (*now_ms)(struct clock *clock);
    int64_t (*monotonic_ms)(struct clock *clock);
    bool (*sleep_ms)(struct clock *clock, int64_t milliseconds, int cancel_fd);
    uint32_t (*random)(struct clock *clock);
};

/// The machine's clock. It is shared and needs no release; all of it may be used from any thread.
struct clock *clock_system(void);

/// Unix epoch milliseconds.
int64_t clock_now_ms(struct clock *clock);
/// Milliseconds of a clock that nobody sets, from an arbitrary start.
int64_t clock_monotonic_ms(struct clock *clock);
/// Waits; returns false at once when `cancel_fd` becomes readable (0 or less: nothing cancels).
bool clock_sleep_ms(struct clock *clock, int64_t milliseconds, int cancel_fd);
/// What is left until `deadline_ms`: never negative; INT64_MAX where it is no deadline.
int64_t clock_left_ms(struct clock *clock, int64_t deadline_ms);
/// A random number from 0 to `limit` inclusive, for jitter (not for secrets).
int64_t clock_random_up_to(struct clock *clock, int64_t limit);

/// A clock for tests: it stands still, and sleeping moves it.
struct fake_clock {
    struct clock clock;
    int64_t now_ms;
    int64_t monotonic_ms;
    /// What clock_random_up_to() draws from, always the same: 0 gives 0, UINT32_MAX the limit.
    uint32_t random;
    /// The sum and number of the sleeps so far.
    int64_t slept_ms;
    unsigned sleeps;
};
void fake_clock_init(struct fake_clock *fake_clock, int64_t now_ms);
