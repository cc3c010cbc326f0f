//! What the end of a generation writes: the job's result, the workflow's fields, the version's fields.

use providers::{GeneratedProgram, PlannedStep, ProviderError, Spent};
use serde_json::json;
use shared::{
    job::{ErrorCode, JobError, Usage},
    store::{
        Finish,
        generation::{Finding, Provenance},
    },
    workflow::{Question, Step, WorkflowStatus},
};

use super::proof::Made;
use crate::{
    cell::{FailureCode, RunFailure},
    execute::error_code,
};

/// 5 findings are named in an error; all are with the version.
const FINDINGS_TOLD_MAX: usize = 5;

/// The end of a proof.
pub(super) fn of(made: Made, provenance: &Provenance) -> Finish {
    match made {
        Made::Program(program) => ready(&program, provenance),
        Made::Questions(questions) => {
            let question = |q: providers::Question| Question { id: q.id, text: q.text };
            let questions: Vec<Question> = questions.into_iter().map(question).collect();
            without_program(WorkflowStatus::NeedsClarification, &questions, "", provenance)
        }
        Made::Cannot { reason, missing_capability } => {
            let provenance = Provenance { missing_capability, ..provenance.clone() };
            without_program(WorkflowStatus::Refused, &[], &reason, &provenance)
        }
        Made::NotUnderstood(reason) => {
            failure(JobError::new(ErrorCode::GenerationFailed, reason), provenance)
        }
        Made::Unusable(findings) => failure(not_repaired(&findings, provenance), provenance),
        Made::Provider(error) => failure(provider_failure(&error), provenance),
    }
}

/// A program that has run.
pub(super) fn ready(program: &GeneratedProgram, provenance: &Provenance) -> Finish {
    let step = |step: &PlannedStep| Step {
        id: step.id.clone(),
        title: step.title.clone(),
        tools: step.tools.clone(),
    };
    let steps: Vec<Step> = program.steps.iter().map(step).collect();
    let mut version = provenance.fields();
    version.extend([
        ("status", WorkflowStatus::Ready.as_str().to_owned()),
        ("code", program.code.clone()),
        ("summary", program.summary.clone()),
        ("steps", json!(steps).to_string()),
    ]);
    Finish {
        result: Some(
            json!({ "status": WorkflowStatus::Ready, "summary": program.summary, "cached": provenance.cached })
                .to_string(),
        ),
        provider: provenance.provider.clone(),
        becomes_current: true,
        workflow: ready_fields(provenance.provider.as_deref(), &program.name, &program.summary, &steps),
        version,
        ..Finish::default()
    }
}

/// The client's own program.
pub(super) fn supplied(description: &str, provenance: &Provenance) -> Finish {
    let mut version = provenance.fields();
    version.push(("status", WorkflowStatus::Ready.as_str().to_owned()));
    Finish {
        result: Some(json!({ "status": WorkflowStatus::Ready }).to_string()),
        becomes_current: true,
        workflow: ready_fields(None, &title(description), "", &[]),
        version,
        ..Finish::default()
    }
}

/// A program that cannot be started.
pub(super) fn invalid_code(failure: RunFailure) -> Finish {
    let RunFailure { code, message, line, traceback } = failure;
    // Whatever stops a check is a fault of the code: it is not run yet.
    let code = if code == FailureCode::InvalidCode { error_code(code) } else { ErrorCode::InvalidCode };
    let finding = Finding::error("E_SYNTAX", line, message.clone());
    let provenance = Provenance { findings: vec![finding], ..Provenance::default() };
    self::failure(JobError { code, message, line, traceback }, &provenance)
}

/// No version came of it; what was tried is kept with it.
pub(super) fn failure(error: JobError, provenance: &Provenance) -> Finish {
    Finish {
        error: Some(error),
        provider: provenance.provider.clone(),
        version: provenance.fields(),
        ..Finish::default()
    }
}

/// Adds what was spent.
pub(super) fn with_usage(finish: Finish, spent: Spent, provenance: &Provenance) -> Finish {
    let usage = Usage {
        input_tokens: provenance.input_tokens,
        output_tokens: provenance.output_tokens,
        llm_requests: u64::from(spent.requests),
        ..finish.usage
    };
    Finish { usage, ..finish }
}

/// Questions and refusals are answers: the job succeeded.
fn without_program(
    status: WorkflowStatus,
    questions: &[Question],
    summary: &str,
    provenance: &Provenance,
) -> Finish {
    let fields = vec![
        ("status", status.as_str().to_owned()),
        ("questions", json!(questions).to_string()),
        ("summary", summary.to_owned()),
        ("error", String::new()),
        ("provider", provenance.provider.clone().unwrap_or_default()),
    ];
    let mut version = provenance.fields();
    version.extend(fields.iter().filter(|(name, _)| *name != "provider").cloned());
    let missing = &provenance.missing_capability;
    Finish {
        result: Some(
            json!({ "status": status, "questions": questions, "reason": summary, "missing_capability": missing })
                .to_string(),
        ),
        provider: provenance.provider.clone(),
        workflow: fields,
        version,
        ..Finish::default()
    }
}

fn ready_fields(
    provider: Option<&str>,
    name: &str,
    summary: &str,
    steps: &[Step],
) -> Vec<(&'static str, String)> {
    vec![
        ("status", WorkflowStatus::Ready.as_str().to_owned()),
        ("suggested_name", name.to_owned()),
        ("summary", summary.to_owned()),
        ("steps", json!(steps).to_string()),
        ("questions", "[]".to_owned()),
        ("error", String::new()),
        ("provider", provider.unwrap_or_default().to_owned()),
    ]
}

fn provider_failure(error: &ProviderError) -> JobError {
    JobError::new(ErrorCode::ProviderError, error.to_string())
}

fn not_repaired(findings: &[Finding], provenance: &Provenance) -> JobError {
    let errors: Vec<&Finding> = findings.iter().filter(|finding| finding.is_error()).collect();
    let told: Vec<String> =
        errors.iter().take(FINDINGS_TOLD_MAX).enumerate().map(|(n, f)| format!("{}. {f}", n + 1)).collect();
    let tries = provenance.attempts.len();
    let message = format!(
        "No usable program after {tries} attempts. What is wrong with the last:\n{}",
        told.join("\n")
    );
    let line = errors.first().and_then(|finding| finding.line);
    JobError { line, ..JobError::new(ErrorCode::GenerationFailed, message) }
}

/// A title for a workflow whose client gave none: the first words of its description.
fn title(description: &str) -> String {
    let words: Vec<&str> = description.split_whitespace().take(8).collect();
    words.join(" ")
}
