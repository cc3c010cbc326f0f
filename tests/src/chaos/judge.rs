//! The judgement after a round: what was promised, job by job, call by call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::faults::{Happened, Kind, Pair};
use super::load::Accepted;
use super::{Scene, keys};
use crate::DEADLINE;
use crate::client::Client;
use crate::fakes::anthropic::Purpose;
use crate::stack;

/// 16 jobs are looked at side by side: the api has better things to do.
const LOOKS: usize = 16;
/// 60 s for a webhook that is sent again each second.
const WEBHOOKS_MAX: Duration = DEADLINE;

/// What came of a round.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub accepted: usize,
    pub lost: usize,
    pub wrong: usize,
    pub calls_needed: usize,
    pub calls_made: usize,
    pub webhooks_needed: usize,
    pub webhooks_sent: usize,
    /// From a fault to the next start of each job that lost an attempt by it.
    pub recoveries: Vec<(Kind, Duration)>,
    pub anomalies: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} accepted, {} lost, {} wrong, calls {}/{}, {} attempts lost",
            self.accepted,
            self.lost,
            self.wrong,
            self.calls_made,
            self.calls_needed,
            self.recoveries.len()
        )?;
        for anomaly in &self.anomalies {
            write!(out, "\n  ANOMALY: {anomaly}")?;
        }
        Ok(())
    }
}

/// One event of a job.
struct Event {
    kind: String,
    at_ms: i64,
    data: Value,
}

/// A job as it ended.
struct Ended<'a> {
    accepted: &'a Accepted,
    job: Value,
    events: Vec<Event>,
    /// Question by the number of its entry.
    questions: BTreeMap<u64, String>,
}

/// Waits until all is over, and judges.
pub(super) async fn round(scene: &Scene, accepted: &[Accepted], happened: &[Happened]) -> Verdict {
    let client = scene.stack.client();
    let mut verdict = Verdict { accepted: accepted.len(), ..Verdict::default() };
    let looks = accepted.iter().map(|accepted| async move { (accepted, look(client, accepted).await) });
    let looked: Vec<_> = stream::iter(looks).buffer_unordered(LOOKS).collect().await;
    let mut all = Vec::new();
    for (accepted, looked) in looked {
        match looked {
            Ok(ended) => all.push(ended),
            Err(why) => {
                verdict.lost += 1;
                verdict.anomalies.push(format!("{} {}: {why}", accepted.id, accepted.input));
            }
        }
    }
    for ended in &all {
        let wrong = wrongs(ended);
        verdict.wrong += usize::from(!wrong.is_empty());
        verdict.anomalies.extend(wrong);
        recoveries(ended, happened, &mut verdict);
    }
    calls(scene, &all, happened, &mut verdict);
    webhooks(scene, &all, &mut verdict).await;
    doubles(client, accepted, &mut verdict).await;
    let ids: Vec<String> = all.iter().map(|ended| ended.accepted.id.clone()).collect();
    verdict.anomalies.extend(keys::unowned(&scene.stack, &ids).await);
    verdict
}

/// Everything there is to see of a job, once it is final.
async fn look<'a>(client: &Client, accepted: &'a Accepted) -> Result<Ended<'a>, String> {
    let get = async |view: &str| -> Result<Value, String> {
        let request = client.request(reqwest::Method::GET, &format!("/jobs/{}{view}", accepted.id));
        let answer = client.try_send(request.header("accept", "application/json")).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status == 200 {
            Ok(answer.json())
        } else {
            Err(format!("{}: {}", answer.status, answer.text))
        }
    };
    let waiting = async {
        loop {
            let job = get("?wait=30").await?;
            if stack::is_final(&job) {
                return Ok::<_, String>(job);
            }
        }
    };
    let job = tokio::time::timeout(DEADLINE, waiting).await.map_err(|_| "not final".to_owned())??;
    let (events, steps) = (get("/events").await?, get("/steps").await?);
    let events = events["data"].as_array().into_iter().flatten().map(event).collect();
    let steps = steps["data"].as_array().into_iter().flatten();
    let calls = steps.filter(|step| step["kind"] == "tool_call");
    let question = |step: &Value| {
        let text = step["arguments"]["query"].as_str().or(step["arguments"]["prompt"].as_str());
        (step["seq"].as_u64().unwrap_or(u64::MAX), text.unwrap_or_default().to_owned())
    };
    Ok(Ended { accepted, job, events, questions: calls.map(question).collect() })
}

