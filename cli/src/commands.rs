//! The client commands: one call, or one call and a wait, and what is printed of it.
//!
//! stdout carries what a script wants next: `wf new` an id, `wf run` an id or the result, lists their rows.

use std::io::Read;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::args::{Command, JobsCommand, NewArgs, PageArgs, RunArgs, WaitArgs, WorkflowsCommand};
use crate::console::Console;
use crate::exit::Exit;
use crate::http::{Api, ApiError};
use crate::model::{Job, Page, Workflow};
use crate::render;
use crate::wait;

/// 8 MiB read from a file or stdin: more than the API takes of anything, and it says so better than we could.
const INPUT_BYTES_MAX: u64 = 8 << 20;

/// Why a client command ended without doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The API, or the way to it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A file given with `@`, or stdin.
    #[error("{name}: {reason}")]
    Input {
        /// Which.
        name: String,
        /// Why it cannot be used.
        reason: String,
    },
}

/// The client of one API at one terminal.
#[derive(Debug)]
pub struct Client {
    /// The API.
    pub api: Api,
    /// The terminal.
    pub console: Console,
}

impl Client {
    /// Does what a client command asks, and says what went wrong.
    pub async fn run(&self, command: &Command) -> Exit {
        let done = match command {
            Command::New(args) => self.new_workflow(args).await,
            Command::Run(args) => self.execute(args).await,
            Command::Workflows(command) => self.workflows(command).await,
            Command::Jobs(command) => self.jobs(command).await,
            Command::Dev { .. } | Command::Demo { .. } | Command::EndWithParent { .. } => Ok(Exit::Usage),
        };
        match done {
            Ok(exit) => exit,
            Err(CommandError::Api(error)) => self.console.error(&error),
            Err(error @ CommandError::Input { .. }) => {
                self.console.failure(&error.to_string());
                Exit::Usage
            }
        }
    }

    /// `wf new`
    async fn new_workflow(&self, args: &NewArgs) -> Result<Exit, CommandError> {
        let mut body = json!({"description": text_argument(&args.description)?});
        if let Some(name) = &args.name {
            body["name"] = json!(name);
        }
        if let Some(code) = &args.code {
            body["code"] = json!(text_argument(code)?);
        }
        let created = self.api.post(&["workflows"], Some(&body)).await?;
        let workflow: Workflow = self.read(&created)?;
        let Some(job) = workflow.job.as_ref().filter(|_| args.wait.wait) else {
            self.show(&created, &workflow.id);
            self.hint(&format!("{} is being made: wf workflows get {}", workflow.id, workflow.id));
            return Ok(Exit::Ok);
        };
        match self.wait_for_job(&job.id, &args.wait).await? {
            Ok(_) => self.finished_workflow(&workflow.id).await,
            Err(exit) => {
                self.show(&created, &workflow.id);
                Ok(exit)
            }
        }
    }

    /// After its generate job: the workflow says whether it is ready; a refusal is a job that succeeded.
    async fn finished_workflow(&self, id: &str) -> Result<Exit, CommandError> {
        let answer = self.api.get(&["workflows", id]).await?;
        let workflow: Workflow = self.read(&answer)?;
        self.show(&answer, id);
        if workflow.status == "ready" {
            self.hint(render::plan(&workflow).trim_end());
            return Ok(Exit::Ok);
        }
        if !self.console.json {
            self.console.failure(render::workflow(&workflow).trim_end());
        }
        let cancelled = workflow.job.is_some_and(|job| job.status == "cancelled");
        Ok(if cancelled { Exit::Cancelled } else { Exit::JobFailed })
    }

    /// `wf run`
    async fn execute(&self, args: &RunArgs) -> Result<Exit, CommandError> {
        let body = json!({"user_input": text_argument(&args.input)?});
        let created = self.api.post(&["workflows", &args.id, "execute"], Some(&body)).await?;
        let job: Job = self.read(&created)?;
        if !args.wait.wait {
            self.show(&created, &job.id);
            self.hint(&format!("{} is {}: wf jobs get {} --wait", job.id, job.status, job.id));
            return Ok(Exit::Ok);
        }
        match self.wait_for_job(&job.id, &args.wait).await? {
            Ok(ended) => self.ended_run(&ended),
            Err(exit) => {
                self.show(&created, &job.id);
                Ok(exit)
            }
        }
    }

