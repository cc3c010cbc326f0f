//! Deliver: one webhook message, signed anew for each try, sent until a receiver takes it or the schedule ends.
//!
//! A message is a job of its own, queued in the step that ended the job it tells of. At least once: when a worker
//! dies between the receiver's answer and the record of it, the message is sent again under the same id.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::StreamExt as _;
use reqwest::{StatusCode, header::RETRY_AFTER};
use serde_json::json;
use shared::{
    id::JobId,
    job::{EntryId, ErrorCode, Job, JobError, JobSpec},
    limits,
    queue::Attempt,
    seal::random_bytes,
    store::{DeliveryAttempt, Finish, Progress, StoreError},
    time::Timestamp,
};
use tokio::time::Instant;

use crate::{consume::Outcome, destinations::Destinations, environment::Environment, guard, patience};

/// ±20 % on every wait, so that messages to a receiver that was down do not come back all at once.
const JITTER: f64 = 0.2;

/// Sends webhooks.
#[derive(Debug, Clone)]
pub struct Deliverer {
    client: reqwest::Client,
    schedule: Arc<[Duration]>,
    allow_private: bool,
    destinations: Destinations,
}

/// One try, as it is noted and as it ended.
struct Try {
    attempt: DeliveryAttempt,
    sent: Sent,
}

/// What a receiver said.
struct Reply {
    status: StatusCode,
    not_before: Option<Duration>,
    text: String,
}

/// How one try ended.
enum Sent {
    /// The receiver took it.
    Taken(StatusCode),
    /// To be tried again, not before the wait the receiver asked for.
    Again { why: String, not_before: Option<Duration> },
    /// Never to be tried again.
    Never(String),
}

impl Deliverer {
    /// With one wait per retry in `schedule`.
    pub fn new(schedule: Arc<[Duration]>, allow_private: bool) -> Result<Self, providers::ConfigError> {
        let (client, destinations) = (guard::client(allow_private)?, Destinations::default());
        Ok(Self { client, schedule, allow_private, destinations })
    }

    async fn send(&self, url: url::Url, message: &Message<'_>) -> Try {
        let (at, began) = (Timestamp::now(), Instant::now());
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", message.signature)
            .body(message.body.to_owned());
        let deadline = began + limits::DELIVERY_TIMEOUT;
        let reply = match tokio::time::timeout_at(deadline, request.send()).await {
            Err(_) => Err(format!("no answer within {} s", limits::DELIVERY_TIMEOUT.as_secs())),
            Ok(Err(error)) => Err(reason(&error)),
            // The status decides: a receiver that took the message may be slow to say more.
            Ok(Ok(response)) => Ok(Reply {
                status: response.status(),
                not_before: retry_after(&response),
                text: beginning(response, deadline).await,
            }),
        };
        let mut attempt = DeliveryAttempt {
            at,
            status_code: reply.as_ref().ok().map(|reply| reply.status.as_u16()),
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            error: None,
            response: reply.as_ref().ok().map(|reply| reply.text.clone()),
        };
        let sent = judged(reply);
        attempt.error = match &sent {
            Sent::Taken(_) => None,
            Sent::Again { why, .. } | Sent::Never(why) => Some(why.clone()),
        };
        Try { attempt, sent }
    }

    fn wait(&self, tries: u32, not_before: Option<Duration>) -> Option<Duration> {
        let base = *self.schedule.get(usize::try_from(tries).ok()?)?;
        let jittered = base.mul_f64(1.0 - JITTER + 2.0 * JITTER * dice());
        // A receiver may ask for more patience than the schedule has, but not for any.
        let most = self.schedule.last().copied().unwrap_or_default().max(limits::DELIVERY_PAUSE_MAX);
        let asked = not_before.unwrap_or_default().min(most);
        Some(jittered.max(asked))
    }
}

struct Message<'a> {
    id: &'a str,
    timestamp: i64,
    signature: &'a str,
    body: &'a str,
}

/// What a try came to.
fn judged(reply: Result<Reply, String>) -> Sent {
    match reply {
        Err(why) => Sent::Again { why, not_before: None },
        Ok(Reply { status, .. }) if status.is_success() => Sent::Taken(status),
        Ok(Reply { status: StatusCode::GONE, .. }) => {
            Sent::Never("410: the receiver wants no more".to_owned())
        }
        Ok(Reply { status, not_before, .. }) => {
            Sent::Again { why: format!("status {}", status.as_u16()), not_before }
        }
    }
}

