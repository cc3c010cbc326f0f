//! From a claimed job to its end: the one place where the end of an attempt is decided and written.
//!
//! A job cannot be lost here. Whatever a handler does (answers, panics, is stopped), the attempt ends in one of
//! the arms of [`settle`], or the process dies and the lease ends. Writes wait for Redis as long as it takes;
//! they name the fence, so a write that comes too late is refused.

use std::{sync::Arc, time::Duration};

use apalis::prelude::{BoxDynError, Data, Monitor, WorkerBuilder};
use shared::{
    job::{JobSpec, Queue},
    queue::{Attempt, Consumer, JobQueue, StopReason},
    store::{Finish, Store},
    trace::{Span, SpanKind, TraceContext},
};
use tokio_util::sync::CancellationToken;

use crate::{deliver, environment::Environment, execute, generate, patience, tools};

/// How an attempt ended.
#[derive(Debug)]
pub enum Outcome {
    /// The job is over: succeeded, or failed for good.
    Over(Box<Finish>),
    /// It was stopped from outside, for a reason the attempt knows.
    Stopped,
    /// A fault of ours: another attempt may do better, but only so many.
    Ours(String),
    /// To be tried again after a while; not a lost attempt (webhook deliveries).
    Later {
        /// How long to wait.
        delay: Duration,
        /// What to note in the record.
        fields: Vec<(&'static str, String)>,
    },
}

/// Serves queues of the environment's shard until shutdown, and until what they hold has ended.
pub async fn serve(
    environment: &Arc<Environment>,
    consumers: impl Iterator<Item = Consumer>,
    shutdown: CancellationToken,
) {
    let mut monitor = Monitor::new();
    for consumer in consumers {
        let environment = environment.clone();
        let name = format!("{}-{}", consumer.worker, consumer.queue.as_str());
        monitor = monitor.register(move |_| {
            WorkerBuilder::new(name.clone())
                .backend(JobQueue::consumer(environment.store.clone(), consumer.clone()))
                .data(environment.clone())
                .build(consume)
        });
    }
    let signal = async move {
        shutdown.cancelled().await;
        Ok(())
    };
    if let Err(error) = monitor.run_with_signal(signal).await {
        tracing::error!(%error, "The worker's queues ended badly; what they held is left to its leases.");
    }
}

/// Carries out one job on a task of its own, so that jobs of a queue use all cores.
async fn consume(
    job: JobSpec,
    attempt: Data<Attempt>,
    environment: Data<Arc<Environment>>,
) -> Result<(), BoxDynError> {
    let (Data(attempt), Data(environment)) = (attempt, environment);
    let mut traced = begin(&environment, &job, &attempt);
    // What this attempt causes is below it in the trace.
    let job = JobSpec { trace: Some(traced.context()), ..job };
    let (job, kept) = (Arc::new(job), (attempt.clone(), environment.clone()));
    let carried_out = tokio::spawn({
        let job = job.clone();
        async move {
            match job.queue {
                Queue::Execute => execute::execute(&environment, &job, &attempt).await,
                Queue::Generate => generate::generate(&environment, &job, &attempt).await,
                Queue::Deliver => deliver::deliver(&environment, &job, &attempt).await,
            }
        }
    });
    let outcome = match carried_out.await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(job.id = %job.id, %error, "A handler panicked; the attempt counts as lost.");
            Outcome::Ours("the worker had an internal error".to_owned())
        }
    };
    let (attempt, environment) = kept;
    conclude(&mut traced, &outcome);
    settle(&environment.store, &job, &attempt, outcome).await;
    Ok(())
}

/// The attempt as a span, below the request that asked for the job.
fn begin(environment: &Environment, job: &JobSpec, attempt: &Attempt) -> Span {
    let parent = job.trace.unwrap_or_else(TraceContext::new_root);
    let name = format!("{} attempt", job.queue.as_str());
    let mut span = environment.tracer.begin(name, SpanKind::Consumer, parent);
    span.set("job.id", job.id);
    span.set("tenant", &job.tenant);
    span.set("attempt", attempt.claim.attempt);
    span
}

fn conclude(span: &mut Span, outcome: &Outcome) {
    match outcome {
        Outcome::Over(finish) => {
            if let Some(error) = &finish.error {
                span.fail(format!("{:?}", error.code));
            }
        }
        Outcome::Stopped => span.fail("stopped"),
        Outcome::Ours(_) => span.fail("lost by our fault"),
        Outcome::Later { .. } => span.set("outcome", "later"),
    }
}

async fn settle(store: &Store, job: &JobSpec, attempt: &Attempt, outcome: Outcome) {
    let (id, fence) = (job.id, attempt.claim.fence);
    // A stop wins over what the handler made of being stopped; a finished result wins over a stop.
    let outcome = match (outcome, attempt.reason()) {
        (Outcome::Over(finish), _) => Outcome::Over(finish),
        (_, Some(_)) => Outcome::Stopped,
        (outcome, None) => outcome,
    };
    attempt.vacate();
    let written = match outcome {
        Outcome::Over(finish) => {
            log_end(job, attempt, &finish);
            if job.queue == Queue::Generate {
                let usage = finish.usage;
                tools::count_tokens(store.counters(), "generate", usage.input_tokens, usage.output_tokens);
            }
            patience::until_stored(attempt, || store.finish(id, fence, &finish)).await
        }
        Outcome::Ours(cause) => {
            tracing::warn!(job.id = %id, attempt = attempt.claim.attempt, cause, "An attempt was lost by our fault.");
            patience::until_stored(attempt, || store.retry_later(id, fence, Duration::ZERO, true, &[])).await
        }
        Outcome::Later { delay, fields } => {
            patience::until_stored(attempt, || store.retry_later(id, fence, delay, false, &fields)).await
        }
        Outcome::Stopped => match attempt.reason() {
            Some(StopReason::Cancelled) => {
                let finish = Finish { cancelled: true, ..Finish::default() };
                patience::until_stored(attempt, || store.finish(id, fence, &finish)).await
            }
            Some(StopReason::Shutdown) => {
                tracing::info!(job.id = %id, "Job {id} is handed back: this worker ends.");
                patience::until_stored(attempt, || store.retry_later(id, fence, Duration::ZERO, false, &[]))
                    .await
            }
            Some(StopReason::LeaseLost) | None => Some(false),
        },
    };
    if written == Some(false) {
        tracing::warn!(job.id = %id, fence, "Another attempt of job {id} is current; what this one did does not count.");
    }
}

fn log_end(job: &JobSpec, attempt: &Attempt, finish: &Finish) {
    let id = job.id;
    tracing::info!(
        job.id = %id,
        queue = job.queue.as_str(),
        tenant = %job.tenant,
        trace.id = job.trace.map(TraceContext::trace_id),
        attempt = attempt.claim.attempt,
        wall_ms = finish.usage.wall_ms,
        code = finish.error.as_ref().map(|error| tracing::field::debug(error.code)),
        provider = finish.provider,
        "Job {id} is over."
    );
}
