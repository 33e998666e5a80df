// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tofu names the program whose modules go.mod and go.sum pin.
package tofu

import _ "github.com/opentofu/opentofu/cmd/tofu"
