//! `renew` and `progress`: what a running attempt may do.

use std::time::Duration;

use shared::{
    job::{EntryId, Queue},
    limits,
    store::{CancelAnswer, Claim, Progress, ProgressAnswer, RenewAnswer},
};

use crate::ground::{Ground, succeeded, tenant};

#[tokio::test]
async fn renewing_extends_the_lease_and_tells_what_is_lost_and_what_is_cancelled() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (kept, one) = ground.running_job(&acme).await;
    let (cancelled, two) = ground.running_job(&acme).await;
    let (over, three) = ground.running_job(&acme).await;
    assert_eq!(ground.store.cancel(&acme, cancelled).await.unwrap(), CancelAnswer::Requested);
    assert!(ground.store.finish(EntryId::Job(over), three.fence, &succeeded("1")).await.unwrap());
    for id in [kept, cancelled] {
        ground.set_score(Queue::Execute, "leases", id, 5).await;
    }
    let before = ground.now_ms().await;
    let held = [
        (EntryId::Job(over), three.fence),
        (EntryId::Job(kept), one.fence),
        (EntryId::Job(cancelled), two.fence),
        (EntryId::Job(kept), one.fence + 100),
        ("job_00000000000000000000000000000000".parse().unwrap(), 1),
    ];
    let answers = ground.store.renew(&held).await.unwrap();
    let lost = RenewAnswer::Lost;
    assert_eq!(answers, [lost, RenewAnswer::Held, RenewAnswer::Cancel, lost, lost]);
    for id in [kept, cancelled] {
        let ends = ground.score(Queue::Execute, "leases", id).await.expect("a lease");
        assert!(ends >= before + 60_000, "a whole lease from now");
    }
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_full_batch_of_leases_is_renewed_in_one_call() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let held = vec![(EntryId::Job(id), claim.fence); limits::RENEW_BATCH_MAX];
    let answers = ground.store.renew(&held).await.unwrap();
    assert_eq!(answers, vec![RenewAnswer::Held; limits::RENEW_BATCH_MAX]);
}

/// A journal entry as an older program may have written it: with the fields that matter only.
fn entry(answer: &str) -> String {
    let entry = serde_json::json!({
        "seq": 1, "kind": "tool_call", "name": "paradigm_search", "state": "ok", "answer": answer,
        "started_ms": 1, "ms": 1, "attempt": 1,
    });
    entry.to_string()
}

#[tokio::test]
async fn progress_is_recorded_and_numbered_and_survives_the_attempt() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let progress = Progress {
        log: b"line 1\n\xff\0".to_vec(),
        events: vec![("tool_call.started", r#"{"a":1}"#.to_owned()), ("tool_call.finished", "{}".to_owned())],
        journal: vec![("k1".to_owned(), entry("x"))],
        ..Progress::default()
    };
    let recorded = ground.store.progress(EntryId::Job(id), claim.fence, &progress, 10_000).await.unwrap();
    assert_eq!(recorded, ProgressAnswer::Recorded);
    let more = Progress { log: b"line 2".to_vec(), ..Progress::default() };
    assert_eq!(
        ground.store.progress(EntryId::Job(id), claim.fence, &more, 10_000).await.unwrap(),
        ProgressAnswer::Recorded
    );
    assert_eq!(ground.store.log(&acme, id).await.unwrap().unwrap(), b"line 1\n\xff\0line 2");
    assert_eq!(
        ground.events(&acme, id).await,
        ["job.queued", "job.started", "tool_call.started", "tool_call.finished"]
    );
    let page = ground.store.events(&acme, id, 2).await.unwrap().unwrap();
    assert_eq!((page.events[0].seq, page.events[0].data["a"].as_i64(), page.gap), (3, Some(1), false));

    ground.end_lease(Queue::Execute, id).await;
    let (_, second) = ground.claim_one(Queue::Execute).await;
    assert!(second.resumed, "the next attempt finds a journal");
    let journal = ground.store.journal(id).await.unwrap();
    assert_eq!(journal["k1"].answer, Some("x".into()));
}

#[tokio::test]
async fn progress_tells_of_a_cancel_and_is_recorded_all_the_same() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    ground.store.cancel(&acme, id).await.unwrap();
    let progress = Progress { log: b"x".to_vec(), ..Progress::default() };
    let recorded = ground.store.progress(EntryId::Job(id), claim.fence, &progress, 1000).await.unwrap();
    assert_eq!(recorded, ProgressAnswer::Cancel);
    assert_eq!(ground.store.log(&acme, id).await.unwrap().unwrap(), b"x");
}

#[tokio::test]
async fn stale_progress_leaves_nothing() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let progress = Progress {
        log: b"x".to_vec(),
        events: vec![("tool_call.started", "{}".to_owned())],
        journal: vec![("k".to_owned(), entry("x"))],
        ..Progress::default()
    };
    let stale = async |fence| ground.store.progress(EntryId::Job(id), fence, &progress, 1000).await.unwrap();
    assert_eq!(stale(claim.fence + 1).await, ProgressAnswer::Stale);
    assert_eq!(stale(0).await, ProgressAnswer::Stale);
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
    assert_eq!(stale(claim.fence).await, ProgressAnswer::Stale);
    assert!(ground.store.journal(id).await.unwrap().is_empty());
    assert_eq!(ground.events(&acme, id).await.len(), 3);
}

