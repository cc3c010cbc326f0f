//! Objects as text for people and pipes. Pure: what is printed where is decided in [`crate::console`].

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use crate::http::ApiError;
use crate::model::{Job, JobError, Workflow};

/// 60 characters of a description or argument in a table: with the other columns it fits a usual terminal.
const CELL_CHARS_MAX: usize = 60;

/// Text without what a terminal would obey: programs, models and clients wrote it, and it goes to a terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(obeyed) { text.replace(obeyed, "\u{fffd}").into() } else { text.into() }
}

/// Rows under a heading: aligned for people, tab-separated and without the heading for a pipe.
pub fn table(heading: &[&str], rows: &[Vec<String>], for_people: bool) -> String {
    let mut text = String::new();
    if !for_people {
        for row in rows {
            let cells: Vec<_> = row.iter().map(|cell| cell.replace(['\t', '\n', '\r'], " ")).collect();
            let _ = writeln!(text, "{}", cells.join("\t"));
        }
        return text;
    }
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let shortened = rows.iter().map(|row| row.iter().map(|cell| shorten(cell)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(shortened).collect();
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    for line in &lines {
        let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

/// One line, cut where a table cell ends.
pub fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What a program returned: a string as it is, anything else as JSON.
pub fn result(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    }
}

/// A workflow, on some lines.
pub fn workflow(workflow: &Workflow) -> String {
    let mut text = format!("{}  {}", workflow.id, workflow.status);
    if workflow.version > 0 {
        let _ = write!(text, "  version {}", workflow.version);
    }
    if let Some(provider) = &workflow.provider {
        let _ = write!(text, "  by {provider}");
    }
    text.push('\n');
    if let Some(name) = workflow.name.as_deref().filter(|name| !name.is_empty()) {
        let _ = writeln!(text, "name: {name}");
    }
    text.push_str(&plan(workflow));
    if let Some(error) = &workflow.error {
        let _ = writeln!(text, "{}", job_error(error));
    }
    for question in &workflow.questions {
        let _ = writeln!(text, "question {}: {}", question.id, question.text);
    }
    text
}

/// What a workflow's program does: summary and numbered steps.
pub fn plan(workflow: &Workflow) -> String {
    let mut text = String::new();
    if let Some(summary) = workflow.summary.as_deref().filter(|summary| !summary.is_empty()) {
        let _ = writeln!(text, "{summary}");
    }
    for (number, step) in (1..).zip(&workflow.steps) {
        let _ = write!(text, "  {number}. {}", step.title);
        if !step.tools.is_empty() {
            let _ = write!(text, "  [{}]", step.tools.join(", "));
        }
        text.push('\n');
    }
    text
}

/// A job, on some lines, the result last.
pub fn job(job: &Job) -> String {
    let mut text = format!("{}  {} {}", job.id, job.kind, job.status);
    if job.attempt > 0 {
        let _ = write!(text, "  attempt {} of {}", job.attempt, job.max_attempts);
    }
    if let Some(provider) = &job.provider {
        let _ = write!(text, "  by {provider}");
    }
    let _ = write!(
        text,
        "\nworkflow: {} version {}\ncreated: {}\n",
        job.workflow_id, job.version, job.created_at
    );
    for (label, time) in [("started", &job.started_at), ("finished", &job.finished_at)] {
        if let Some(time) = time {
            let _ = writeln!(text, "{label}: {time}");
        }
    }
    if let Some(usage) = job.usage.as_ref().filter(|_| job.finished_at.is_some()) {
        let _ = writeln!(
            text,
            "used: {} ms, {} tool calls, {} + {} tokens",
            usage.wall_ms, usage.tool_calls, usage.input_tokens, usage.output_tokens
        );
    }
    if let Some(error) = &job.error {
        let _ = writeln!(text, "{}", job_error(error));
    }
    if !job.result.is_null() {
        let _ = write!(text, "result:\n{}\n", result(&job.result));
    }
    text
}

/// `python_error: … (line 3)` and the traceback under it.
pub fn job_error(error: &JobError) -> String {
    let mut text = format!("{}: {}", error.code, error.message);
    if let Some(line) = error.line {
        let _ = write!(text, " (line {line})");
    }
    if let Some(traceback) = &error.traceback {
        let _ = write!(text, "\n{}", traceback.trim_end());
    }
    text
}

/// An error of the API for people: the sentence, the fields, and what to look up.
pub fn api_error(error: &ApiError) -> String {
    let mut text = error.to_string();
    let ApiError::Problem(problem) = error else { return text };
    if !problem.code.is_empty() {
        let _ = write!(text, " ({})", problem.code);
    }
    for field in &problem.errors {
        let _ = write!(text, "\n  {}: {}", field.pointer, field.detail);
    }
    if let Some(pause) = problem.retry_after {
        let _ = write!(text, "\n  try again in {} s", pause.as_secs());
    }
    if problem.status == 401 {
        text.push_str("\n  give a key with --api-key or WF_API_KEY");
    }
    if !problem.request_id.is_empty() {
        let _ = write!(text, "\n  request id: {}", problem.request_id);
    }
    text
}

/// Tool calls and named steps: number, what, arguments, milliseconds, tokens, whether replayed.
/// Read field by field: a step of a kind that this `wf` does not know is still a row.
pub fn step_rows(answer: &Value) -> Vec<Vec<String>> {
    let steps = answer.get("data").unwrap_or(answer).as_array().map(Vec::as_slice).unwrap_or_default();
    (1..).zip(steps).map(|(number, step): (usize, _)| step_row(number, step)).collect()
}

fn step_row(number: usize, step: &Value) -> Vec<String> {
    let text = |names: &[&str]| {
        let is_said =
            |value: &&Value| !value.is_null() && value.as_object().is_none_or(|object| !object.is_empty());
        let found = names.iter().find_map(|name| step.get(name).filter(is_said));
        found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
    };
    let count = |name: &str| step.get(name).and_then(Value::as_u64).unwrap_or_default();
    let tokens = count("input_tokens") + count("output_tokens");
    let note = if step.get("error").is_some_and(|error| !error.is_null()) {
        "failed"
    } else if step.get("replayed").and_then(Value::as_bool).unwrap_or_default() {
        "replayed"
    } else {
        ""
    };
    vec![
        number.to_string(),
        text(&["tool", "title"]),
        text(&["arguments"]),
        text(&["ms"]),
        if tokens > 0 { tokens.to_string() } else { String::new() },
        note.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_for_people_and_tab_separated_for_a_pipe() {
        let rows =
            vec![vec!["job_1".to_owned(), "queued".to_owned()], vec!["j".to_owned(), "tab\there".to_owned()]];
        assert_eq!(table(&["ID", "STATUS"], &rows, true), "ID     STATUS\njob_1  queued\nj      tab here\n");
        assert_eq!(table(&["ID", "STATUS"], &rows, false), "job_1\tqueued\nj\ttab here\n");
    }

    #[test]
    fn a_terminal_is_never_given_orders() {
        assert_eq!(printable("a\x1b[2Jb\r\tc\nd\u{9b}"), "a\u{fffd}[2Jb\u{fffd}\tc\nd\u{fffd}");
        assert!(matches!(printable("plain é\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_long_cell_is_cut_between_characters() {
        let long = "é".repeat(CELL_CHARS_MAX + 1);
        assert_eq!(shorten(&long), format!("{}…", "é".repeat(CELL_CHARS_MAX)));
        assert_eq!(shorten("two\n lines"), "two lines");
    }

    #[test]
    fn a_string_result_is_printed_as_it_is_and_others_as_json() {
        assert_eq!(result(&json!("line 1\nline 2")), "line 1\nline 2");
        assert_eq!(result(&json!([1])), "[\n  1\n]");
    }

    #[test]
    fn a_job_error_names_code_line_and_traceback() {
        let error: JobError = serde_json::from_value(
            json!({"code": "python_error", "message": "ValueError: no", "line": 3, "traceback": "Traceback…\n"}),
        )
        .unwrap();
        assert_eq!(job_error(&error), "python_error: ValueError: no (line 3)\nTraceback…");
    }

    #[test]
    fn steps_of_known_and_unknown_kinds_are_rows() {
        let answer = json!({"data": [
            {"tool": "paradigm_search", "arguments": {"query": "x"}, "ms": 12, "input_tokens": 0, "replayed": true},
            {"title": "Format", "arguments": {}, "error": {"message": "no"}},
            {"tool": "chat_completion", "input_tokens": 20, "output_tokens": 3},
            {"something": "new"},
        ]});
        let rows = step_rows(&answer);
        assert_eq!(rows[0], ["1", "paradigm_search", "{\"query\":\"x\"}", "12", "", "replayed"]);
        assert_eq!(rows[1], ["2", "Format", "", "", "", "failed"]);
        assert_eq!(rows[2], ["3", "chat_completion", "", "", "23", ""]);
        assert_eq!(rows[3], ["4", "", "", "", "", ""]);
    }
}
