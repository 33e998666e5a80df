// SPDX-License-Identifier: Apache-2.0

// A minimal Lambda runtime in Go, for comparison: it refuses every event that is no JSON object.
package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
)

func handle(_ context.Context, event json.RawMessage) (any, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(event, &object) != nil || object == nil {
		return nil, errors.New("the event is no JSON object")
	}
	return map[string]string{"status": "no_job"}, nil
}

func main() { lambda.Start(handle) }
