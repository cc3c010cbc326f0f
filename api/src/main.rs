//! The `api` process: arguments, settings, logging and signals; the rest is the library.

use std::{io::Read as _, process::ExitCode};

use api::config::{Config, SETTINGS};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shared::{config, limits, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// One for each connection, and some for Redis, logs and libraries.
const OPEN_FILES_WANTED: u64 = limits::CONNECTIONS_MAX as u64 + 256;
/// 2: the operator has to change something, as with wrong arguments.
const EXIT_MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    let mut exit_with_parent = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--help" | "-h" => {
                println!("{}", config::help("api", "The HTTP API of the workflow system.", SETTINGS));
                return ExitCode::SUCCESS;
            }
            "--version" | "-V" => {
                println!("api {}", env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            "--build-id" => {
                println!("{}", env!("BUILD_ID"));
                return ExitCode::SUCCESS;
            }
            "--exit-with-parent" => exit_with_parent = true,
            other => {
                eprintln!("api: unknown argument `{other}`; try `api --help`");
                return ExitCode::from(EXIT_MISCONFIGURED);
            }
        }
    }
    match Config::from_vars(config::Vars::new(config::process_vars())) {
        Ok(config) => start(config, exit_with_parent),
        Err(mistakes) => {
            eprintln!("api: {mistakes}");
            ExitCode::from(EXIT_MISCONFIGURED)
        }
    }
}

#[tokio::main]
async fn start(config: Config, exit_with_parent: bool) -> ExitCode {
    telemetry::start(config.log_format, &config.log_level);
    raise_open_files();
    let shutdown = CancellationToken::new();
    if exit_with_parent {
        end_with_stdin(shutdown.clone());
    }
    let ended = match end_with_signals(shutdown.clone()) {
        Ok(()) => api::run(config, shutdown).await,
        Err(error) => Err(api::StartError::Signals(error)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "The api cannot start.");
            ExitCode::FAILURE
        }
    }
}

/// Asks for as many file descriptors as connections need; the usual soft limit is a tenth of that. Where the hard limit
/// is lower, connections over it wait in the kernel's queue.
fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    let wanted = OPEN_FILES_WANTED.min(now.maximum.unwrap_or(u64::MAX));
    if now.current.is_some_and(|current| current < wanted) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..now });
        if let Err(error) = raised {
            tracing::warn!(%error, "The limit of open files could not be raised.");
        }
    }
}

fn end_with_signals(shutdown: CancellationToken) -> std::io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}

/// The parent holds the other end of our stdin: when it dies, however it dies, stdin ends. A thread of its own,
/// because a blocked read would hold up the end of the runtime.
fn end_with_stdin(shutdown: CancellationToken) {
    std::thread::spawn(move || {
        let mut ignored = [0; 256];
        while std::io::stdin().read(&mut ignored).is_ok_and(|read| read > 0) {}
        shutdown.cancel();
    });
}
