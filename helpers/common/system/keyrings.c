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

/// For what takes a key's room, which counts until the kernel has taken keys away: a moment after
/// they were removed, or the last process that had them ended. A user's keyring that cannot be made
/// for want of room is ENOKEY.
static long keyctl_when_room(int operation, long first, unsigned long second) {
    enum { TRIES = 100, PAUSE_MS = 10 };
    long result = keyctl(operation, first, second);
    for (int i = 0; i < TRIES && result < 0 && (errno == EDQUOT || errno == ENOKEY); i++) {
        (void)clock_sleep_ms(clock_system(), PAUSE_MS, -1);
        result = keyctl(operation, first, second);
    }
    return result;
}

bool keyrings_leave_session(struct error *err) {
    return keyctl_when_room(KEYCTL_JOIN_SESSION_KEYRING, 0, 0) >= 0 || nothing_there(errno) ||
           error_errno(err, errno, "cannot make a new session keyring");
}

void keyrings_clear_session(void) {
    (void)keyctl(KEYCTL_CLEAR, KEY_SPEC_SESSION_KEYRING, 0);
}

static bool clear(long keyring, const char *name, struct error *err) {
    // The first time; later there is nobody any more who may.
    (void)keyctl(KEYCTL_SETPERM, keyring, LOCKED_PERMISSIONS);
    if (keyctl_when_room(KEYCTL_CLEAR, keyring, 0) == 0 || nothing_there(errno)) {
        return true;
    }
    return error_errno(err, errno, "cannot empty the %s keyring", name);
}

static bool clear_persistent(struct error *err) {
    const long keyring = keyctl_when_room(KEYCTL_GET_PERSISTENT, (long)OUR_OWN_UID,
                                          (unsigned long)KEY_SPEC_THREAD_KEYRING);
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
