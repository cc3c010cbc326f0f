//! Generate: from a description, or the client's own code, to a version that is ready, or to the reason why not.
//!
//! ```text
//! mod       the job: what is asked, what its end writes
//! proof     write, check, run, repair: a program is ready only when it ran
//! checks    CPython's own view of a program, from a cell (checks/*.py)
//! dry_run   the program in a cell with stand-in tools
//! failure   what a failed run tells the one who mends it: no data
//! cache     verified programs of a tenant
//! ```
//!
//! No data of a real run reaches a prompt that writes code: a repair quotes checks and dry runs, whose data is made
//! up, a failed run tells of its kind only, and feedback is the client's own words. Supplied code is the client's: it is checked, never changed.

mod cache;
pub mod checks;
mod dry_run;
mod failure;
mod finish;
pub mod proof;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use providers::{AnsweredQuestion, GenerationRequest, PreviousAttempt, ProviderError};
use shared::{
    job::{ErrorCode, GenerateInput, JobError, JobSpec},
    limits,
    queue::Attempt,
    store::{Finish, generation::Provenance},
};
use tokio::time::Instant;

use self::proof::{Bench, Lost, Made, Proof};
use crate::{
    budget::{self, Tab},
    consume::Outcome,
    environment::Environment,
    patience,
};

/// 100 ms: a provider that was waited for until so close to the job's end was waited for until its end.
const EXPIRES_SOON: Duration = Duration::from_millis(100);

/// Carries out a generate job.
pub async fn generate(environment: &Arc<Environment>, job: &JobSpec, attempt: &Attempt) -> Outcome {
    let Ok(input) = job.decode_input::<GenerateInput>() else {
        let error = JobError::new(ErrorCode::GenerationFailed, "The job's input does not read.");
        return over(finish::failure(error, &Provenance::default()));
    };
    let began = Instant::now();
    let stopped = attempt.stopped();
    let bench = Bench::new(&environment.cells, &environment.limits, attempt.stopped());
    let tab = Tab::new(environment, &job.tenant);
    let work = async {
        match &input.code {
            Some(code) => supplied(&bench, &input, code).await,
            None => {
                let most = job.timeout.min(limits::GENERATE_TIMEOUT);
                let deadline = began + until_expiry(attempt).map_or(most, |left| left.min(most));
                generated(environment, &bench, job, &input, attempt, deadline, &tab).await
            }
        }
    };
    let outcome = tokio::select! {
        () = stopped.cancelled() => Outcome::Stopped,
        ended = work => match ended {
            Ok(Outcome::Over(mut finish)) => {
                finish.usage.wall_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                // A remembered program, or a provider in trouble, needed no cell.
                finish.sandbox = bench.was_used().then(|| environment.sandbox.clone());
                Outcome::Over(finish)
            }
            Ok(outcome) => outcome,
            Err(Lost::Stopped) => Outcome::Stopped,
            Err(Lost::Cell(cause)) => Outcome::Ours(cause),
        },
    };
    tab.settle(attempt).await;
    outcome
}

/// The client's own code: it is taken as it is, if it parses and has an entry point. What else is found is shown.
async fn supplied(bench: &Bench<'_>, input: &GenerateInput, code: &str) -> Result<Outcome, Lost> {
    if let Err(failure) = checks::startable(bench, code).await? {
        return Ok(over(finish::invalid_code(failure)));
    }
    let findings = checks::findings(bench, code, None).await?;
    let provenance = Provenance { findings, ..Provenance::default() };
    Ok(over(finish::supplied(&input.description, &provenance)))
}

