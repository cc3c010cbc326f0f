//! `wf demo`: from an English description to answers, through the real system, without key or network, in a stack
//! that is thrown away.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Environment;
use crate::console::Console;
use crate::exit::Exit;
use crate::http::{Api, ApiError};
use crate::model::{Job, Workflow};
use crate::render;
use crate::stack::{self, Signals, Stack, StackError};
use crate::wait;

/// What the workflow shall do.
const DESCRIPTION: &str = include_str!("../../examples/sentence-questions/description.txt");
/// What it works on.
const INPUT: &str = include_str!("../../examples/sentence-questions/input.txt");
/// 60 s for each of the two jobs: they take well under one.
const JOB_TIMEOUT: Duration = Duration::from_secs(60);

/// Variables of the user's that the demo's children get: where programs are, and how the sandbox is set up on
/// this machine. No key, no address, no limit.
const KEPT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"];
/// Beginnings of more such names.
const KEPT_PREFIXES: [&str; 3] = ["RUST_", "SANDBOX_", "WORKER_"];

#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    Stack(#[from] StackError),
    #[error("{}", render::api_error(.0))]
    Api(#[from] ApiError),
    #[error("{0}")]
    Outcome(String),
}

/// Shows the whole way and answers whether it was one.
pub async fn run(data: Option<&Path>, environment: &Environment, console: &Console) -> Exit {
    match show(data, environment, console).await {
        Ok(exit) => exit,
        Err(error) => {
            console.failure(&error.to_string());
            Exit::Error
        }
    }
}

async fn show(data: Option<&Path>, environment: &Environment, console: &Console) -> Result<Exit, DemoError> {
    let began = Instant::now();
    let throw_away = tempfile::Builder::new().prefix("wf-demo-").tempdir();
    let throw_away =
        throw_away.map_err(|source| StackError::Folder { path: std::env::temp_dir(), source })?;
    let data = data.unwrap_or(throw_away.path());
    let environment = offline(environment)?;
    let mut signals =
        Signals::new().map_err(|source| StackError::Start { name: "the signal handler", source })?;
    let mut stack = Stack::open(data)?;
    // The children run in the data folder, where no `.env` is.
    let directory = stack.data().to_owned();
    let shown = tokio::select! {
        shown = walk(&mut stack, environment, &directory, console) => shown.map(|()| Exit::Ok),
        () = signals.next() => Ok(Exit::Interrupted),
    };
    stack.stop(&mut signals).await;
    if matches!(shown, Ok(Exit::Ok)) {
        console.data(&format!("Done in {}; everything is stopped. Next: make run", seconds(began)));
    }
    shown
}

async fn walk(
    stack: &mut Stack,
    environment: Environment,
    directory: &Path,
    console: &Console,
) -> Result<(), DemoError> {
    let began = Instant::now();
    let api = stack.start(environment, directory).await?;
    console.data(&format!(
        "Private Redis, api and worker at {} in {}. Offline: no key, no network.\n\n",
        api.base().as_str().trim_end_matches('/'),
        seconds(began)
    ));
    tokio::select! {
        walked = create_and_execute(&api, console) => walked,
        error = stack.until_a_child_dies() => Err(error.into()),
    }
}

