//! Generate: from a description, or the client's own code, to a version that is ready, or to the reason why not.
//!
//! Nothing is `ready` that has not passed the check in a cell. What is found wrong with a generated program goes
//! back to the model a bounded number of times; supplied code is the client's: it is checked, never changed.

use std::{sync::Arc, time::Duration};

use providers::{
    AnsweredQuestion, CallContext, GeneratedProgram, GenerationOutcome, GenerationRequest, PreviousAttempt,
    ProviderError,
};
use serde_json::json;
use shared::{
    job::{ErrorCode, GenerateInput, JobError, JobSpec, Usage},
    limits,
    queue::Attempt,
    store::Finish,
    workflow::{Question, Step, WorkflowStatus},
};
use tokio::time::Instant;

use crate::{
    cell::{CheckedRun, FailureCode, RunEnd, RunFailure, RunSpec, RunTask},
    consume::Outcome,
    environment::Environment,
    execute::error_code,
};

/// 10 s to parse 256 kB of Python: a hundred times what it takes.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries out a generate job.
pub async fn generate(environment: &Arc<Environment>, job: &JobSpec, attempt: &Attempt) -> Outcome {
    let Ok(input) = job.decode_input::<GenerateInput>() else {
        return over(failure(JobError::new(ErrorCode::GenerationFailed, "The job's input does not read.")));
    };
    let began = Instant::now();
    let limit = job.timeout.min(limits::GENERATE_TIMEOUT);
    let stopped = attempt.stopped();
    let work = async {
        match &input.code {
            Some(code) => supplied(environment, &input, code, attempt).await,
            None => generated(environment, &input, attempt, CallContext::until(began + limit)).await,
        }
    };
    tokio::select! {
        () = stopped.cancelled() => Outcome::Stopped,
        made = work => match made {
            Ok(mut finish) => {
                finish.usage.wall_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                over(finish)
            }
            Err(ours) => Outcome::Ours(ours),
        },
    }
}

/// The client's own code: it is taken as it is, if it parses and has an entry point.
async fn supplied(
    environment: &Environment,
    input: &GenerateInput,
    code: &str,
    attempt: &Attempt,
) -> Result<Finish, String> {
    if let Some(failure) = check(environment, code, attempt).await? {
        return Ok(self::failure(job_error(failure)));
    }
    let name = title(&input.description);
    Ok(Finish {
        result: Some(json!({ "status": WorkflowStatus::Ready }).to_string()),
        becomes_current: true,
        workflow: ready_fields(None, &name, "", &[]),
        version: vec![("status", WorkflowStatus::Ready.as_str().to_owned())],
        ..Finish::default()
    })
}

/// A program written by the generator, checked, and repaired while there is something to repair.
async fn generated(
    environment: &Environment,
    input: &GenerateInput,
    attempt: &Attempt,
    cx: CallContext,
) -> Result<Finish, String> {
    let generator = &environment.generator;
    let mut request = GenerationRequest::new(input.description.as_str());
    request.feedback.clone_from(&input.feedback);
    let answered = |(question, answer): &(String, String)| AnsweredQuestion {
        question: question.clone(),
        answer: answer.clone(),
    };
    request.answers = input.answers.iter().map(answered).collect();
    let mut round = 0;
    let finish = loop {
        let generation = match generator.generate(&request, &cx).await {
            Ok(generation) => generation,
            Err(error) => break failure(provider_failure(&error)),
        };
        let program = match generation.outcome {
            GenerationOutcome::Program(program) => program,
            other => break without_program(other),
        };
        let Some(found) = check(environment, &program.code, attempt).await? else {
            break ready(&program, generator.provider(), generator.model(), generation.prompt_version, round);
        };
        if round == limits::REPAIR_ROUNDS_MAX || generator.model().is_none() {
            break failure(not_repaired(&found, round));
        }
        round += 1;
        request.previous = Some(PreviousAttempt { code: program.code, findings: vec![finding(&found)] });
    };
    let spent = cx.meter.spent();
    let usage = Usage {
        input_tokens: spent.usage.input_tokens_total(),
        output_tokens: spent.usage.output_tokens,
        llm_requests: u64::from(spent.requests),
        ..Usage::default()
    };
    Ok(Finish { usage, provider: Some(generator.provider().to_owned()), ..finish })
}

