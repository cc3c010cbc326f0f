//! Execute: a program, an input, a cell; what comes back becomes the job's final state.

use std::{sync::Arc, time::Duration};

use shared::{
    job::{EntryId, ErrorCode, ExecuteInput, JobError, JobSpec, Usage},
    queue::{Attempt, StopReason},
    store::Finish,
    time::Timestamp,
    trace::{SpanKind, TraceContext},
};
use tokio::time::Instant;

use crate::{
    cell::{FailureCode, RunEnd, RunFailure, RunReport, RunSpec, RunTask},
    consume::Outcome,
    environment::Environment,
    origin::RunOrigin,
    patience,
    recorder::{Closed, Recorder},
    tools::ToolHost,
};

/// Carries out an execute job.
pub async fn execute(environment: &Arc<Environment>, job: &JobSpec, attempt: &Attempt) -> Outcome {
    let (EntryId::Job(job_id), Some(workflow)) = (job.id, job.workflow_id) else {
        return failed(JobError::new(ErrorCode::InvalidCode, "The job names no workflow."));
    };
    let Ok(input) = job.decode_input::<ExecuteInput>() else {
        return failed(JobError::new(ErrorCode::InvalidCode, "The job's input does not read."));
    };
    let read = || environment.programs.get(&environment.store, workflow, job.version);
    let program = match patience::until_stored(attempt, read).await {
        Some(Some(program)) => program,
        Some(None) => {
            return failed(JobError::new(ErrorCode::InvalidCode, "The workflow's version no longer exists."));
        }
        None => return Outcome::Ours("the program does not read".to_owned()),
    };
    let time = TimeBox::of(job, attempt);
    let origin = RunOrigin::of(&program, &input);
    let Some(recorder) = Recorder::start(environment, &job.tenant, job_id, attempt, origin).await else {
        return Outcome::Ours("the journal does not read".to_owned());
    };
    let asked = job.trace.unwrap_or_else(TraceContext::new_root);
    let in_cell = environment.tracer.begin("cell", SpanKind::Internal, asked);
    let host = ToolHost::new(environment.clone(), recorder.clone(), attempt, time.deadline, job, &input);
    let host = Arc::new(host.traced(in_cell.context()));
    let spec = RunSpec {
        program,
        task: RunTask::Execute { user_input: input.user_input },
        seed: seed(&job.id),
        limits: environment.limits.run(time.wall),
    };
    let report = environment.cells.run(spec, host, attempt.stopped()).await;
    drop(in_cell);
    let completed = matches!(report.end, RunEnd::Returned(_));
    let recorded = recorder.close(report.log_truncated, completed).await;
    let provider = recorded.provider.map(str::to_owned);
    let usage = Usage {
        wall_ms: whole_ms(report.usage.wall),
        cpu_ms: whole_ms(report.usage.cpu),
        max_rss_bytes: report.usage.max_rss_bytes,
        ..recorded.usage
    };
    let Closed { log, replay, .. } = recorded;
    let sandbox = Some(environment.sandbox.clone());
    let finish = Finish { usage, provider, log, replay, sandbox, ..Finish::default() };
    conclude(report, finish, attempt, &time)
}

/// `random` is seeded by the job, so that another attempt of it draws the same numbers.
fn seed(id: &EntryId) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(id.to_string());
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// How long the attempt may take: its own timeout, or what is left until the job expires.
struct TimeBox {
    wall: Duration,
    deadline: Instant,
    /// The job expires before the attempt's timeout.
    expires_first: bool,
}

impl TimeBox {
    fn of(job: &JobSpec, attempt: &Attempt) -> Self {
        let left = |at: Timestamp| {
            let ms = at.as_millis().saturating_sub(attempt.claim.started_at.as_millis());
            Duration::from_millis(u64::try_from(ms).unwrap_or(0))
        };
        let until_expiry = attempt.claim.expires_at.map_or(Duration::MAX, left);
        let wall = job.timeout.min(until_expiry);
        Self { wall, deadline: Instant::now() + wall, expires_first: until_expiry < job.timeout }
    }
}

/// The end of the run becomes the end of the attempt.
fn conclude(report: RunReport, finish: Finish, attempt: &Attempt, time: &TimeBox) -> Outcome {
    match report.end {
        RunEnd::Returned(result) => {
            Outcome::Over(Box::new(Finish { result: Some(String::from(Box::<str>::from(result))), ..finish }))
        }
        RunEnd::Failed(failure) => {
            let error = job_error(failure, time);
            Outcome::Over(Box::new(Finish { error: Some(error), ..finish }))
        }
        RunEnd::Stopped if attempt.reason() == Some(StopReason::Cancelled) => {
            Outcome::Over(Box::new(Finish { cancelled: true, ..finish }))
        }
        RunEnd::Stopped => Outcome::Stopped,
        RunEnd::Lost(cause) => Outcome::Ours(cause),
        RunEnd::Checked(_) => Outcome::Ours("a run answered as a check".to_owned()),
    }
}

fn job_error(failure: RunFailure, time: &TimeBox) -> JobError {
    let RunFailure { code, message, line, traceback } = failure;
    if code == FailureCode::Timeout && time.expires_first {
        let seconds = time.wall.as_secs_f64();
        let told = format!("The job expired while it was running, {seconds:.1} s after this attempt began.");
        return JobError { line, traceback, ..JobError::new(ErrorCode::Expired, told) };
    }
    JobError { code: error_code(code), message, line, traceback }
}

/// The public name of a run's failure.
pub fn error_code(code: FailureCode) -> ErrorCode {
    match code {
        FailureCode::PythonError => ErrorCode::PythonError,
        FailureCode::Timeout => ErrorCode::Timeout,
        FailureCode::OutOfMemory => ErrorCode::OutOfMemory,
        FailureCode::OutputTooLarge => ErrorCode::OutputTooLarge,
        FailureCode::NoResult => ErrorCode::NoResult,
        FailureCode::ResultNotJson => ErrorCode::ResultNotJson,
        FailureCode::SandboxViolation => ErrorCode::SandboxViolation,
        FailureCode::ToolError => ErrorCode::ToolError,
        FailureCode::BudgetExceeded => ErrorCode::BudgetExceeded,
        FailureCode::InvalidCode => ErrorCode::InvalidCode,
    }
}

fn failed(error: JobError) -> Outcome {
    Outcome::Over(Box::new(Finish { error: Some(error), ..Finish::default() }))
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