    fn ended_run(&self, ended: &Value) -> Result<Exit, CommandError> {
        let job: Job = self.read(ended)?;
        if self.console.json {
            self.console.json(ended);
        } else if job.status == "succeeded" {
            self.console.data(&render::result(&job.result));
        } else {
            let why = job.error.as_ref().map(render::job_error).unwrap_or_default();
            self.console.failure(format!("{} {}\n{why}", job.id, job.status).trim_end());
        }
        Ok(Exit::from_job_status(&job.status).unwrap_or(Exit::Error))
    }

    /// `wf workflows`
    async fn workflows(&self, command: &WorkflowsCommand) -> Result<Exit, CommandError> {
        match command {
            WorkflowsCommand::List(page) => {
                let answer = self.list("workflows", page, &[]).await?;
                self.show_page(
                    &answer,
                    &["ID", "STATUS", "VERSION", "CREATED", "NAME"],
                    |workflow: &Workflow| {
                        let name = workflow.name.clone().filter(|name| !name.is_empty());
                        vec![
                            workflow.id.clone(),
                            workflow.status.clone(),
                            workflow.version.to_string(),
                            workflow.created_at.clone(),
                            name.unwrap_or_else(|| render::shorten(&workflow.description)),
                        ]
                    },
                )?;
            }
            WorkflowsCommand::Get { id } => {
                let answer = self.api.get(&["workflows", id]).await?;
                self.show(&answer, &render::workflow(&self.read(&answer)?));
            }
            WorkflowsCommand::Code { id } => {
                let answer = self.api.get(&["workflows", id]).await?;
                let workflow: Workflow = self.read(&answer)?;
                let Some(code) = workflow.code else {
                    self.console.failure(&format!("{id} has no program: it is {}", workflow.status));
                    return Ok(Exit::Error);
                };
                self.show(&json!({"workflow_id": id, "version": workflow.version, "code": &code}), &code);
            }
        }
        Ok(Exit::Ok)
    }

    /// `wf jobs`
    async fn jobs(&self, command: &JobsCommand) -> Result<Exit, CommandError> {
        match command {
            JobsCommand::List { status, workflow, page } => {
                let filters = [("status", status.as_deref()), ("workflow_id", workflow.as_deref())];
                let answer = self.list("jobs", page, &filters).await?;
                self.show_page(&answer, &["ID", "KIND", "STATUS", "CREATED", "WORKFLOW"], |job: &Job| {
                    vec![
                        job.id.clone(),
                        job.kind.clone(),
                        job.status.clone(),
                        job.created_at.clone(),
                        job.workflow_id.clone(),
                    ]
                })?;
            }
            JobsCommand::Get { id, wait } if wait.wait => {
                return Ok(match self.wait_for_job(id, wait).await? {
                    Ok(ended) => {
                        let job: Job = self.read(&ended)?;
                        self.show(&ended, &render::job(&job));
                        Exit::from_job_status(&job.status).unwrap_or(Exit::Error)
                    }
                    Err(exit) => exit,
                });
            }
            JobsCommand::Get { id, .. } => {
                let answer = self.api.get(&["jobs", id]).await?;
                self.show(&answer, &render::job(&self.read(&answer)?));
            }
            JobsCommand::Cancel { id } => {
                let answer = self.api.post(&["jobs", id, "cancel"], None).await?;
                let job: Job = self.read(&answer)?;
                self.show(&answer, &format!("{}\t{}", job.id, job.status));
            }
            JobsCommand::Logs { id } => {
                let logs = self.api.text(&["jobs", id, "logs"]).await?;
                if self.console.json {
                    self.console.json(&json!({"job_id": id, "logs": logs}));
                } else if !logs.is_empty() {
                    self.console.data(&logs);
                }
            }
            JobsCommand::Steps { id } => {
                let answer = self.api.get(&["jobs", id, "steps"]).await?;
                let heading = ["#", "STEP", "ARGUMENTS", "MS", "TOKENS", ""];
                let rows = render::step_rows(&answer);
                self.show(&answer, &render::table(&heading, &rows, self.console.stdout_is_terminal));
            }
        }
        Ok(Exit::Ok)
    }

