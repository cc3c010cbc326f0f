//! The dry run: a program runs in a cell, with stand-in tools, before anybody relies on it.
//!
//! Its inputs are the self-tests that came with it, an empty text, and one full of what trips programs up (accents,
//! quotes, braces). Nothing in it is real: whatever a diagnostic quotes is the generator's own or ours, so it may go
//! back into a prompt.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use futures_util::future::BoxFuture;
use providers::{SelfTest, ToolReply};
use serde_json::{Map, Value};
use shared::{
    limits,
    store::generation::{DryRun, Finding, Severity},
};

use super::proof::{Bench, Lost};
use crate::{
    cell::{
        FailureCode, RunEnd, RunFailure, RunHost, RunTask, StepEntered, StepLeft, Stream, ToolCall,
        ToolVerdict,
    },
    tools,
};

/// What users type: accents, quotes of every kind, braces, percent signs, a blank line, no final punctuation.
const ODD_INPUT: &str = "L'été à Évry : « 12,5 € » pour Zoé — \"l'œuvre\", {x} %s \\n <b>\n\nOù est le n° 3 ? It's 4.5% of O'Neil's {budget}";
/// 120 characters of an input are shown with a finding and kept with the version.
const SHOWN_CHARS_MAX: usize = 120;

/// What the dry runs of one program showed.
#[derive(Debug, Default)]
pub(super) struct DryRuns {
    pub(super) findings: Vec<Finding>,
    pub(super) runs: Vec<DryRun>,
}

/// Runs a program on its self-tests and on the inputs every program has to survive; stops at the first run that
/// uses up its time, because the others would too.
pub(super) async fn dry_runs(
    bench: &Bench<'_>,
    code: &Arc<str>,
    self_tests: &[SelfTest],
) -> Result<DryRuns, Lost> {
    let mut ended = Vec::new();
    for trial in trials(self_tests) {
        let trial = attempt(bench, code, trial).await?;
        let goes_on =
            !matches!(&trial.end, End::Failed(failure) if finding_code(failure.code) == OVER_BUDGET);
        ended.push(trial);
        if !goes_on {
            break;
        }
    }
    let completed = ended.iter().any(|trial| matches!(trial.end, End::Returned(_)));
    let mut shown = DryRuns::default();
    for trial in ended {
        let new = trial.findings(code, completed);
        // One mistake shows in several runs; it is told once.
        let new = new.into_iter().filter(|new| !shown.findings.iter().any(|old| same(old, new)));
        shown.findings.extend(new.collect::<Vec<_>>());
        shown.runs.push(trial.run);
    }
    Ok(shown)
}

const OVER_BUDGET: &str = "E_BUDGET";

fn same(old: &Finding, new: &Finding) -> bool {
    old.code == new.code && old.line == new.line && old.line.is_some()
}

/// One input and what the tools say to it.
struct Trial {
    kind: &'static str,
    name: String,
    test: SelfTest,
}

fn trials(self_tests: &[SelfTest]) -> impl Iterator<Item = Trial> {
    let given = self_tests.iter().take(limits::SELF_TESTS_MAX).enumerate().map(|(index, test)| Trial {
        kind: SELF_TEST,
        name: format!("self-test {}", index + 1),
        test: test.clone(),
    });
    let ours =
        [("empty_input", "an empty input", ""), ("odd_input", "an input with accents and quotes", ODD_INPUT)];
    given.chain(ours.into_iter().map(|(kind, name, input)| Trial {
        kind,
        name: name.to_owned(),
        test: SelfTest { input: input.to_owned(), tool_replies: Vec::new(), must_contain: Vec::new() },
    }))
}

const SELF_TEST: &str = "self_test";

/// How a run ended.
enum End {
    /// With this JSON.
    Returned(String),
    Failed(RunFailure),
}

/// A trial that is over.
struct Tried {
    trial: Trial,
    end: End,
    run: DryRun,
}

