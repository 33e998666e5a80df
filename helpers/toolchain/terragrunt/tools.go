// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package terragrunt names the program whose modules go.mod and go.sum pin.
package terragrunt

import _ "github.com/gruntwork-io/terragrunt"