    /// `Ok(job)` when it is final; `Err(exit)` when the wait ended first, which has been said then.
    async fn wait_for_job(&self, id: &str, wait: &WaitArgs) -> Result<Result<Value, Exit>, CommandError> {
        let spinner = self.console.spinner(&format!("waiting for {id}"));
        let waiting =
            wait::for_job(&self.api, id, wait.timeout, |status| spinner.says(&format!("{id} {status}")));
        let (exit, why) = tokio::select! {
            // First, so that Ctrl-C is ours before the first call is sent.
            biased;
            _ = tokio::signal::ctrl_c() => (Exit::Interrupted, "no longer waited for".to_owned()),
            waited = waiting => match waited? {
                Some(job) => return Ok(Ok(job)),
                None => (Exit::WaitTimedOut, format!("not final after {} s", wait.timeout.as_secs())),
            },
        };
        drop(spinner);
        self.console
            .note(&format!("{id} {why}; it goes on: wf jobs get {id} --wait, or wf jobs cancel {id}"));
        Ok(Err(exit))
    }

    async fn list(
        &self,
        what: &str,
        page: &PageArgs,
        filters: &[(&str, Option<&str>)],
    ) -> Result<Value, CommandError> {
        let limit = page.limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(page.after.as_deref().map(|cursor| ("after", cursor)));
        query.extend(filters.iter().filter_map(|(name, value)| value.map(|value| (*name, value))));
        Ok(self.api.query(&[what], &query, Duration::ZERO).await?)
    }

    fn show_page<T: DeserializeOwned + Default>(
        &self,
        answer: &Value,
        heading: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), CommandError> {
        let page: Page<T> = self.read(answer)?;
        let rows: Vec<_> = page.data.iter().map(row).collect();
        self.show(answer, &render::table(heading, &rows, self.console.stdout_is_terminal));
        if let Some(cursor) = page.next_cursor {
            self.hint(&format!("more: --after {cursor}"));
        }
        Ok(())
    }

    /// Data: the API's own under `--json`, else `text`.
    fn show(&self, answer: &Value, text: &str) {
        if self.console.json {
            self.console.json(answer);
        } else if !text.is_empty() {
            self.console.data(text);
        }
    }

    /// A line for people.
    fn hint(&self, text: &str) {
        if !self.console.json && !text.is_empty() {
            self.console.note(text);
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: &Value) -> Result<T, CommandError> {
        T::deserialize(answer).map_err(|error| {
            let reason = format!("not as expected ({error})");
            ApiError::Unusable { base: self.api.base().clone(), reason }.into()
        })
    }
}

/// Text as given; `@FILE` and `-` (stdin) are read, `@@…` is text that begins with `@`.
fn text_argument(argument: &str) -> Result<String, CommandError> {
    if let Some(text) = argument.strip_prefix("@@") {
        return Ok(format!("@{text}"));
    }
    let (name, read) = match argument.strip_prefix('@') {
        Some("-") => ("stdin", limited(std::io::stdin())),
        Some(path) => (path, std::fs::File::open(path).and_then(limited)),
        None if argument == "-" => ("stdin", limited(std::io::stdin())),
        None => return Ok(argument.to_owned()),
    };
    read.map_err(|error| CommandError::Input { name: name.to_owned(), reason: error.to_string() })
}

fn limited(source: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    source.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > INPUT_BYTES_MAX {
        return Err(std::io::Error::other(format!("larger than {INPUT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_text_or_the_content_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input.txt");
        std::fs::write(&path, "from the file\n").unwrap();
        assert_eq!(text_argument(&format!("@{}", path.display())).unwrap(), "from the file\n");
        assert_eq!(text_argument("plain").unwrap(), "plain");
        assert_eq!(text_argument("@@home").unwrap(), "@home");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = text_argument("@/nowhere/input.txt").unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/input.txt: "), "{error}");
    }
}
