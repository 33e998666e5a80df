// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools names what this module is for, so that go.mod keeps it.
package tools

import _ "gitlab.com/gitlab-org/gitlab-runner"
