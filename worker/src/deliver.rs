//! Deliver: one webhook message, signed anew for each try, sent until a receiver takes it or the schedule ends.
//!
//! A message is a job of its own, queued in the step that ended the job it tells of. At least once: when a worker
//! dies between the receiver's answer and the record of it, the message is sent again under the same id.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use reqwest::{StatusCode, header::RETRY_AFTER};
use serde_json::json;
use shared::{
    id::JobId,
    job::{EntryId, ErrorCode, Job, JobError, JobSpec},
    limits,
    seal::random_bytes,
    store::{Finish, StoreError},
    time::Timestamp,
};

use crate::{consume::Outcome, environment::Environment, guard};

/// ±20 % on every wait, so that messages to a receiver that was down do not come back all at once.
const JITTER: f64 = 0.2;

/// Sends webhooks.
#[derive(Debug, Clone)]
pub struct Deliverer {
    client: reqwest::Client,
    schedule: Arc<[Duration]>,
    allow_private: bool,
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
        Ok(Self { client: guard::client(allow_private)?, schedule, allow_private })
    }

    async fn send(&self, url: &str, message: &Message<'_>) -> Sent {
        let url = match guard::check(url, self.allow_private) {
            Ok(url) => url,
            Err(why) => return Sent::Never(why),
        };
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", message.signature)
            .body(message.body.to_owned());
        let exchange = async {
            let response = request.send().await.map_err(|error| reason(&error))?;
            let (status, not_before) = (response.status(), retry_after(&response));
            drain(response).await;
            Ok::<_, String>((status, not_before))
        };
        match tokio::time::timeout(limits::DELIVERY_TIMEOUT, exchange).await {
            Err(_) => {
                let seconds = limits::DELIVERY_TIMEOUT.as_secs();
                Sent::Again { why: format!("no answer within {seconds} s"), not_before: None }
            }
            Ok(Err(why)) => Sent::Again { why, not_before: None },
            Ok(Ok((status, _))) if status.is_success() => Sent::Taken(status),
            Ok(Ok((StatusCode::GONE, _))) => Sent::Never("410: the receiver wants no more".to_owned()),
            Ok(Ok((status, not_before))) => {
                Sent::Again { why: format!("status {}", status.as_u16()), not_before }
            }
        }
    }

    fn wait(&self, tries: u32, not_before: Option<Duration>) -> Option<Duration> {
        let base = *self.schedule.get(usize::try_from(tries).ok()?)?;
        let jittered = base.mul_f64(1.0 - JITTER + 2.0 * JITTER * dice());
        // A receiver may ask for more patience, but not for more than the schedule's last wait.
        let asked = not_before.unwrap_or_default().min(self.schedule.last().copied().unwrap_or_default());
        Some(jittered.max(asked))
    }
}

struct Message<'a> {
    id: &'a str,
    timestamp: i64,
    signature: &'a str,
    body: &'a str,
}

/// Carries out a deliver job: one try.
pub async fn deliver(environment: &Arc<Environment>, message: &JobSpec) -> Outcome {
    let (EntryId::Message(id), Some(subject)) = (message.id, message.subject) else {
        return end(Some("the message names no job".to_owned()));
    };
    let (job, url) = match read(environment, message, subject).await {
        Ok(Some(found)) => found,
        Ok(None) => return end(Some("the job was erased".to_owned())),
        Err(error) => return Outcome::Ours(error.to_string()),
    };
    let signers = match environment.store.webhook_secrets(&message.tenant, &environment.sealer).await {
        Ok(signers) => signers,
        Err(error) => return Outcome::Ours(error.to_string()),
    };
    let (id, timestamp) = (id.to_string(), Timestamp::now().as_millis() / 1000);
    let body = body(job);
    let signature = signers.sign(&id, timestamp, body.as_bytes());
    let message_now = Message { id: &id, timestamp, signature: &signature, body: &body };
    let sent = environment.deliverer.send(&url, &message_now).await;
    settle(environment, message, subject, sent)
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

/// Reads what the receiver says, up to a limit, so that its connection can be used again.
async fn drain(response: reqwest::Response) {
    let mut left = limits::DELIVERY_RESPONSE_BYTES_MAX;
    let mut chunks = response.bytes_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
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
