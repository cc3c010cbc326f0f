//! The `api` process: arguments, settings, logging and signals; the rest is the library.

use std::{io::Read as _, process::ExitCode};

use api::config::{Config, SETTINGS};
use shared::{config, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

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
