// SPDX-License-Identifier: Apache-2.0
/// What the owner of a file or folder may hang on it beside its content and its mode.
#pragma once

#include <stdbool.h>

#include "common/error.h"

/// Makes what is behind `fd`, which may be read only, plain again: without ACLs (a folder's default
/// one, too), `user.` extended attributes, or inode flags that its owner may set; project 0; its
/// times are now. What the file system does not know is no failure. False where something is left;
/// `name` is for messages.
/// Source: acl(5), xattr(7), ioctl_iflags(2), FS_IOC_FSSETXATTR in linux/fs.h
bool attributes_reset(int fd, const char *name, struct error *err);

/// The same for the folder `path`, which also gets the mode 0700. One that belongs to somebody else
/// is left as it is: we could not change it, and nor could who has our user.
bool attributes_reset_folder(const char *path, struct error *err);
