// SPDX-License-Identifier: Apache-2.0
#include "common/timestamp.h"

#include <curl/curl.h>
#include <stdio.h>
#include <time.h>

#include "common/cleanup.h"

/// Breaks the time down; what is out of the years 0 to 9999 is clamped.
static struct tm broken_down(int64_t epoch_ms, int *milliseconds) {
    const int64_t first = -62167219200000; // 0000-01-01T00:00:00Z
    const int64_t last = 253402300799999;  // 9999-12-31T23:59:59.999Z
    int64_t clamped = epoch_ms < first ? first : epoch_ms;
    clamped = clamped > last ? last : clamped;
    int64_t seconds = clamped / 1000;
    int64_t rest = clamped % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    *milliseconds = (int)rest;
    const time_t time = (time_t)seconds;
    struct tm parts = {0};
    // Cannot fail between those two years.
    (void)gmtime_r(&time, &parts);
    return parts;
}

/// The year as at most four digits, which the compiler cannot know.
static unsigned year_of(const struct tm *parts) {
    return (unsigned)(parts->tm_year + 1900) % 10000;
}

static struct timestamp format_time(int64_t epoch_ms, const char *style) {
    int milliseconds = 0;
    const struct tm parts = broken_down(epoch_ms, &milliseconds);
    struct timestamp result = {.text = ""};
    char rest[24] = "";
    (void)strftime(rest, sizeof(rest), style, &parts);
    (void)snprintf(result.text, sizeof(result.text), "%04u%s", year_of(&parts), rest);
    return result;
}

struct timestamp timestamp_rfc3339(int64_t epoch_ms) {
    int milliseconds = 0;
    (void)broken_down(epoch_ms, &milliseconds);
    struct timestamp seconds = format_time(epoch_ms, "-%m-%dT%H:%M:%S");
    struct timestamp result = {.text = ""};
    (void)snprintf(result.text, sizeof(result.text), "%.19s.%03uZ", seconds.text,
                   (unsigned)milliseconds % 1000);
    return result;
}

struct timestamp timestamp_rfc3339_seconds(int64_t epoch_ms) {
    return format_time(epoch_ms, "-%m-%dT%H:%M:%SZ");
}

struct timestamp timestamp_basic(int64_t epoch_ms) {
    return format_time(epoch_ms, "%m%dT%H%M%SZ");
}

/// Takes `count` digits off the front; false if there are fewer.
static bool take_digits(struct slice *text, size_t count, int *value) {
    int number = 0;
    for (size_t i = 0; i < count; i++) {
        if (i >= text->len || text->data[i] < '0' || text->data[i] > '9') {
            return false;
        }
        number = number * 10 + (text->data[i] - '0');
    }
    *text = slice_skip(*text, count);
    *value = number;
    return true;
}

static bool take(struct slice *text, char byte) {
    if (text->len == 0 || text->data[0] != byte) {
        return false;
    }
    *text = slice_skip(*text, 1);
    return true;
}

/// Takes two numbers of two digits, with `separator` between them if `extended`.
static bool take_pair(struct slice *text, bool extended, char separator, int *first, int *second) {
    return take_digits(text, 2, first) && (!extended || take(text, separator)) &&
           take_digits(text, 2, second);
}

/// Takes ".123456" or ",123456"; what is finer than milliseconds is dropped.
static bool take_fraction(struct slice *text, int *milliseconds) {
    *milliseconds = 0;
    if (!take(text, '.') && !take(text, ',')) {
        return true;
    }
    int scale = 100;
    int digit = 0;
    if (!take_digits(text, 1, &digit)) {
        return false;
    }
    do {
        *milliseconds += digit * scale;
        scale /= 10;
    } while (take_digits(text, 1, &digit));
    return true;
}

/// Takes "Z", "+hh", "+hh:mm", "+hhmm", or nothing.
static bool take_offset(struct slice *text, int *minutes) {
    *minutes = 0;
    if (take(text, 'Z') || take(text, 'z') || text->len == 0) {
        return true;
    }
    const int sign = text->data[0] == '-' ? -1 : 1;
    int hours = 0;
    int rest = 0;
    if ((!take(text, '+') && !take(text, '-')) || !take_digits(text, 2, &hours)) {
        return false;
    }
    if (text->len > 0) {
        (void)take(text, ':');
        if (!take_digits(text, 2, &rest)) {
            return false;
        }
    }
    *minutes = sign * (hours * 60 + rest);
    return hours < 24 && rest < 60;
}

bool timestamp_parse(struct slice text, int64_t *epoch_ms) {
    struct tm parts = {0};
    int milliseconds = 0;
    int offset = 0;
    int year = 0;
    if (!take_digits(&text, 4, &year)) {
        return false;
    }
    const bool extended_date = take(&text, '-');
    if (!take_pair(&text, extended_date, '-', &parts.tm_mon, &parts.tm_mday) ||
        (!take(&text, 'T') && !take(&text, 't') && !take(&text, ' '))) {
        return false;
    }
    const bool extended_time = text.len > 2 && text.data[2] == ':';
    if (!take_pair(&text, extended_time, ':', &parts.tm_hour, &parts.tm_min) ||
        (extended_time && !take(&text, ':')) || !take_digits(&text, 2, &parts.tm_sec) ||
        !take_fraction(&text, &milliseconds) || !take_offset(&text, &offset) || text.len > 0) {
        return false;
    }
    parts.tm_year = year - 1900;
    parts.tm_mon -= 1;
    const struct tm wanted = parts;
    // timegm puts 31 April right instead of refusing it; a leap second is taken as the next one.
    const int64_t seconds = (int64_t)timegm(&parts);
    if (wanted.tm_sec > 60 || wanted.tm_hour > 23 || wanted.tm_min > 59 ||
        (wanted.tm_sec < 60 &&
         (parts.tm_mon != wanted.tm_mon || parts.tm_mday != wanted.tm_mday))) {
        return false;
    }
    *epoch_ms = (seconds - (int64_t)offset * 60) * 1000 + milliseconds;
    return true;
}

bool timestamp_parse_http(struct slice text, int64_t *epoch_ms) {
    cleanup_free char *copy = slice_copy(text);
    const time_t seconds = curl_getdate(copy, NULL);
    if (text.len == 0 || seconds == -1) {
        return false;
    }
    *epoch_ms = (int64_t)seconds * 1000;
    return true;
}
