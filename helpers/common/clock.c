// SPDX-License-Identifier: Apache-2.0
#include "common/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t id) {
    struct timespec now = {0};
    // The two clocks that we ask for exist on every Linux.
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_now_ms(struct clock *clock) {
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(struct clock *clock) {
    (void)clock;
    return read_clock(CLOCK_MONOTONIC);
}

static bool system_sleep_ms(struct clock *clock, int64_t milliseconds, int cancel_fd) {
    const int64_t start = system_monotonic_ms(clock);
    // A negative descriptor is one that poll ignores.
    struct pollfd cancel = {.fd = cancel_fd > 0 ? cancel_fd : -1, .events = POLLIN};
    for (;;) {
        const int64_t left = milliseconds - (system_monotonic_ms(clock) - start);
        const int timeout = left > INT_MAX ? INT_MAX : (int)(left > 0 ? left : 0);
        const int ready = poll(&cancel, 1, timeout);
        if (ready > 0) {
            return false;
        }
        if (left <= 0 || (ready < 0 && errno != EINTR)) {
            return true;
        }
    }
}

static uint32_t system_random(struct clock *clock) {
    uint32_t value = 0;
    if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value)) {
        // Good enough for jitter.
        value = (uint32_t)system_monotonic_ms(clock) * 2654435761U;
    }
    return value;
}

struct clock *clock_system(void) {
    static struct clock clock = {
        .now_ms = system_now_ms,
        .monotonic_ms = system_monotonic_ms,
        .sleep_ms = system_sleep_ms,
        .random = system_random,
    };
    return &clock;
}

int64_t clock_now_ms(struct clock *clock) {
    return clock->now_ms(clock);
}

int64_t clock_monotonic_ms(struct clock *clock) {
    return clock->monotonic_ms(clock);
}

bool clock_sleep_ms(struct clock *clock, int64_t milliseconds, int cancel_fd) {
    return clock->sleep_ms(clock, milliseconds, cancel_fd);
}

int64_t clock_left_ms(struct clock *clock, int64_t deadline_ms) {
    if (deadline_ms <= 0) {
        return INT64_MAX;
    }
    const int64_t left = deadline_ms - clock_now_ms(clock);
    return left > 0 ? left : 0;
}

int64_t clock_random_up_to(struct clock *clock, int64_t limit) {
    if (limit <= 0) {
        return 0;
    }
    // A fraction of the limit; in steps of 2^-32 of it, which is finer than jitter needs.
    const double fraction = (double)clock->random(clock) / (double)UINT32_MAX;
    const int64_t value = (int64_t)((double)limit * fraction);
    return value > limit ? limit : value;
}

static struct fake_clock *fake(struct clock *clock) {
    // The clock is the first member.
    return (struct fake_clock *)clock;
}

static int64_t fake_now_ms(struct clock *clock) {
    return fake(clock)->now_ms;
}

static int64_t fake_monotonic_ms(struct clock *clock) {
    return fake(clock)->monotonic_ms;
}

static bool fake_sleep_ms(struct clock *clock, int64_t milliseconds, int cancel_fd) {
    if (cancel_fd > 0) {
        struct pollfd cancel = {.fd = cancel_fd, .events = POLLIN};
        if (poll(&cancel, 1, 0) > 0) {
            return false;
        }
    }
    const int64_t slept = milliseconds > 0 ? milliseconds : 0;
    fake(clock)->now_ms += slept;
    fake(clock)->monotonic_ms += slept;
    fake(clock)->slept_ms += slept;
    fake(clock)->sleeps++;
    return true;
}

static uint32_t fake_random(struct clock *clock) {
    return fake(clock)->random;
}

void fake_clock_init(struct fake_clock *fake_clock, int64_t now_ms) {
    *fake_clock = (struct fake_clock){
        .clock = {.now_ms = fake_now_ms,
                  .monotonic_ms = fake_monotonic_ms,
                  .sleep_ms = fake_sleep_ms,
                  .random = fake_random},
        .now_ms = now_ms,
        .monotonic_ms = 1000,
    };
}