/// What is wrong with a program before it runs. `Err`: the check itself was lost.
async fn check(
    environment: &Environment,
    code: &str,
    attempt: &Attempt,
) -> Result<Option<RunFailure>, String> {
    let spec = RunSpec {
        program: code.into(),
        task: RunTask::Check,
        seed: 0,
        limits: environment.limits.run(CHECK_TIMEOUT),
    };
    let report = environment.cells.run(spec, Arc::new(CheckedRun), attempt.stopped()).await;
    match report.end {
        RunEnd::Checked(_) => Ok(None),
        RunEnd::Failed(failure) => Ok(Some(failure)),
        RunEnd::Returned(_) => Err("a check answered as a run".to_owned()),
        RunEnd::Stopped => Err("the check was stopped".to_owned()),
        RunEnd::Lost(cause) => Err(cause),
    }
}

fn ready(
    program: &GeneratedProgram,
    provider: &'static str,
    model: Option<&str>,
    prompt_version: Option<u32>,
    rounds: u32,
) -> Finish {
    let step = |step: &providers::PlannedStep| Step {
        id: step.id.clone(),
        title: step.title.clone(),
        tools: step.tools.clone(),
    };
    let steps: Vec<Step> = program.steps.iter().map(step).collect();
    let mut version = vec![
        ("status", WorkflowStatus::Ready.as_str().to_owned()),
        ("code", program.code.clone()),
        ("summary", program.summary.clone()),
        ("steps", json!(steps).to_string()),
        ("assumptions", json!(program.assumptions).to_string()),
        ("provider", provider.to_owned()),
        ("rounds", rounds.to_string()),
    ];
    version.extend(model.map(|model| ("model", model.to_owned())));
    version.extend(prompt_version.map(|number| ("prompt_version", number.to_string())));
    Finish {
        result: Some(json!({ "status": WorkflowStatus::Ready, "summary": program.summary }).to_string()),
        becomes_current: true,
        workflow: ready_fields(Some(provider), &program.name, &program.summary, &steps),
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

/// Questions and refusals are answers: the job succeeded.
fn without_program(outcome: GenerationOutcome) -> Finish {
    let (status, questions, summary) = match outcome {
        GenerationOutcome::Questions(questions) => {
            let question = |q: providers::Question| Question { id: q.id, text: q.text };
            let questions: Vec<Question> = questions.into_iter().map(question).collect();
            (WorkflowStatus::NeedsClarification, questions, String::new())
        }
        GenerationOutcome::Cannot { reason, .. } => (WorkflowStatus::Refused, Vec::new(), reason),
        GenerationOutcome::NotUnderstood { reason } => {
            return failure(JobError::new(ErrorCode::GenerationFailed, reason));
        }
        _ => {
            return failure(JobError::new(
                ErrorCode::GenerationFailed,
                "The generator gave an unknown answer.",
            ));
        }
    };
    let fields = vec![
        ("status", status.as_str().to_owned()),
        ("questions", json!(questions).to_string()),
        ("summary", summary.clone()),
        ("error", String::new()),
    ];
    Finish {
        result: Some(json!({ "status": status, "questions": questions, "reason": summary }).to_string()),
        workflow: fields.clone(),
        version: fields,
        ..Finish::default()
    }
}

fn failure(error: JobError) -> Finish {
    Finish { error: Some(error), ..Finish::default() }
}

fn over(finish: Finish) -> Outcome {
    Outcome::Over(Box::new(finish))
}

fn job_error(failure: RunFailure) -> JobError {
    let RunFailure { code, message, line, traceback } = failure;
    // Whatever stops a check is a fault of the code: it is not run yet.
    let code = if code == FailureCode::InvalidCode { error_code(code) } else { ErrorCode::InvalidCode };
    JobError { code, message, line, traceback }
}

fn provider_failure(error: &ProviderError) -> JobError {
    JobError::new(ErrorCode::ProviderError, error.to_string())
}

fn not_repaired(found: &RunFailure, rounds: u32) -> JobError {
    let finding = finding(found);
    let told = format!("The generated program is not usable after {rounds} repairs: {finding}");
    JobError { line: found.line, ..JobError::new(ErrorCode::GenerationFailed, told) }
}

fn finding(failure: &RunFailure) -> String {
    match failure.line {
        Some(line) => format!("line {line}: {}", failure.message),
        None => failure.message.clone(),
    }
}

/// A title for a workflow whose client gave none: the first words of its description.
fn title(description: &str) -> String {
    let words: Vec<&str> = description.split_whitespace().take(8).collect();
    words.join(" ")
}