/// Carries out a deliver job: one try.
pub async fn deliver(environment: &Arc<Environment>, message: &JobSpec, attempt: &Attempt) -> Outcome {
    let (EntryId::Message(id), Some(subject)) = (message.id, message.subject) else {
        return end(Some("the message names no job".to_owned()));
    };
    let (job, url) = match read(environment, message, subject).await {
        Ok(Some(found)) => found,
        Ok(None) => return end(Some("the job was erased".to_owned())),
        Err(error) => return Outcome::Ours(error.to_string()),
    };
    let deliverer = &environment.deliverer;
    let url = match guard::check(&url, deliverer.allow_private) {
        Ok(url) => url,
        Err(why) => return settle(environment, message, subject, Sent::Never(why)),
    };
    let place = match deliverer.destinations.enter(&url).await {
        Ok(place) => place,
        Err(delay) => return Outcome::Later { delay, fields: Vec::new() },
    };
    let signers = match environment.store.webhook_secrets(&message.tenant, &environment.sealer).await {
        Ok(signers) => signers,
        Err(error) => return Outcome::Ours(error.to_string()),
    };
    let (id, timestamp) = (id.to_string(), Timestamp::now().as_millis() / 1000);
    let body = body(job);
    let signature = signers.sign(&id, timestamp, body.as_bytes());
    let message_now = Message { id: &id, timestamp, signature: &signature, body: &body };
    let Try { attempt: noted, sent } = deliverer.send(url, &message_now).await;
    let outcome = match &sent {
        Sent::Taken(_) => "delivered",
        Sent::Again { .. } => "retried",
        Sent::Never(_) => "given_up",
    };
    let counters = environment.store.counters();
    counters.count("wf_deliveries_total", &[("outcome", outcome)]);
    counters.observe("wf_delivery_seconds", &[], Duration::from_millis(noted.duration_ms));
    place.answered(noted.status_code.is_some());
    drop(place);
    note(environment, message, attempt, &noted).await;
    settle(environment, message, subject, sent)
}

/// Notes the try before its end is settled: what reached a receiver is listed, whatever happens to this worker now.
async fn note(environment: &Environment, message: &JobSpec, attempt: &Attempt, noted: &DeliveryAttempt) {
    let fence = attempt.claim.fence;
    let entry = serde_json::to_string(noted).expect("plain data serialises");
    let progress = Progress { journal: vec![(fence.to_string(), entry)], ..Progress::default() };
    let write = || environment.store.progress(message.id, fence, &progress, limits::DELIVERY_LOG_BYTES_MAX);
    patience::until_stored(attempt, write).await;
}

fn settle(environment: &Environment, message: &JobSpec, subject: JobId, sent: Sent) -> Outcome {
    let tries = message.tries;
    match sent {
        Sent::Taken(status) => {
            tracing::info!(job.id = %subject, tries = tries + 1, status = status.as_u16(), "A webhook was taken.");
            end(None)
        }
        Sent::Never(why) => {
            tracing::warn!(job.id = %subject, why, "A webhook is given up.");
            end(Some(why))
        }
        Sent::Again { why, not_before } => match environment.deliverer.wait(tries, not_before) {
            Some(delay) => {
                tracing::info!(job.id = %subject, tries = tries + 1, why, "A webhook will be sent again.");
                Outcome::Later {
                    delay,
                    fields: vec![("tries", (tries + 1).to_string()), ("last_failure", why)],
                }
            }
            None => {
                tracing::warn!(job.id = %subject, tries = tries + 1, why, "A webhook is given up.");
                end(Some(why))
            }
        },
    }
}

async fn read(
    environment: &Environment,
    message: &JobSpec,
    subject: JobId,
) -> Result<Option<(Job, String)>, StoreError> {
    let Some(job) = environment.store.job(&message.tenant, subject).await? else { return Ok(None) };
    let url = environment.store.callback_url(subject).await?;
    Ok(url.map(|url| (job, url)))
}

/// The job as its webhook shows it: without input, and with a large result linked instead of sent.
fn body(job: Job) -> String {
    let result = job.result.filter(|result| result.get().len() <= limits::DELIVERY_RESULT_BYTES_MAX);
    let job = Job { input: None, result, ..job };
    let kind = format!("job.{}", job.status.as_str());
    json!({ "type": kind, "timestamp": job.finished_at, "data": job }).to_string()
}

fn end(failure: Option<String>) -> Outcome {
    let error = failure.map(|why| JobError::new(ErrorCode::ProviderError, why));
    Outcome::Over(Box::new(Finish { error, ..Finish::default() }))
}

/// Reads what the receiver says, up to a limit and until the deadline, so that its connection can be used again; keeps
/// the beginning.
async fn beginning(response: reqwest::Response, deadline: Instant) -> String {
    let (mut kept, mut left) = (Vec::new(), limits::DELIVERY_RESPONSE_BYTES_MAX);
    let mut chunks = response.bytes_stream();
    while let Ok(Some(Ok(chunk))) = tokio::time::timeout_at(deadline, chunks.next()).await {
        let room = limits::DELIVERY_RESPONSE_KEPT_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Seconds, or a date.
fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let date = || httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok();
    text.parse().ok().map(Duration::from_secs).or_else(date)
}

/// Why a request did not get an answer, without its URL: that may hold a token.
fn reason(error: &reqwest::Error) -> String {
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(inner) = source {
        if inner.downcast_ref::<guard::Forbidden>().is_some() {
            return "the address is not public".to_owned();
        }
        source = inner.source();
    }
    if error.is_connect() {
        "the receiver cannot be reached".to_owned()
    } else {
        "the connection broke".to_owned()
    }
}

/// A number from 0 to 1.
fn dice() -> f64 {
    let mut bytes = [0; 4];
    random_bytes(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}
