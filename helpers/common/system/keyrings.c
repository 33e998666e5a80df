// SPDX-License-Identifier: Apache-2.0
#include "common/system/keyrings.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"

/// What the kernel gives a user's keyring, 0x1f3f0000, but without the right of its user to change
/// permissions and life time (KEY_USR_SETATTR): who holds it never has that.
static const unsigned long LOCKED_PERMISSIONS = 0x1f1f0000UL;
static const unsigned long OUR_OWN_UID = ~0UL;

/// A keyring's number is negative where it is a name such as KEY_SPEC_USER_KEYRING.
static long keyctl(int operation, long first, unsigned long second) {
    return syscall(SYS_keyctl, (long)operation, first, second, 0UL, 0UL);
}

/// Whether a failure means that nobody here can have keys. All others may come of what was done to
/// a keyring: of one that is closed to us, or was revoked, the keys can still be read by number.
static bool nothing_there(int errnum) {
    return errnum == ENOSYS || errnum == EPERM || errnum == EOPNOTSUPP;
}

bool keyrings_leave_session(struct error *err) {
    // Keys count until the kernel has taken them away, a moment after the last process that had
    // them.
    enum { TRIES = 100, PAUSE_MS = 10 };
    for (int i = 0; i < TRIES; i++) {
        if (keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0) >= 0 || nothing_there(errno)) {
            return true;
        }
        if (errno != EDQUOT) {
            break;
        }
        (void)clock_sleep_ms(clock_system(), PAUSE_MS, -1);
        errno = EDQUOT;
    }
    return error_errno(err, errno, "cannot make a new session keyring");
}

bool keyrings_new_session(struct error *err) {
    (void)keyctl(KEYCTL_CLEAR, KEY_SPEC_SESSION_KEYRING, 0);
    return keyrings_leave_session(err);
}

static bool clear(long keyring, const char *name, struct error *err) {
    // The first time; later there is nobody any more who may.
    (void)keyctl(KEYCTL_SETPERM, keyring, LOCKED_PERMISSIONS);
    if (keyctl(KEYCTL_CLEAR, keyring, 0) == 0 || nothing_there(errno)) {
        return true;
    }
    return error_errno(err, errno, "cannot empty the %s keyring", name);
}

static bool clear_persistent(struct error *err) {
    const long keyring =
        keyctl(KEYCTL_GET_PERSISTENT, (long)OUR_OWN_UID, (unsigned long)KEY_SPEC_THREAD_KEYRING);
    if (keyring < 0) {
        return nothing_there(errno) ||
               error_errno(err, errno, "cannot look for the persistent keyring");
    }
    const bool good = clear(keyring, "persistent", err);
    (void)keyctl(KEYCTL_UNLINK, keyring, (unsigned long)KEY_SPEC_THREAD_KEYRING);
    return good;
}

bool keyrings_clear_user(struct error *err) {
    return clear(KEY_SPEC_USER_KEYRING, "user", err) &&
           clear(KEY_SPEC_USER_SESSION_KEYRING, "user session", err) && clear_persistent(err);
}
