// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The version that every program answers to --version.
#define RUNLET_VERSION "0.1.0"
