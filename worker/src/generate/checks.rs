//! Static checks: CPython's own `ast` and `symtable`, in a cell, over the program's text.
//!
//! Two cells, two questions. The runner's own check says whether the program could be started at all (syntax, entry
//! point); its no is final for anybody's code. Our checker program (`checks/*.py`) then says what will not work in it.
//! The program is parsed in both and run in neither.

use std::sync::Arc;

use providers::{
    PlannedStep,
    generation::tools::{Parameter, ParameterKind, TOOLS, ToolKind, ToolSpec},
};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    limits,
    store::generation::{Finding, Severity},
};

use super::proof::{Bench, Lost};
use crate::cell::{CheckedRun, FailureCode, RunEnd, RunFailure, RunTask};

/// One program in files that are read together; the first has the imports and the entry point.
const CHECKER: &str = concat!(
    include_str!("checks/program.py"),
    include_str!("checks/entry_point.py"),
    include_str!("checks/names.py"),
    include_str!("checks/imports.py"),
    include_str!("checks/tool_calls.py"),
    include_str!("checks/awaits.py"),
    include_str!("checks/plan.py"),
    include_str!("checks/secrets.py"),
);

/// What the checker program answers.
#[derive(Debug, Deserialize)]
struct Findings {
    findings: Vec<Finding>,
}

/// Whether a program could be started: syntax, entry point, and nothing else.
pub(super) async fn startable(bench: &Bench<'_>, code: &str) -> Result<Result<(), RunFailure>, Lost> {
    let report = bench.run(code.into(), RunTask::Check, limits::CHECK_TIMEOUT, Arc::new(CheckedRun)).await?;
    match report.end {
        RunEnd::Checked(_) => Ok(Ok(())),
        RunEnd::Failed(failure) => Ok(Err(failure)),
        _ => Err(Lost::Cell("a check ended as something else".to_owned())),
    }
}

/// What is wrong with a program that could be started; `steps` is the plan of a generated one.
pub async fn findings(
    bench: &Bench<'_>,
    code: &str,
    steps: Option<&[PlannedStep]>,
) -> Result<Vec<Finding>, Lost> {
    let task = json!({
        "code": code,
        "tools": TOOLS.iter().map(described).collect::<Vec<_>>(),
        "steps": steps,
        "code_bytes_max": limits::CODE_BYTES_MAX,
        "findings_max": limits::FINDINGS_MAX,
    });
    let task = RunTask::Execute { user_input: task.to_string() };
    let report = bench.run(CHECKER.into(), task, limits::CHECK_TIMEOUT, Arc::new(CheckedRun)).await?;
    match report.end {
        RunEnd::Returned(answer) => {
            let read: Findings = serde_json::from_str(answer.get())
                .map_err(|error| Lost::Cell(format!("the checker's answer does not read: {error}")))?;
            Ok(read.findings)
        }
        // A program that wears the checker down (nesting, size) is not a fault of ours.
        RunEnd::Failed(failure) => Ok(vec![unchecked(&failure)]),
        _ => Err(Lost::Cell("a check ended as something else".to_owned())),
    }
}

/// What the runner's own check found, as a finding.
pub(super) fn not_startable(failure: &RunFailure) -> Finding {
    let code = match failure.code {
        FailureCode::InvalidCode => "E_SYNTAX",
        _ => "E_UNCHECKABLE",
    };
    Finding::error(code, failure.line, failure.message.clone())
}

fn unchecked(failure: &RunFailure) -> Finding {
    let told = format!("the program could not be looked through: {}", failure.message);
    Finding { severity: Severity::Warning, ..Finding::error("E_UNCHECKABLE", None, told) }
}

fn described(tool: &ToolSpec) -> Value {
    let kind = match tool.kind {
        ToolKind::Call => "call",
        ToolKind::Context => "context",
    };
    let parameter = |parameter: &Parameter| {
        let kind = match parameter.kind {
            ParameterKind::Text => "text",
            ParameterKind::Integers => "integers",
            ParameterKind::Texts => "texts",
            ParameterKind::Flag => "flag",
            ParameterKind::Object => "object",
        };
        json!({
            "name": parameter.name,
            "kind": kind,
            "required": parameter.is_required(),
            "keyword_only": parameter.is_keyword_only(),
        })
    };
    let parameters: Vec<Value> = tool.parameters.iter().map(parameter).collect();
    json!({ "name": tool.name, "kind": kind, "parameters": parameters })
}
