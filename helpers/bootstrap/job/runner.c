// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/job/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bootstrap/confine/filter.h"
#include "bootstrap/job/runner_log.h"
#include "bootstrap/runtime/error_types.h"
#include "common/alloc.h"
#include "common/array.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/system/files.h"

#define LAYER_BIN "/opt/bin"
/// Holds bash alone, for gitlab-runner and its jobs: the image's needs /dev/fd, which Lambda does
/// not have, for process substitution.
#define LAYER_SHELL "/opt/libexec/runlet"
enum { MAX_LOG_LINES = 500 };
/// Bytes of output handled between two looks at the runner: a flood must not keep us from it.
static const size_t MAX_DRAIN = (size_t)256 << 10;

// --- Search path ---------------------------------------------------------------------------------

static bool has_folder(const char *path, const char *wanted) {
    struct slice rest = slice_text(path);
    struct slice folder;
    while (slice_split(&rest, ':', &folder)) {
        if (slice_equal_text(folder, wanted)) {
            return true;
        }
    }
    return false;
}

char *runner_search_path(void) {
    const char *path = getenv("PATH");
    if (!path || !*path) {
        path = "/usr/local/bin:/usr/bin:/bin";
    }
    return xasprintf("%s%s%s", has_folder(path, LAYER_SHELL) ? "" : LAYER_SHELL ":", path,
                     has_folder(path, LAYER_BIN) ? "" : ":" LAYER_BIN);
}

