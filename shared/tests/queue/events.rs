//! The events of a job, whether its record tells them or the list beside it.

use std::time::Duration;

use shared::{
    id::{JobId, TenantId},
    job::{EntryId, Queue},
    store::{Hub, JobEvent, Progress},
};
use tokio_util::sync::CancellationToken;

use crate::{
    floor::wait_until,
    ground::{Ground, execute, succeeded, tenant},
};

async fn after(ground: &Ground, tenant: &TenantId, id: JobId, after: u64) -> Vec<JobEvent> {
    let page = ground.store.events(tenant, id, after).await.unwrap().expect("the job exists");
    assert!(!page.gap);
    page.events
}

fn told(events: &[JobEvent]) -> Vec<(u64, &str)> {
    events.iter().map(|event| (event.seq, event.kind.as_str())).collect()
}

#[tokio::test]
async fn after_each_number_come_the_events_with_greater_ones_at_every_time_of_a_job() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    let mut expected = vec![(1, "job.queued")];
    let compare = async |expected: &[(u64, &str)]| {
        for number in 0..=expected.len() {
            let events = after(&ground, &acme, id, number as u64).await;
            assert_eq!(told(&events), expected[number..], "after {number}");
        }
    };
    compare(&expected).await;
    let (_, first) = ground.claim_one(Queue::Execute).await;
    expected.push((2, "job.started"));
    compare(&expected).await;
    let entry = EntryId::Job(id);
    assert!(ground.store.retry_later(entry, first.fence, Duration::ZERO, true, &[]).await.unwrap());
    expected.push((3, "job.retrying"));
    compare(&expected).await;
    let (_, second) = ground.claim_one(Queue::Execute).await;
    expected.push((4, "job.started"));
    compare(&expected).await;
    let call = Progress { events: vec![("tool_call.started", "{}".to_owned())], ..Progress::default() };
    ground.store.progress(entry, second.fence, &call, 0).await.unwrap();
    expected.push((5, "tool_call.started"));
    compare(&expected).await;
    assert!(ground.store.finish(entry, second.fence, &succeeded("1")).await.unwrap());
    expected.push((6, "job.succeeded"));
    compare(&expected).await;

    let (events, job) = (after(&ground, &acme, id, 0).await, ground.job(&acme, id).await);
    assert_eq!((events[0].at, Some(events[5].at)), (job.created_at, job.finished_at));
    assert_eq!((events[1].at, events[1].data["attempt"].as_u64()), (first.started_at, Some(1)));
    assert_eq!((events[3].at, events[3].data["attempt"].as_u64()), (second.started_at, Some(2)));
    let stored: i64 = ground.redis(&["LLEN", &format!("{}:events", ground.job_key(id))]).await;
    assert_eq!(stored, 3, "what the record says is not said again");
}

#[tokio::test]
async fn a_job_that_an_older_version_accepted_goes_on_as_it_began() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    let (key, list) = (ground.job_key(id), format!("{}:events", ground.job_key(id)));
    let _: i64 = ground.redis(&["HSET", &key, "v", "1"]).await;
    let queued = r#"{"seq":1,"type":"job.queued","at":1700000000000,"data":{}}"#;
    let _: i64 = ground.redis(&["RPUSH", &list, queued]).await;
    let (_, claim) = ground.claim_one(Queue::Execute).await;
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
    assert_eq!(ground.events(&acme, id).await, ["job.queued", "job.started", "job.succeeded"]);
    let stored: i64 = ground.redis(&["LLEN", &list]).await;
    assert_eq!(stored, 3);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_job_that_a_worker_of_an_older_version_carried_out_shows_each_event_once() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    let (key, list) = (ground.job_key(id), format!("{}:events", ground.job_key(id)));
    // What such a worker writes: entries for all that happens, and no began_at.
    for (seq, kind) in [("2", "job.started"), ("3", "job.succeeded")] {
        let entry = format!(r#"{{"seq":{seq},"type":"{kind}","at":1700000000000,"data":{{}}}}"#);
        let _: i64 = ground.redis(&["RPUSH", &list, &entry]).await;
        let _: i64 = ground.redis(&["HSET", &key, "seq", seq]).await;
    }
    let at = "1700000000000";
    let end = ["HSET", &key, "status", "succeeded", "started_at", at, "finished_at", at, "error", ""];
    let _: i64 = ground.redis(&end).await;
    for number in 0..=3 {
        let kinds = ["job.queued", "job.started", "job.succeeded"];
        let events = after(&ground, &acme, id, number as u64).await;
        assert_eq!(events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), kinds[number..]);
    }
}

#[tokio::test]
async fn an_idempotency_key_that_an_older_version_wrote_is_known() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    let workflow = ground.job(&acme, id).await.workflow_id;
    let (key, job, its) = (ground.key("idem:acme:k"), id.to_string(), workflow.to_string());
    let _: i64 = ground.redis(&["HSET", &key, "fingerprint", "f", "job", &job, "workflow", &its]).await;
    let mut submission = execute(&acme, workflow);
    submission.idempotency = Some(("k".to_owned(), "f".to_owned()));
    let again = ground.submit(submission.clone()).await;
    assert_eq!((again.job_id, again.workflow_id, again.replayed), (id, workflow, true));
    submission.idempotency = Some(("k".to_owned(), "g".to_owned()));
    let answer = ground.store.submit(&submission).await;
    assert!(matches!(answer, Err(shared::store::SubmitError::KeyReused)), "{answer:?}");
}

/// A hub that listens by now.
async fn listening(ground: &Ground, shutdown: &CancellationToken) -> Hub {
    let (hub, _) = Hub::for_events(ground.another_store(), shutdown.clone());
    let channel = ground.key(format_args!("ends:{}", hub.name()));
    for channel in [channel, ground.key("events")] {
        let all = async || ground.redis::<(String, i64)>(&["PUBSUB", "NUMSUB", &channel]).await.1;
        wait_until(async || all().await > 0).await;
    }
    hub
}

#[tokio::test]
async fn who_waits_for_a_job_is_told_it_as_it_ended_and_nobody_else_is() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let shutdown = CancellationToken::new();
    let (hub, another) = (listening(&ground, &shutdown).await, listening(&ground, &shutdown).await);
    let long = format!("\"{}\"", "x".repeat(16_384));
    for (result, told) in [(r#""é:1""#, true), (long.as_str(), false)] {
        let mut submission = execute(&acme, workflow);
        submission.watcher = Some(hub.name().to_owned());
        let EntryId::Job(id) = submission.job.id else { panic!("a job") };
        let (mut waits, mut foreign, mut elsewhere) = (hub.listen(id), hub.listen(id), another.listen(id));
        ground.submit(submission).await;
        let (job, claim) = ground.claim_one(Queue::Execute).await;
        assert!(ground.store.finish(job.id, claim.fence, &succeeded(result)).await.unwrap());
        let heard = waits.end(&acme).await;
        assert_eq!(heard.is_some(), told, "{} bytes", result.len());
        let stored = ground.job(&acme, id).await;
        if let Some(heard) = heard {
            assert_eq!(serde_json::to_value(&heard).unwrap(), serde_json::to_value(&stored).unwrap());
        }
        assert!(foreign.end(&tenant("other")).await.is_none(), "it is another tenant's");
        assert!(elsewhere.end(&acme).await.is_none(), "it only hears that it ended");
    }
    shutdown.cancel();
    ground.assert_sound().await;
}