/// A program written by the generator, or remembered.
async fn generated(
    environment: &Environment,
    bench: &Bench<'_>,
    job: &JobSpec,
    input: &GenerateInput,
    attempt: &Attempt,
    deadline: Instant,
    tab: &Tab,
) -> Result<Outcome, Lost> {
    let tenant = patience::until_stored(attempt, || environment.store.tenant(&job.tenant)).await;
    let Some(tenant) = tenant else {
        return Ok(Outcome::Ours("the tenant's record does not read".to_owned()));
    };
    let clients = match environment.outside.clients_of(&tenant, &environment.sealer) {
        Ok(clients) => clients,
        Err(error) => {
            let error = JobError::new(ErrorCode::ProviderError, error.to_string());
            return Ok(over(finish::failure(error, &Provenance::default())));
        }
    };
    let generator = clients.generator.as_ref();
    let Some(request) = request(environment, job, input, attempt).await else {
        return Ok(Outcome::Ours("the workflow does not read".to_owned()));
    };
    let name = cache::fingerprint(generator, &request);
    if let Some(name) = name.as_ref().filter(|_| !input.force)
        && let Some((program, provenance)) = cache::look_up(&environment.store, &job.tenant, name).await
    {
        return Ok(over(finish::ready(&program, &provenance)));
    }
    if generator.model().is_some() {
        match tab.open(attempt, input.description.len()).await {
            Some(Ok(())) => {}
            Some(Err(spent)) => {
                let error = JobError::new(ErrorCode::BudgetExceeded, budget::day_spent(&spent));
                return Ok(over(finish::failure(error, &Provenance::default())));
            }
            None => return Ok(Outcome::Ours("the tenant's counts do not read".to_owned())),
        }
    }
    let mut cx = tab.context(deadline);
    cx.pause_max = Some(limits::GENERATE_PAUSE_MAX);
    let Proof { made, provenance } = proof::prove(bench, generator, request, &cx).await?;
    if let Made::Provider(error) = &made
        && let Some(delay) = pause(error, job.tries, !provenance.attempts.is_empty(), until_expiry(attempt))
    {
        tracing::info!(job.id = %job.id, delay_ms = delay.as_millis(), "A provider asks for a pause; the job waits in the queue.");
        return Ok(Outcome::Later { delay, fields: vec![("tries", (job.tries + 1).to_string())] });
    }
    if matches!(&made, Made::Provider(ProviderError::Timeout { .. }))
        && until_expiry(attempt).is_some_and(|left| left < EXPIRES_SOON)
    {
        let error =
            JobError::new(ErrorCode::Expired, "The job expired while its provider was being waited for.");
        return Ok(over(finish::with_usage(
            finish::failure(error, &provenance),
            cx.meter.spent(),
            &provenance,
        )));
    }
    if let (Made::Program(program), Some(name)) = (&made, &name) {
        cache::keep(&environment.store, &job.tenant, name, program, &provenance).await;
    }
    let finish = finish::of(made, &provenance);
    Ok(over(finish::with_usage(finish, cx.meter.spent(), &provenance)))
}

/// What the generator is asked. Feedback and a failed run come with the program they are about. `None`: a record does
/// not read.
async fn request(
    environment: &Environment,
    job: &JobSpec,
    input: &GenerateInput,
    attempt: &Attempt,
) -> Option<GenerationRequest> {
    let store = &environment.store;
    let mut request = GenerationRequest::new(input.description.as_str());
    request.feedback.clone_from(&input.feedback);
    let answered = |(question, answer): &(String, String)| AnsweredQuestion {
        question: question.clone(),
        answer: answer.clone(),
    };
    request.answers = input.answers.iter().map(answered).collect();
    let Some(id) = job.workflow_id else { return Some(request) };
    let failed = match input.failed_job {
        Some(failed) => patience::until_stored(attempt, || store.job(&job.tenant, failed)).await?,
        None => None,
    };
    request.previous =
        match failed.as_ref().and_then(|failed| Some((failed.version, failure::finding(failed)?))) {
            Some((version, finding)) => {
                let program = patience::until_stored(attempt, || store.version(id, version)).await?;
                program.map(|program| PreviousAttempt { code: program.code, findings: vec![finding] })
            }
            None if input.feedback.is_some() => {
                let workflow = patience::until_stored(attempt, || store.workflow(&job.tenant, id)).await?;
                let code = workflow.and_then(|workflow| workflow.code);
                code.map(|code| PreviousAttempt { code, findings: Vec::new() })
            }
            None => None,
        };
    Some(request)
}

/// How long to leave the provider alone in the queue: as long as it asks for, when the job may wait so long and
/// nothing was paid for that would be lost.
fn pause(error: &ProviderError, tries: u32, paid: bool, until_expiry: Option<Duration>) -> Option<Duration> {
    let delay = error.retry_after().filter(|_| error.is_transient())?;
    let in_time = until_expiry.is_none_or(|left| delay < left);
    (!paid && tries < limits::GENERATE_PAUSES_MAX && in_time).then_some(delay)
}

/// What is left of the time in which the client wants an answer at all.
fn until_expiry(attempt: &Attempt) -> Option<Duration> {
    let expires = Duration::from_millis(u64::try_from(attempt.claim.expires_at?.as_millis()).unwrap_or(0));
    Some(expires.saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

fn over(finish: Finish) -> Outcome {
    Outcome::Over(Box::new(finish))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_sat_out_in_the_queue_only_while_it_can_lead_to_something() {
        let minute = Duration::from_secs(60);
        let asked = ProviderError::RateLimited { provider: "p", retry_after: minute };
        assert_eq!(pause(&asked, 0, false, None), Some(minute));
        assert_eq!(pause(&asked, 0, false, Some(minute * 2)), Some(minute));
        assert_eq!(pause(&asked, 0, false, Some(minute)), None, "the job would expire");
        assert_eq!(pause(&asked, limits::GENERATE_PAUSES_MAX, false, None), None, "often enough");
        assert_eq!(pause(&asked, 0, true, None), None, "a program is paid for already");
        assert_eq!(pause(&ProviderError::Timeout { provider: "p" }, 0, false, None), None);
        let final_no = ProviderError::Unauthorized { provider: "p", status: 401 };
        assert_eq!(pause(&final_no, 0, false, None), None);
    }
}
