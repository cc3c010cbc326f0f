//! The worker process: settings, logging, signals; the work is in the library.

use std::{io::Read as _, process::ExitCode};

use shared::{
    config::{Vars, help, process_vars},
    telemetry,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use worker::config::{Config, SETTINGS};

const PURPOSE: &str = "Claims jobs from Redis, writes programs, runs them in a sandbox, delivers webhooks.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let exits_with_parent = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--exit-with-parent"] => true,
        ["--help"] => {
            print!("{}", help("worker", PURPOSE, SETTINGS));
            return ExitCode::SUCCESS;
        }
        ["--version"] => {
            println!("worker {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        ["--build-id"] => {
            println!("{}", env!("BUILD_ID"));
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("worker: unknown argument; see worker --help");
            return ExitCode::from(2);
        }
    };
    let config = match Config::from_vars(Vars::new(process_vars())) {
        Ok(config) => config,
        Err(mistakes) => {
            eprintln!("worker: {mistakes}");
            return ExitCode::from(2);
        }
    };
    telemetry::start(config.log_format, &config.log_level);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started");
    runtime.block_on(run(config, exits_with_parent))
}

async fn run(config: Config, exits_with_parent: bool) -> ExitCode {
    let runner = match std::env::current_exe() {
        Ok(this) => this.with_file_name("runner"),
        Err(error) => {
            eprintln!("worker: its own executable cannot be found: {error}");
            return ExitCode::FAILURE;
        }
    };
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    if exits_with_parent {
        let shutdown = shutdown.clone();
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new()); // ends when the parent does
            shutdown.cancel();
        });
    }
    // The runtime must not wait for that thread: it ends with the process.
    match worker::run(config, runner, shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "The worker cannot start.");
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return tracing::error!("Signals cannot be watched; only SIGKILL will end this process.");
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("Stopping.");
    shutdown.cancel();
}
