// SPDX-License-Identifier: Apache-2.0
/// What the broker takes at most, and how long it waits: all of its limits, each once.
///
/// Of others: JOB_LARGEST_ANSWER (an answer that hands out a job) in gitlab/job.h, connections and
/// silent peers in common/http/http_server.h, pauses between attempts in gitlab/gitlab.h.
#pragma once

enum {
    // --- Bytes

    /// A job request says what the runner can do, an update little more than a state: a few
    /// kilobytes. Anybody in the environment may send them, many at a time.
    BROKER_LARGEST_REQUEST = 64 << 10,
    /// A piece of the trace; gitlab-runner sends 1 MiB at most.
    BROKER_LARGEST_PATCH = 2 << 20,
    /// Of all patches that are being received or sent.
    BROKER_MOST_BUFFERED = 6 << 20,
    /// A line of ours for the trace.
    BROKER_LARGEST_LINE = 8 << 10,
    /// GitLab's answer to a patch or an update.
    BROKER_LARGEST_ANSWER = 64 << 10,
    /// A session of the job role, or why there is none, as JSON.
    BROKER_LARGEST_SESSION = 32 << 10,

    // --- Milliseconds

    /// The first reading of the runner token, which the start waits for.
    BROKER_FIRST_TOKEN_MS = 30000,
    /// A later one, after GitLab refused it.
    BROKER_LATER_TOKEN_MS = 4000,
    /// How much longer than it waits for a job the broker waits for any good answer of GitLab.
    BROKER_GRACE_MS = 30000,
    /// With less than this left, GitLab is asked for an answer at once: otherwise it holds a job
    /// request, by default for 50 s, where it is told what we saw last.
    BROKER_SHORT_WAIT_MS = 60000,
    /// A patch or an update of the runner, which sends it again after that.
    BROKER_PATIENCE_MS = 60000,
    /// Our line before the runner's own final update.
    BROKER_LINE_PATIENCE_MS = 20000,
    /// GitLab refuses an update because of the trace's checksum, or before it knows that the job
    /// was taken: so often in a row it is told otherwise, with pauses that grow.
    BROKER_MOST_REFUSALS = 5,
    /// A runner that asks for a job again waits up to so much longer, by chance, so that functions
    /// which began together do not ask together for ever.
    BROKER_ASK_JITTER_MS = 500,
    /// A job that says nothing is looked after by ourselves: a runner may leave it alone for
    /// minutes, but a cancel has to end the invocation within 45 s, most of which the job gets for
    /// its end.
    BROKER_SILENCE_MS = 5000,
    /// How often that is looked at, at the most seldom, and how long one question may take.
    BROKER_WATCH_MS = 1000,
    BROKER_TOUCH_PATIENCE_MS = 10000,
    /// Where GitLab has accepted an update but is not done with it.
    BROKER_ACCEPTED_PAUSE_MS = 1000,
    /// With less than this left GitLab is not waited for: a pause and an attempt or two.
    BROKER_ACCEPTED_LAST_MS = 2000,
    /// Artifacts of which nothing moves: GitLab may need minutes after the last byte of an upload.
    BROKER_STALL_MS = 600000,

    // --- Seconds

    /// How seldom GitLab may let the runner send its trace. With more than this (60 where nobody
    /// watches) a runner learns of a cancel too late to run after_script.
    BROKER_LONGEST_INTERVAL_S = 15,
};
