//! `wf`: the development stack, the demo, and a client of the public HTTP API.

use std::process::ExitCode;

// One thread, and that is load-bearing: the private Redis asks the kernel to be ended with its parent, and the
// kernel means the parent *thread* (see `stack::redis`).
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::main().await.into()
}