fn event(event: &Value) -> Event {
    let at: Option<shared::time::Timestamp> = serde_json::from_value(event["at"].clone()).ok();
    Event {
        kind: event["type"].as_str().unwrap_or_default().to_owned(),
        at_ms: at.map_or(0, shared::time::Timestamp::as_millis),
        data: event["data"].clone(),
    }
}

/// What is not right about a job.
fn wrongs(ended: &Ended) -> Vec<String> {
    let Ended { accepted, job, events, questions } = ended;
    let mut wrong = Vec::new();
    let mut tell = |what: String| wrong.push(format!("{} {}: {what}", accepted.id, accepted.input));
    if job["status"] != "succeeded" || job["result"] != accepted.shape.right(&accepted.input) {
        tell(format!("ended as {job}"));
    }
    let ends = events.iter().filter(|event| event.kind == "job.succeeded" || event.kind == "job.failed");
    if ends.count() != 1 {
        tell("ended more or less than once".to_owned());
    }
    if job["replay"]["diverged"] == true {
        tell(format!("took another way: {}", job["replay"]));
    }
    if questions.len() != accepted.shape.calls() {
        tell(format!("recorded {} calls", questions.len()));
    }
    for seq in questions.keys() {
        let of_call = |kind: &str| {
            let places = events.iter().enumerate();
            let found = places.filter(|(_, event)| event.kind == kind && event.data["seq"] == *seq);
            found.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let (begun, done) = (of_call("tool_call.started"), of_call("tool_call.finished"));
        if done.len() != 1 {
            tell(format!("call {seq} was answered and recorded {} times", done.len()));
        }
        if done.last().is_some_and(|done| begun.last() > Some(done)) {
            tell(format!("call {seq} was made again after its answer was recorded"));
        }
    }
    wrong
}

/// From the fault that took an attempt to the start of the next one.
fn recoveries(ended: &Ended, happened: &[Happened], verdict: &mut Verdict) {
    let mut attempt = Attempt::default();
    let mut lost = None;
    for event in &ended.events {
        match event.kind.as_str() {
            "job.started" => {
                attempt = Attempt { from_ms: event.at_ms, ..Attempt::default() };
                match lost.take() {
                    None => {}
                    Some((_, Some((kind, cause_ms)))) => {
                        verdict.recoveries.push((kind, millis(event.at_ms - cause_ms)));
                    }
                    Some((lost, None)) => {
                        let told = format!("{} lost an attempt for no reason: {lost:?}", ended.accepted.id);
                        verdict.anomalies.push(told);
                    }
                }
            }
            "job.retrying" if event.data["reason"] == "worker_lost" => {
                attempt.until_ms = event.at_ms;
                lost = Some((attempt, cause(happened, attempt)));
            }
            "tool_call.started" | "step.started" => attempt.began = true,
            _ => {}
        }
    }
}

/// An attempt that was lost.
#[derive(Debug, Clone, Copy, Default)]
struct Attempt {
    from_ms: i64,
    until_ms: i64,
    /// It was seen to do something.
    began: bool,
}

/// The earliest fault that may have taken this attempt: one that takes a worker or its word to Redis, or, for an
/// attempt nobody ever heard of, one that took the answer to its claim.
fn cause(happened: &[Happened], attempt: Attempt) -> Option<(Kind, i64)> {
    let guilty = happened.iter().filter(|fault| {
        let held = fault.kind.may_lose_attempts()
            && fault.from_ms <= attempt.until_ms
            && fault.until_ms + CLAIM_MS >= attempt.from_ms;
        let unheard = fault.kind.may_lose_answers()
            && !attempt.began
            && (fault.from_ms - CLAIM_MS..=fault.until_ms + CLAIM_MS).contains(&attempt.from_ms);
        held || unheard
    });
    let since = guilty.map(|fault| (fault.kind, fault.from_ms.max(attempt.from_ms)));
    since.min_by_key(|(_, from_ms)| *from_ms)
}

/// 500 ms: a claim may be carried out just before its worker dies, and the order of events told just after.
const CLAIM_MS: i64 = 500;

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Requests at the providers against calls begun: repeated only where an attempt died, or a wire broke.
fn calls(scene: &Scene, all: &[Ended], happened: &[Happened], verdict: &mut Verdict) {
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    let searched = scene.stack.paradigm.searches().all().into_iter().map(|search| search.query);
    let prompted = scene.stack.anthropic.calls_for(Purpose::Chat).into_iter().map(|call| call.prompt());
    for question in searched.chain(prompted) {
        *made.entry(question).or_default() += 1;
        verdict.calls_made += 1;
    }
    let broken = |pair: Pair| happened.iter().any(|fault| fault.kind.breaks(pair));
    for ended in all {
        verdict.calls_needed += ended.accepted.shape.calls();
        for (seq, question) in &ended.questions {
            let begun = ended
                .events
                .iter()
                .filter(|event| event.kind == "tool_call.started" && event.data["seq"] == *seq);
            let provider =
                if question.ends_with("in short") { Pair::WorkerAnthropic } else { Pair::WorkerParadigm };
            let (begun, requests) = (begun.count(), made.remove(question).unwrap_or(0));
            if requests == 0 || (requests > begun && !broken(provider)) {
                let told = format!("{question:?} was begun {begun} times and requested {requests} times");
                verdict.anomalies.push(told);
            }
        }
    }
    verdict.anomalies.extend(made.into_keys().map(|question| format!("{question:?} was asked by nobody")));
}

/// Each job's webhook arrived, under one id.
async fn webhooks(scene: &Scene, all: &[Ended<'_>], verdict: &mut Verdict) {
    let deliveries = scene.receiver.deliveries();
    let arrived = |path: String| async move {
        let taken =
            deliveries.wait_until(&path, |one| (one.path == path && one.answered.is_success()).then_some(()));
        tokio::time::timeout(WEBHOOKS_MAX, taken).await
    };
    join_all(all.iter().map(|ended| arrived(format!("/{}", ended.accepted.input)))).await;
    let secret = scene.stack.client().get("/webhook-secret").await.expect(200);
    let secret = secret["secret"].as_str().expect("a secret").to_owned();
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for delivery in deliveries.all() {
        verdict.webhooks_sent += 1;
        if let Err(why) = delivery.verify(&secret) {
            verdict.anomalies.push(format!("a webhook at {}: {why}", delivery.path));
        }
        ids.entry(delivery.path.clone()).or_default().insert(delivery.id().to_owned());
    }
    for ended in all {
        verdict.webhooks_needed += 1;
        let path = format!("/{}", ended.accepted.input);
        if ids.remove(&path).map_or(0, |ids| ids.len()) != 1 {
            verdict.anomalies.push(format!("the webhook of {path} did not come under one id"));
        }
    }
    verdict.anomalies.extend(ids.into_keys().map(|path| format!("a webhook at {path} tells of no job")));
}

/// Nothing was accepted twice: the jobs there are, by their input.
async fn doubles(client: &Client, accepted: &[Accepted], verdict: &mut Verdict) {
    let known: BTreeSet<&str> = accepted.iter().map(|accepted| accepted.id.as_str()).collect();
    if known.len() != accepted.len() {
        verdict.anomalies.push("two posts were answered with one job".to_owned());
    }
    let newest =
        client.get(&format!("/jobs?kind=execute&limit={}", accepted.len().min(100))).await.expect(200);
    for job in newest["data"].as_array().into_iter().flatten() {
        if !known.contains(job["id"].as_str().unwrap_or_default()) && accepted.len() <= 100 {
            verdict.anomalies.push(format!("{} was accepted for nobody", json!(job["id"])));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happened(kind: Kind, from_ms: i64, until_ms: i64) -> Happened {
        Happened { kind, from_ms, until_ms }
    }

    #[test]
    fn an_attempt_is_lost_by_the_earliest_fault_that_may_take_it() {
        let faults = [
            happened(Kind::RedisKilled, 1000, 2000),
            happened(Kind::WorkerKilled, 3000, 3010),
            happened(Kind::WorkerStopped, 4000, 9000),
        ];
        let lost = |from_ms, until_ms| cause(&faults, Attempt { from_ms, until_ms, began: true });
        assert_eq!(lost(500, 2500), None);
        assert_eq!(lost(500, 5000), Some((Kind::WorkerKilled, 3000)));
        assert_eq!(lost(3600, 8000), Some((Kind::WorkerStopped, 4000)));
        assert_eq!(lost(6000, 9500), Some((Kind::WorkerStopped, 6000)));
        let unheard = Attempt { from_ms: 900, until_ms: 2500, began: false };
        assert_eq!(cause(&faults, unheard), Some((Kind::RedisKilled, 1000)));
        assert_eq!(cause(&faults, Attempt { from_ms: 400, ..unheard }), None);
    }
}