async fn attempt(bench: &Bench<'_>, code: &Arc<str>, trial: Trial) -> Result<Tried, Lost> {
    let tool_calls_max = bench.limits.tool_calls_max;
    let host = Arc::new(StandIns::new(trial.test.tool_replies.clone(), tool_calls_max));
    let task = RunTask::Execute { user_input: trial.test.input.clone() };
    let began = Instant::now();
    let report = bench.run(code.clone(), task, limits::DRY_RUN_TIMEOUT, host.clone()).await?;
    let end = match report.end {
        RunEnd::Returned(result) => End::Returned(result.get().to_owned()),
        RunEnd::Failed(failure) => End::Failed(failure),
        _ => return Err(Lost::Cell("a dry run ended as something else".to_owned())),
    };
    let run = DryRun {
        kind: trial.kind.to_owned(),
        input: shown(&trial.test.input),
        completed: matches!(end, End::Returned(_)),
        unmet: match &end {
            End::Returned(result) => unmet(&trial.test.must_contain, result),
            End::Failed(_) => Vec::new(),
        },
        tool_calls: host.calls.load(Ordering::Relaxed),
        wall_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Ok(Tried { trial, end, run })
}

impl Tried {
    /// What the run says about the program; `completed`: some run of it came to a result.
    fn findings(&self, code: &str, completed: bool) -> Vec<Finding> {
        let input = shown(&self.trial.test.input);
        let name = &self.trial.name;
        match &self.end {
            End::Returned(result) => {
                let told = |expected: &String| {
                    format!(
                        "{name} (input {input:?}): the result does not contain {expected:?}; it is {}",
                        shown(result)
                    )
                };
                let warned =
                    |text| Finding::warning("E_EXPECTATION", cut(&told(text), limits::FINDING_CHARS_MAX));
                self.run.unmet.iter().map(warned).collect()
            }
            End::Failed(failure) => {
                let told = format!("{name} (input {input:?}): {}", failure.message);
                let told = cut(&told, limits::FINDING_CHARS_MAX);
                let finding = Finding::error(finding_code(failure.code), failure.line, told);
                let excused = self.trial.kind != SELF_TEST && is_about_data(failure, code, completed);
                vec![if excused { Finding { severity: Severity::Warning, ..finding } } else { finding }]
            }
        }
    }
}

/// Whether a failure may lie in an input or an answer that the description does not promise to handle: ours know
/// nothing of the description, and stand-in answers nothing of the form a program was told to expect. An exception
/// that the program raises by itself counts so only when it is known to do better on other inputs.
fn is_about_data(failure: &RunFailure, code: &str, completed: bool) -> bool {
    match failure.code {
        FailureCode::ToolError => true,
        FailureCode::PythonError => {
            let class = failure.message.split(':').next().unwrap_or_default();
            let class = class.rsplit('.').next().unwrap_or_default();
            let of_nothing = failure.message.contains("'NoneType'");
            let line = failure.line.and_then(|line| code.lines().nth(line as usize - 1)).unwrap_or_default();
            let meant = line.trim_start().starts_with("raise");
            match class {
                "ValueError" | "IndexError" | "KeyError" | "StopIteration" | "JSONDecodeError" | "Error"
                | "InvalidOperation" | "UnicodeDecodeError" | "UnicodeEncodeError" => completed || !meant,
                "AttributeError" | "TypeError" => of_nothing,
                "ZeroDivisionError" => completed,
                _ => false,
            }
        }
        _ => false,
    }
}

fn finding_code(code: FailureCode) -> &'static str {
    match code {
        FailureCode::PythonError => "E_RAISED",
        FailureCode::ToolError => "E_TOOL_ERROR",
        FailureCode::Timeout | FailureCode::BudgetExceeded => OVER_BUDGET,
        FailureCode::OutOfMemory => "E_MEMORY",
        FailureCode::ResultNotJson => "E_RESULT_NOT_JSON",
        FailureCode::NoResult => "E_NO_RESULT",
        FailureCode::OutputTooLarge => "E_RESULT_TOO_LARGE",
        FailureCode::SandboxViolation => "E_SANDBOX",
        FailureCode::InvalidCode => "E_SYNTAX",
    }
}

/// The expected texts that the result does not hold.
fn unmet(expected: &[String], result_json: &str) -> Vec<String> {
    let text = match serde_json::from_str(result_json) {
        Ok(Value::String(text)) => text,
        _ => result_json.to_owned(),
    };
    expected.iter().filter(|part| !text.contains(part.as_str())).map(|part| shown(part)).collect()
}