#[tokio::test]
async fn a_job_that_waits_takes_no_progress_from_fence_zero() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    let progress = Progress { log: b"x".to_vec(), ..Progress::default() };
    let recorded = ground.store.progress(EntryId::Job(id), 0, &progress, 1000).await.unwrap();
    assert_eq!(recorded, ProgressAnswer::Stale);
    assert!(!ground.store.finish(EntryId::Job(id), 0, &succeeded("1")).await.unwrap());
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_carried_out_once_and_others_may_overtake_it() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let write = async |claim: &Claim, number: u64| {
        let progress = Progress {
            number,
            log: format!("{number} ").into_bytes(),
            events: vec![("tool_call.finished", "{}".to_owned())],
            ..Progress::default()
        };
        ground.store.progress(EntryId::Job(id), claim.fence, &progress, 10_000).await.unwrap()
    };
    for number in [1, 2, 2, 5, 1, 3, 5, 3, 4, 4, 6] {
        assert_eq!(write(&claim, number).await, ProgressAnswer::Recorded);
    }
    assert_eq!(ground.store.log(&acme, id).await.unwrap().unwrap(), b"1 2 5 3 4 6 ");
    assert_eq!(ground.events(&acme, id).await.len(), 2 + 6);
    // Another attempt counts anew.
    ground.store.retry_later(EntryId::Job(id), claim.fence, Duration::ZERO, false, &[]).await.unwrap();
    let (_, again) = ground.claim_one(Queue::Execute).await;
    for number in [1, 1, 2] {
        assert_eq!(write(&again, number).await, ProgressAnswer::Recorded);
    }
    assert_eq!(ground.store.log(&acme, id).await.unwrap().unwrap(), b"1 2 5 3 4 6 1 2 ");
}

#[tokio::test]
async fn a_journal_at_its_limit_records_nothing_of_the_call() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let record = async |key: &str, answer: &str, max: u64| {
        let progress = Progress {
            log: b"x".to_vec(),
            events: vec![("tool_call.started", "{}".to_owned())],
            journal: vec![(key.to_owned(), entry(answer))],
            ..Progress::default()
        };
        ground.store.progress(EntryId::Job(id), claim.fence, &progress, max).await.unwrap()
    };
    let bytes = |key: &str, answer: &str| (key.len() + entry(answer).len()) as u64;
    let one = bytes("k1", "short");
    assert_eq!(record("k1", "short", one - 1).await, ProgressAnswer::JournalFull);
    assert_eq!(ground.events(&acme, id).await.len(), 2);
    assert_eq!(ground.store.log(&acme, id).await.unwrap().unwrap(), b"");
    assert_eq!(record("k1", "short", one).await, ProgressAnswer::Recorded);

    // Replacing an entry costs the difference, either way.
    assert_eq!(record("k1", "longer answer", one).await, ProgressAnswer::JournalFull);
    let longer = bytes("k1", "longer answer");
    assert_eq!(record("k1", "longer answer", longer).await, ProgressAnswer::Recorded);
    assert_eq!(record("k1", "", longer).await, ProgressAnswer::Recorded);
    let counted: u64 = ground.field(id, "journal_bytes").await.unwrap().parse().unwrap();
    assert_eq!(counted, bytes("k1", ""));
}

#[tokio::test]
async fn events_are_capped_and_the_gap_is_told() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    for _ in 0..3 {
        let progress =
            Progress { events: vec![("tool_call.started", "{}".to_owned()); 400], ..Progress::default() };
        ground.store.progress(EntryId::Job(id), claim.fence, &progress, 0).await.unwrap();
    }
    let page = ground.store.events(&acme, id, 0).await.unwrap().unwrap();
    assert_eq!((page.events.len(), page.gap), (limits::EVENTS_PER_JOB_MAX, true));
    let numbers: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (203..=1202).collect::<Vec<_>>());
    let page = ground.store.events(&acme, id, 202).await.unwrap().unwrap();
    assert!(!page.gap, "all after 202 are there");
}

#[tokio::test]
async fn another_tenant_sees_nothing_of_a_job() {
    let (ground, acme, other) = (Ground::new().await, tenant("acme"), tenant("other"));
    let (id, _) = ground.running_job(&acme).await;
    let store = &ground.store;
    assert!(store.job(&other, id).await.unwrap().is_none());
    assert!(store.job_status(&other, id).await.unwrap().is_none());
    assert!(store.events(&other, id, 0).await.unwrap().is_none());
    assert!(store.log(&other, id).await.unwrap().is_none());
    assert!(store.steps(&other, id).await.unwrap().is_none());
    assert_eq!(store.cancel(&other, id).await.unwrap(), CancelAnswer::Unknown);
    let workflow = ground.job(&acme, id).await.workflow_id;
    assert!(store.workflow(&other, workflow).await.unwrap().is_none());
}