async fn create_and_execute(api: &Api, console: &Console) -> Result<(), DemoError> {
    console.data(&format!("Description\n{}\n", indented(DESCRIPTION)));
    let began = Instant::now();
    let body = json!({"name": "sentence-questions", "description": DESCRIPTION});
    let created: Workflow = read(api.post(&["workflows"], Some(&body)).await?)?;
    let job = created.job.map(|job| job.id).unwrap_or_default();
    finished(api, &job).await?;
    let workflow: Workflow = read(api.get(&["workflows", &created.id]).await?)?;
    if workflow.status != "ready" {
        return Err(DemoError::Outcome(format!("no program: {}", render::workflow(&workflow))));
    }
    let by = workflow.provider.clone().unwrap_or_default();
    let lines = workflow.code.as_deref().unwrap_or_default().lines().count();
    console.data(&format!(
        "Program (by {by}, {lines} lines of Python, in {})\n{}\n",
        seconds(began),
        indented(&render::plan(&workflow))
    ));

    console.data(&format!("Input\n{}\n", indented(INPUT)));
    let began = Instant::now();
    let body = json!({"user_input": INPUT});
    let job: Job = read(api.post(&["workflows", &workflow.id, "execute"], Some(&body)).await?)?;
    let job = finished(api, &job.id).await?;
    let text = render::result(&job.result);
    if text.trim().is_empty() {
        return Err(DemoError::Outcome(format!("{} succeeded with an empty result", job.id)));
    }
    let calls = job.usage.unwrap_or_default().tool_calls;
    console.data(&format!(
        "Result (in its own process, {calls} tool calls, in {})\n{}\n",
        seconds(began),
        indented(&text)
    ));
    Ok(())
}

/// The job once it has succeeded.
async fn finished(api: &Api, id: &str) -> Result<Job, DemoError> {
    let Some(job) = wait::for_job(api, id, JOB_TIMEOUT, |_| ()).await? else {
        return Err(DemoError::Outcome(format!("{id} is not final after {} s", JOB_TIMEOUT.as_secs())));
    };
    let job: Job = read(job)?;
    if job.status == "succeeded" { Ok(job) } else { Err(DemoError::Outcome(render::job(&job))) }
}

/// What the children get: offline providers, a free port, and none of the user's settings.
fn offline(environment: &Environment) -> Result<Environment, DemoError> {
    let kept =
        |name: &str| KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let chosen = environment.get("SEARCH_DOCUMENTS").map(PathBuf::from);
    let mut environment = environment.filtered(kept);
    environment.set("API_BIND", "127.0.0.1:0");
    environment.set("GENERATOR_PROVIDER", "offline");
    environment.set("SEARCH_DOCUMENTS", documents(chosen)?);
    Ok(environment)
}

/// The user's own documents, or the examples.
fn documents(chosen: Option<PathBuf>) -> Result<PathBuf, DemoError> {
    // The children have another working folder.
    if let Some(chosen) = chosen.and_then(|folder| std::path::absolute(folder).ok()) {
        return Ok(chosen);
    }
    let found = std::env::current_dir().ok().and_then(|directory| stack::example_documents(&directory));
    found.ok_or_else(|| {
        let hint =
            "no examples/documents here, nor above this program: run the demo in a clone of the repository";
        DemoError::Outcome(hint.to_owned())
    })
}

fn read<T: for<'a> Deserialize<'a>>(answer: Value) -> Result<T, DemoError> {
    serde_json::from_value(answer)
        .map_err(|error| DemoError::Outcome(format!("an unexpected answer: {error}")))
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect()
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_and_no_address_of_the_users_reaches_the_demo() {
        let users: Environment = [
            ("PATH", "/usr/bin"),
            ("SANDBOX_MAX_TIER", "B"),
            ("ANTHROPIC_API_KEY", "canary"),
            ("LIGHTON_API_KEY", "canary"),
            ("SECRETS_KEY", "canary"),
            ("REDIS_URL", "redis://canary"),
            ("APP_ENV", "production"),
        ]
        .into_iter()
        .collect();
        let environment = offline(&users).unwrap();
        assert!(environment.iter().all(|(_, value)| !value.to_string_lossy().contains("canary")));
        assert_eq!(environment.text("APP_ENV"), None);
        assert_eq!(environment.text("SANDBOX_MAX_TIER"), Some("B"));
        assert_eq!(environment.text("GENERATOR_PROVIDER"), Some("offline"));
    }

    #[test]
    fn text_is_indented_without_trailing_spaces() {
        assert_eq!(indented("a\n\nb\n"), "  a\n\n  b\n");
    }
}