fn shown(text: &str) -> String {
    cut(text, SHOWN_CHARS_MAX)
}

pub(super) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Tools that answer from a self-test, and with something plausible where it says nothing.
struct StandIns {
    replies: Vec<ToolReply>,
    calls: AtomicU32,
    calls_max: u32,
}

impl StandIns {
    fn new(replies: Vec<ToolReply>, calls_max: u32) -> Self {
        Self { replies, calls: AtomicU32::new(0), calls_max }
    }

    fn answer(&self, call: &ToolCall) -> ToolVerdict {
        if self.calls.fetch_add(1, Ordering::Relaxed) >= self.calls_max {
            let told = format!("the run made more than {} tool calls", self.calls_max);
            return ToolVerdict::End(RunEnd::Failed(RunFailure::new(FailureCode::BudgetExceeded, told)));
        }
        if let Err(mistake) = tools::check(call) {
            return ToolVerdict::Fail(mistake);
        }
        let asked = question(&call.arguments);
        let fits = |reply: &&ToolReply| reply.tool == call.tool && asked.contains(&reply.contains);
        let reply =
            self.replies.iter().find(fits).map_or_else(|| plausible(&call.tool), |found| &found.reply);
        match tools::Form::of(&call.arguments) {
            Ok(form) => ToolVerdict::Answer(in_form(&form, reply).into()),
            Err(mistake) => ToolVerdict::Fail(mistake),
        }
    }
}

/// The text a call is about: its first argument, whatever its name.
fn question(arguments: &Map<String, Value>) -> &str {
    ["query", "prompt"].iter().find_map(|name| arguments.get(*name)?.as_str()).unwrap_or_default()
}

/// An answer of the kind a tool gives: prose with a number from documents, one short word from a model.
fn plausible(tool: &str) -> &'static str {
    match tool {
        "chat_completion" => "7",
        _ => "According to the documents, it is 42 (page 7 of the handbook).",
    }
}

/// A reply in the form that the call asks for. A self-test may have been written without a thought of the form: what
/// the real tool would never return is replaced by something that it could.
fn in_form(form: &tools::Form, reply: &str) -> String {
    if form.admits(reply) {
        return reply.to_owned();
    }
    match form {
        tools::Form::Free => reply.to_owned(),
        tools::Form::Choice(choices) => {
            let plain = |text: &str| text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            let meant = choices.iter().find(|choice| plain(choice) == plain(reply));
            meant.or(choices.first()).cloned().unwrap_or_default()
        }
        tools::Form::Pattern(pattern) => pattern.sample().unwrap_or_else(|| reply.to_owned()),
        tools::Form::Schema(schema) => schema.smallest().to_string(),
    }
}

impl RunHost for StandIns {
    fn call_tool(&self, call: ToolCall) -> BoxFuture<'_, ToolVerdict> {
        Box::pin(async move { self.answer(&call) })
    }

    fn step_entered(&self, _: StepEntered) {}

    fn step_left(&self, _: StepLeft) {}

    fn printed(&self, _: Stream, _: &[u8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_looked_for_in_the_text_itself() {
        let expected = ["l'été \"chaud\"".to_owned(), "absent".to_owned()];
        assert_eq!(unmet(&expected, r#""C'est l'été \"chaud\".\n""#), ["absent"]);
        assert_eq!(unmet(&["[1,2]".to_owned()], "[1,2]"), Vec::<String>::new());
    }

    #[test]
    fn stand_ins_keep_to_the_form_that_is_asked_for() {
        let form = |arguments: Value| tools::Form::of(arguments.as_object().unwrap()).unwrap();
        let choice = form(serde_json::json!({"choices": ["POSITIF", "NÉGATIF"]}));
        assert_eq!(in_form(&choice, "négatif."), "NÉGATIF");
        assert_eq!(in_form(&choice, "7"), "POSITIF");
        assert_eq!(in_form(&form(serde_json::json!({"regex": r"\d{4}"})), "none"), "0000");
        let schema = serde_json::json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        assert_eq!(in_form(&form(serde_json::json!({"schema": schema})), "7"), r#"{"n":0}"#);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("éééé", 2), "éé…");
        assert_eq!(cut("éé", 2), "éé");
    }
}
