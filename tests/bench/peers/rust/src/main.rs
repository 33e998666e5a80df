// SPDX-License-Identifier: Apache-2.0

//! A minimal Lambda runtime in Rust, for comparison: it refuses every event that is no JSON object.

use lambda_runtime::{service_fn, Error, LambdaEvent};
use serde_json::{json, Value};

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    if !event.payload.is_object() {
        return Err("the event is no JSON object".into());
    }
    Ok(json!({"status": "no_job"}))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}
