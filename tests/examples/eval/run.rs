//! One program against the runs of its case, in cells, with tools that answer as the case says.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tests::binaries;
use tests::cases::{Outcome, broken_checks};
use tests::fakes::CaseAnswers;
use worker::cell::{
    FailureCode, RunEnd, RunFailure, RunHost, RunSpec, RunTask, StepEntered, StepLeft, Stream, ToolCall,
    ToolVerdict,
};
use worker::generate::proof::{Bench, Lost};

use super::report::Verdict;

/// 30 s for one run: its tools answer at once.
const RUN_TIMEOUT: Duration = Duration::from_secs(30);

/// Every case: those with a program, and those that are to be declined.
pub fn cases() -> Vec<Value> {
    let folder = binaries::repository().join("tests/cases");
    let mut files = [files(&folder), files(&folder.join("declined"))].concat();
    files.sort_by_key(|file| file.file_name().map(ToOwned::to_owned));
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).expect("a readable case");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    files.iter().map(read).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of cases");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

/// A case that is being tried.
pub struct Tried<'a> {
    pub bench: &'a Bench<'a>,
    pub case: &'a Value,
    pub salt: String,
}

impl Tried<'_> {
    /// Runs a program on every input of the case.
    pub async fn program(&self, code: &str) -> Result<Verdict, Lost> {
        let expected = self.case["expect"].as_array();
        for (number, run) in self.case["runs"].as_array().into_iter().flatten().enumerate() {
            let salt = format!("{}/{number}", self.salt);
            let outcome = self.perform(code, &salt, run).await?;
            if let Some(expected) = expected {
                let broken = broken_checks(&salt, run, &outcome);
                let is_expected = expected.iter().any(|status| *status == outcome.status);
                if !is_expected || !broken.is_empty() {
                    return Ok(Verdict::Broken(format!(
                        "a program was written, and its run {}",
                        outcome.status
                    )));
                }
            } else if let Some(check) = broken_checks(&salt, run, &outcome).into_iter().next() {
                return Ok(Verdict::Broken(format!("run {number}: {check}")));
            }
        }
        Ok(Verdict::Passed)
    }

    /// Judges an answer without a program; for a case that has one it is never right.
    pub fn declined(&self, status: &str, told: &str) -> (Verdict, bool) {
        let expected = self.case["expect"].as_array();
        // A description that is not understood fails the job.
        let outcome = if status == "not_understood" { "failed" } else { status };
        let passes = expected.is_some_and(|expected| expected.iter().any(|known| known == outcome));
        let verdict = match (passes, status) {
            (true, _) => Verdict::Passed,
            (false, "not_understood") => Verdict::NotUnderstood,
            (false, "refused" | "needs_clarification") => Verdict::Declined(status.to_owned()),
            (false, _) => Verdict::Broken(told.to_owned()),
        };
        (verdict, passes)
    }

    async fn perform(&self, code: &str, salt: &str, run: &Value) -> Result<Outcome, Lost> {
        let host = Arc::new(CaseHost::new(salt, run, self.bench.limits.tool_calls_max));
        let input = run["input"].as_str().expect("an input").to_owned();
        let spec = RunSpec {
            program: code.into(),
            task: RunTask::Execute { user_input: input },
            seed: 0,
            limits: self.bench.limits.run(RUN_TIMEOUT),
        };
        let report = self.bench.cells.run(spec, host.clone(), self.bench.stop.clone()).await;
        let (status, out) = match report.end {
            RunEnd::Returned(result) => {
                let text = match serde_json::from_str(result.get()) {
                    Ok(Value::String(text)) => text,
                    _ => result.get().to_owned(),
                };
                ("completed", text)
            }
            RunEnd::Failed(failure) => ("failed", failure.message),
            RunEnd::Stopped => return Err(Lost::Stopped),
            RunEnd::Lost(cause) => return Err(Lost::Cell(cause)),
            RunEnd::Checked(_) => return Err(Lost::Cell("a run answered as a check".to_owned())),
        };
        let heard = host.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Outcome { status, out, searches: heard.searches, prompts: heard.prompts })
    }
}

#[derive(Debug, Clone, Default)]
struct Heard {
    searches: Vec<String>,
    prompts: Vec<String>,
    /// How often each fault of the case is still to come.
    faults: Vec<(String, u64)>,
}

/// The tools of one run.
struct CaseHost {
    answers: CaseAnswers,
    calls_max: u32,
    heard: Mutex<Heard>,
}

impl CaseHost {
    fn new(salt: &str, run: &Value, calls_max: u32) -> Self {
        let fault = |fault: &Value| {
            let keyword = fault[0].as_str().expect("a keyword").to_lowercase();
            (keyword, fault[1].as_u64().expect("a number"))
        };
        let faults = run["faults"].as_array().into_iter().flatten().map(fault).collect();
        let heard = Mutex::new(Heard { faults, ..Heard::default() });
        Self { answers: CaseAnswers::of_run(salt, run), calls_max, heard }
    }

    fn answer(&self, call: &ToolCall) -> ToolVerdict {
        let text =
            |name: &str| call.arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.searches.len() + heard.prompts.len() >= self.calls_max as usize {
            let told = format!("the run made more than {} tool calls", self.calls_max);
            return ToolVerdict::End(RunEnd::Failed(RunFailure::new(FailureCode::BudgetExceeded, told)));
        }
        if call.tool == "chat_completion" {
            let prompt = text("prompt");
            heard.prompts.push(prompt.clone());
            return ToolVerdict::Answer(self.answers.chat(&prompt).into());
        }
        let query = text("query");
        heard.searches.push(query.clone());
        let lower = query.to_lowercase();
        if let Some(fault) = heard.faults.iter_mut().find(|(word, left)| *left > 0 && lower.contains(word)) {
            fault.1 -= 1;
            return ToolVerdict::Fail("the search failed".to_owned());
        }
        if query.trim().is_empty() {
            return ToolVerdict::Fail("paradigm_search(): query is empty".to_owned());
        }
        ToolVerdict::Answer(self.answers.search(&query).into())
    }
}

impl RunHost for CaseHost {
    fn call_tool(&self, call: ToolCall) -> BoxFuture<'_, ToolVerdict> {
        Box::pin(async move { self.answer(&call) })
    }

    fn step_entered(&self, _: StepEntered) {}

    fn step_left(&self, _: StepLeft) {}

    fn printed(&self, _: Stream, _: &[u8]) {}
}
