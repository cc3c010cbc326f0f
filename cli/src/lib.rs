//! `wf`, in rooms:
//!
//! ```text
//! args, config             what was asked: command line, environment
//! commands                 client commands; on http (one call), wait (until a job is final), model (what is read)
//! console, render, exit    what is printed where, as what, and the exit status
//! stack                    the private Redis, api and worker as children that never outlive us
//! dev, demo                `wf dev` and `wf demo`, over stack (and, for the demo, http)
//! ```
//!
//! `wf` knows the system only through its public HTTP API: of `shared` it uses the reading of `.env`, and no type.

use clap::Parser;

use crate::args::{Cli, Command};
use crate::commands::Client;
use crate::config::Environment;
use crate::console::Console;
use crate::exit::Exit;
use crate::http::Api;

pub mod args;
pub mod commands;
pub mod config;
pub mod console;
pub mod demo;
pub mod dev;
pub mod exit;
pub mod http;
pub mod model;
pub mod render;
pub mod stack;
pub mod wait;

/// Which sources this was built from: what it starts must have been built from the same.
pub const BUILD_ID: &str = env!("BUILD_ID");

/// Runs the command line of this process.
pub async fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, mistakes to stderr with 2.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    if cli.build_id {
        println!("{BUILD_ID}");
        return Exit::Ok;
    }
    let Some(command) = cli.command.as_ref() else { return Exit::Usage };
    if let Command::EndWithParent { parent_pid, command } = command {
        // Not a `wf` of its own: no environment, no `.env`.
        let error = stack::become_ended_with_parent(*parent_pid, command);
        eprintln!("{}: {error}", command[0].display());
        return Exit::Error;
    }
    dispatch(command, &cli, Environment::of_process()).await
}

async fn dispatch(command: &Command, cli: &Cli, environment: Environment) -> Exit {
    let console = Console::new(cli.api.json, &environment);
    match command {
        Command::Dev { data } => dev::run(data.as_deref(), environment, &console).await,
        Command::Demo { data } => demo::run(data.as_deref(), &environment, &console).await,
        client_command => {
            let config = match environment.api(&cli.api) {
                Ok(config) => config,
                Err(error) => {
                    console.failure(&error.to_string());
                    return Exit::Usage;
                }
            };
            match Api::new(config) {
                Ok(api) => Client { api, console }.run(client_command).await,
                Err(error) => console.error(&error),
            }
        }
    }
}
