//! The command line, as types. What each command does is in its own module; nothing here acts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Describe a process in plain language, get a program that runs it.
///
/// Results go to stdout, progress and errors to stderr.
#[derive(Debug, Parser)]
#[command(
    name = "wf",
    version,
    arg_required_else_help = true,
    after_help = "Exit status: 0 ok, 1 error, 2 usage, 3 job failed, 4 not authorised, 5 not found, 6 cancelled,\n\
                  7 rate or quota, 8 wait timed out, 130 interrupted.\n\
                  Environment: WF_URL, WF_API_KEY, NO_COLOR; a .env file in the current folder is read too."
)]
pub struct Cli {
    /// Prints which sources this was built from (siblings must match) and exits.
    #[arg(long, hide = true)]
    pub build_id: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiArgs,
}

/// How to reach the API, and how to print what it answers.
#[derive(Debug, Args)]
pub struct ApiArgs {
    /// Where the API is [env: WF_URL] [default: http://127.0.0.1:8000]
    #[arg(long, global = true, value_name = "URL", help_heading = "Client options")]
    pub url: Option<String>,

    /// The API key, where one is required [env: WF_API_KEY]
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        help_heading = "Client options",
        hide_default_value = true
    )]
    pub api_key: Option<String>,

    /// Print the API's own JSON, errors too
    #[arg(long, global = true, help_heading = "Client options")]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole stack here: private Redis, api and worker, until Ctrl-C
    Dev {
        /// Where everything is kept [default: .wf in the current folder]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Show the whole way from a description to answers, offline, in a throw-away stack
    Demo {
        /// Keep the data here instead of in a folder that is removed afterwards
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Create a workflow from its description; prints its id
    New(NewArgs),
    /// Execute a workflow; prints the job's id, or with --wait the result
    Run(RunArgs),
    /// Look at workflows
    #[command(subcommand)]
    Workflows(WorkflowsCommand),
    /// Look at jobs, cancel them
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Becomes another program that is ended when this one's parent ends.
    #[command(hide = true)]
    EndWithParent {
        /// The process that must be the parent, or it has ended already.
        parent_pid: u32,
        /// Program and arguments.
        #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

/// `wf new`
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The description, or @FILE, or - for stdin
    pub description: String,
    /// A name of your own
    #[arg(long)]
    pub name: Option<String>,
    /// Python code (@FILE, or - for stdin) to use as it is: nothing is generated
    #[arg(long, value_name = "@FILE")]
    pub code: Option<String>,
    /// Wait until the workflow is ready
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `wf run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The workflow
    #[arg(value_name = "WORKFLOW_ID")]
    pub id: String,
    /// What the workflow works on: text, or @FILE, or - for stdin
    #[arg(long, short, value_name = "TEXT|@FILE|-", default_value = "", hide_default_value = true)]
    pub input: String,
    /// Wait for the result and print it
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// Whether and how long to wait for a job.
#[derive(Clone, Copy, Debug, Args)]
pub struct WaitArgs {
    /// Wait until the job is final
    #[arg(long, short)]
    pub wait: bool,
    /// How long to wait; the job goes on afterwards
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds, requires = "wait")]
    pub timeout: Duration,
}

/// `wf workflows …`
#[derive(Debug, Subcommand)]
pub enum WorkflowsCommand {
    /// List workflows, newest first
    List(PageArgs),
    /// Show one workflow
    Get {
        /// The workflow
        #[arg(value_name = "WORKFLOW_ID")]
        id: String,
    },
    /// Print a workflow's program
    Code {
        /// The workflow
        #[arg(value_name = "WORKFLOW_ID")]
        id: String,
    },
}

/// `wf jobs …`
#[derive(Debug, Subcommand)]
pub enum JobsCommand {
    /// List jobs, newest first
    List {
        /// Only these: queued, running, succeeded, failed, cancelled
        #[arg(long)]
        status: Option<String>,
        /// Only of this workflow
        #[arg(long, value_name = "WORKFLOW_ID")]
        workflow: Option<String>,
        /// Which page
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one job; with --wait also ends with its status
    Get {
        /// The job
        #[arg(value_name = "JOB_ID")]
        id: String,
        /// Wait until it is final
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Cancel a job
    Cancel {
        /// The job
        #[arg(value_name = "JOB_ID")]
        id: String,
    },
    /// Print what the program printed
    Logs {
        /// The job
        #[arg(value_name = "JOB_ID")]
        id: String,
    },
    /// List the tool calls and named steps of a run
    Steps {
        /// The job
        #[arg(value_name = "JOB_ID")]
        id: String,
    },
}

/// One page of a list.
#[derive(Debug, Args)]
pub struct PageArgs {
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Only older ones than this cursor (printed under a list that goes on)
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(0) | Err(_) => Err("a whole number of seconds, at least 1".to_owned()),
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    fn parse(line: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["wf"], line].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn client_options_may_stand_before_and_after_the_command() {
        for line in
            [&["--json", "jobs", "list"][..], &["jobs", "list", "--json"], &["jobs", "--json", "list"]]
        {
            assert!(parse(line).unwrap().api.json, "{line:?}");
        }
    }

    #[test]
    fn a_wait_lasts_five_minutes_unless_told_otherwise() {
        let Some(Command::Run(run)) = parse(&["run", "wf_1", "--wait"]).unwrap().command else { panic!() };
        assert!(run.wait.wait);
        assert_eq!(run.wait.timeout, Duration::from_secs(300));
        let Some(Command::Run(run)) = parse(&["run", "wf_1", "--wait", "--timeout", "7"]).unwrap().command
        else {
            panic!()
        };
        assert_eq!(run.wait.timeout, Duration::from_secs(7));
    }

    #[test]
    fn mistakes_are_usage_errors_with_exit_status_2() {
        let mistakes = [
            &["run"][..],
            &["new"],
            &["jobs"],
            &["jobs", "list", "--limit", "0"],
            &["jobs", "list", "--limit", "101"],
            &["run", "wf_1", "--wait", "--timeout", "0"],
            &["run", "wf_1", "--timeout", "5"],
            &["nonsense"],
        ];
        for line in mistakes {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line:?}");
        }
    }

    #[test]
    fn the_build_id_needs_no_command() {
        let cli = parse(&["--build-id"]).unwrap();
        assert!(cli.build_id && cli.command.is_none());
    }
}
