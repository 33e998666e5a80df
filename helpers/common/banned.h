// SPDX-License-Identifier: Apache-2.0
/// Functions that this project does not use; the Makefile includes this file in front of every
/// source file, so that naming one of them does not compile.
///
/// The system's headers that declare them are read first: the names are only poisoned for us.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BANNED(name) name##_is_banned_see_helpers_common_banned_h

// No bound, or a bound that leaves the text without its end: use struct buffer.
#undef strcpy
#define strcpy(...) BANNED(strcpy)
#undef strcat
#define strcat(...) BANNED(strcat)
#undef strncpy
#define strncpy(...) BANNED(strncpy)
#undef strncat
#define strncat(...) BANNED(strncat)
#undef stpcpy
#define stpcpy(...) BANNED(stpcpy)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)

// Hidden state, or no way to tell a bad number: use slice_split and slice_parse_integer.
#undef strtok
#define strtok(...) BANNED(strtok)
#undef strtok_r
#define strtok_r(...) BANNED(strtok_r)
#undef atoi
#define atoi(...) BANNED(atoi)
#undef atol
#define atol(...) BANNED(atol)
#undef atoll
#define atoll(...) BANNED(atoll)

// A shell in between: use process_spawn.
#undef system
#define system(...) BANNED(system)
#undef popen
#define popen(...) BANNED(popen)

// Shared static storage: use common/timestamp.h, or gmtime_r.
#undef gmtime
#define gmtime(...) BANNED(gmtime)
#undef localtime
#define localtime(...) BANNED(localtime)
#undef ctime
#define ctime(...) BANNED(ctime)
#undef asctime
#define asctime(...) BANNED(asctime)

// Names that somebody else may take first: use files_random_name with O_EXCL.
#undef mktemp
#define mktemp(...) BANNED(mktemp)
#undef tmpnam
#define tmpnam(...) BANNED(tmpnam)
#undef tempnam
#define tempnam(...) BANNED(tempnam)
