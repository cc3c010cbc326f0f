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
//! `wf` knows the system only through its public HTTP API: it shares no type with it.

use clap::Parser;

use crate::args::{Cli, Command};
use crate::commands::{Client, CommandError};
use crate::config::{ConfigError, Environment};
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
    let environment = std::env::current_dir()
        .map_err(|error| format!("the current folder: {error}"))
        .and_then(|folder| Environment::load(&folder).map_err(|error| error.to_string()));
    match environment {
        Ok(environment) => dispatch(command, &cli, environment).await,
        Err(reason) => {
            Console::new(cli.api.json, &Environment::default()).failure(&reason);
            Exit::Usage
        }
    }
}

async fn dispatch(command: &Command, cli: &Cli, environment: Environment) -> Exit {
    let console = Console::new(cli.api.json, &environment);
    match command {
        Command::Dev { data } => dev::run(data.as_deref(), environment, &console).await,
        Command::Demo { data } => demo::run(data.as_deref(), &environment, &console).await,
        Command::EndWithParent { parent_pid, command } => {
            let error = stack::become_ended_with_parent(*parent_pid, command);
            console.failure(&error.to_string());
            Exit::Error
        }
        Command::New(_) | Command::Run(_) | Command::Workflows(_) | Command::Jobs(_) => {
            match client(cli, &environment, console) {
                Ok(client) => client_command(&client, command).await,
                Err(exit) => exit,
            }
        }
    }
}

fn client(cli: &Cli, environment: &Environment, console: Console) -> Result<Client, Exit> {
    let config = environment.api(&cli.api).map_err(|error: ConfigError| {
        console.failure(&error.to_string());
        Exit::Usage
    })?;
    Api::new(config).map(|api| Client { api, console }).map_err(|error| console.error(&error))
}

async fn client_command(client: &Client, command: &Command) -> Exit {
    let done = match command {
        Command::New(args) => client.new_workflow(args).await,
        Command::Run(args) => client.run(args).await,
        Command::Workflows(command) => client.workflows(command).await,
        Command::Jobs(command) => client.jobs(command).await,
        Command::Dev { .. } | Command::Demo { .. } | Command::EndWithParent { .. } => Ok(Exit::Usage),
    };
    match done {
        Ok(exit) => exit,
        Err(CommandError::Api(error)) => client.console.error(&error),
        Err(error @ CommandError::Input { .. }) => {
            client.console.failure(&error.to_string());
            Exit::Usage
        }
    }
}