static bool is_program(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

char *runner_find(const char *search_path, struct error *err) {
    struct slice rest = slice_text(search_path);
    struct slice folder;
    while (slice_split(&rest, ':', &folder)) {
        if (!slice_starts_with(folder, SLICE("/"))) {
            // The working directory is no place for programs.
            continue;
        }
        cleanup_free char *path =
            xasprintf("%" SLICE_FORMAT "/gitlab-runner", SLICE_ARGUMENTS(folder));
        if (is_program(path)) {
            return steal_pointer(&path);
        }
    }
    error_set(err, ERROR_RUNNER_MISSING,
              "there is no gitlab-runner in %s: add the gitlab-runner layer to the function",
              search_path);
    return NULL;
}

// --- Command line and environment --------------------------------------------------------------

char **runner_argv(const struct runner_options *options) {
    size_t extra = 0;
    while (options->extra_args && options->extra_args[extra]) {
        extra++;
    }
    // The form --name=VALUE keeps a value that begins with a dash from being an option. What is
    // here works with gitlab-runner 12.7 as well as 19: --shutdown-timeout would not (facts, 3.1).
    char *const fixed[] = {
        xstrdup(options->program),
        xstrdup("--log-format=json"),
        xstrdup("run-single"),
        xasprintf("--url=http://127.0.0.1:%u", options->broker_port),
        xasprintf("--token=%s", options->placeholder_token),
        xasprintf("--name=%s", options->name),
        xstrdup("--executor=shell"),
        xstrdup("--shell=bash"),
        xasprintf("--builds-dir=%s", workspace_builds(options->workspace)),
        xasprintf("--cache-dir=%s", workspace_cache(options->workspace)),
        xstrdup("--max-builds=1"),
        xasprintf("--wait-timeout=%lld", (long long)((options->wait_timeout_ms + 999) / 1000)),
        // Else newer runners take our broker for GitLab in the rules that they give git, and a
        // submodule is looked for there. Of an option that comes twice the last wins: the user's.
        xasprintf("--clone-url=%s", options->server_url),
    };
    size_t count = ARRAY_LENGTH(fixed);
    char **argv = xcalloc(count + extra + 1, sizeof(*argv));
    memcpy(argv, fixed, sizeof(fixed));
    for (size_t i = 0; i < extra; i++) {
        argv[count + i] = xstrdup(options->extra_args[i]);
    }
    return argv;
}

void runner_argv_destroy(char **argv) {
    for (char **argument = argv; argument && *argument; argument++) {
        free(*argument);
    }
    free(argv);
}

static void destroy_argvp(char ***argv) {
    runner_argv_destroy(*argv);
}

/// What of the function's environment a job may see. The shell executor hands all of the runner's
/// environment to the job, so a name is here because jobs need it and holds nothing secret.
static const char *const allowed[] = {
    "LANG",
    "LC_*",
    "TZ",
    "LD_LIBRARY_PATH",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    // Where AWS's API is, for the job's own calls.
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_*",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_CA_BUNDLE",
    // The way out.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "EMAIL",
    NULL,
};

/// git names somebody in each reflog. Without this address it makes one of the host's full name,
/// which it asks DNS for: seconds for each job where no name server answers (git-var(1)).
static void set_address(struct environment *environment) {
    const char *email = environment_get(environment, "EMAIL");
    if (!email || !*email) {
        environment_set_text(environment, "EMAIL", "job@runlet.invalid");
    }
}

static void set_credentials(const struct runner_options *options, struct environment *environment) {
    const struct aws_credentials *credentials = options->credentials;
    if (!credentials) {
        // There is no instance metadata service in Lambda: SDKs shall not wait for one.
        environment_set_text(environment, "AWS_EC2_METADATA_DISABLED", "true");
    } else {
        environment_set_text(environment, "AWS_ACCESS_KEY_ID", credentials->access_key);
        environment_set(environment, "AWS_SECRET_ACCESS_KEY",
                        secret_expose(credentials->secret_key));
    }
    if (credentials && credentials->session_token) {
        environment_set(environment, "AWS_SESSION_TOKEN",
                        secret_expose(credentials->session_token));
    }
    if (options->credentials_token.len > 0) {
        cleanup_free char *url =
            xasprintf("http://127.0.0.1:%u%s", options->broker_port, options->credentials_path);
        environment_set_text(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
        environment_set(environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                        options->credentials_token);
    }
}

void runner_environment(const struct runner_options *options, struct environment *environment) {
    environment_inherit(environment, allowed);
    environment_set_text(environment, "PATH", options->search_path);
    workspace_set_environment(options->workspace, environment);
    set_credentials(options, environment);
    set_address(environment);
    if (options->profiles) {
        job_profiles_set_environment(options->profiles, environment);
    }
    if (options->trace_id) {
        environment_set_text(environment, "_X_AMZN_TRACE_ID", options->trace_id);
    }
}

// --- Process -------------------------------------------------------------------------------------

struct runner {
    struct process *process;
    /// NULL where there is none.
    struct filter *filter;
    struct runner_log *log;
    /// Our end of the pipe that is its stdout and stderr; -1 once there is nothing to come.
    int output;
};

/// When memory runs out the kernel shall end the job and not us: we tell GitLab of it. Inherited by
/// all that the runner starts. Where /proc is read-only it stays as it is.
static void offer_to_oom_killer(pid_t pid) {
    cleanup_free char *path = xasprintf("/proc/%d/oom_score_adj", pid);
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    struct error ignored;
    if (fd >= 0 && !files_write_fd(fd, path, SLICE("1000"), &ignored)) {
        log_debug("the job is not preferred when memory runs out", LOG_ERROR_FIELDS(&ignored));
    }
}

/// The job runs all the same: what it may do then is found afterwards, or is its own loss.
static void tell_unconfined(const struct error *reason) {
    static bool told;
    if (!told) {
        told = true;
        log_warn(
            "jobs are not kept from signalling and slowing down the bootstrap: the kernel does "
            "not allow a seccomp filter here",
            LOG_ERROR_FIELDS(reason));
    }
}

static bool spawn(struct runner *runner, const struct runner_options *options, int output,
                  struct error *err) {
    char **argv __attribute__((cleanup(destroy_argvp))) = runner_argv(options);
    cleanup_environment struct environment environment = {0};
    runner_environment(options, &environment);
    struct process_options process = process_options((const char *const *)argv, &environment);
    process.directory = workspace_builds(options->workspace);
    process.stdout_fd = output;
    process.stderr_fd = output;
    process.die_with_parent = true;
    struct error no_filter;
    runner->filter = filter_new(&no_filter);
    process.in_child = runner->filter ? filter_install : NULL;
    process.in_child_context = runner->filter;
    runner->process = process_spawn(&process, err);
    if (!runner->process) {
        return false;
    }
    if (!runner->filter || !filter_begin(runner->filter, &no_filter)) {
        tell_unconfined(&no_filter);
    }
    offer_to_oom_killer(process_id(runner->process));
    return true;
}

static bool start(struct runner *runner, const struct runner_options *options, struct error *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return error_errno(err, errno, "cannot make a pipe");
    }
    runner->output = ends[0];
    cleanup_close int write_end = ends[1];
    // Only our end: the runner would take a full pipe that does not block for an error.
    if (fcntl(runner->output, F_SETFL, O_NONBLOCK) < 0) {
        return error_errno(err, errno, "cannot set up a pipe");
    }
    return spawn(runner, options, write_end, err);
}

struct runner *runner_start(const struct runner_options *options, struct error *err) {
    cleanup_runner struct runner *runner = xcalloc(1, sizeof(*runner));
    runner->output = -1;
    runner->log = runner_log_new(MAX_LOG_LINES);
    if (!start(runner, options, err)) {
        error_set(err, ERROR_RUNNER_CRASHED, "cannot start gitlab-runner: %s", err->message);
        return NULL;
    }
    return steal_pointer(&runner);
}

static void close_output(struct runner *runner) {
    if (runner->output >= 0) {
        close(steal_fd(&runner->output));
    }
}

/// Hands on what has been written.
static void drain(struct runner *runner) {
    char bytes[4096];
    for (size_t total = 0; runner->output >= 0 && total < MAX_DRAIN;) {
        ssize_t count = read(runner->output, bytes, sizeof(bytes));
        if (count > 0) {
            runner_log_feed(runner->log, slice_make(bytes, (size_t)count));
            total += (size_t)count;
        } else if (count < 0 && errno == EAGAIN) {
            return;
        } else if (count == 0 || errno != EINTR) {
            close_output(runner);
        }
    }
}

bool runner_wait(struct runner *runner, int64_t timeout_ms, struct process_exit *end) {
    enum process_wait result = process_wait(runner->process, timeout_ms, runner->output, end);
    drain(runner);
    return result == PROCESS_EXITED;
}

void runner_terminate(struct runner *runner) {
    struct error err;
    if (!process_signal(runner->process, SIGTERM, &err)) {
        log_warn("cannot stop gitlab-runner", LOG_ERROR_FIELDS(&err));
    }
}

void runner_destroyp(struct runner **pointer) {
    struct runner *runner = *pointer;
    if (!runner) {
        return;
    }
    drain(runner);
    close_output(runner);
    process_destroy(runner->process);
    filter_destroy(runner->filter);
    runner_log_destroy(runner->log);
    free(runner);
    *pointer = NULL;
}
