//! `tick`, and time that does not pass evenly: Redis was away, or its clock stepped.

use std::{sync::Arc, time::Duration};

use shared::{
    job::{EntryId, ErrorCode, Queue},
    store::{RenewAnswer, Room, Store},
};

use crate::{
    ground::{Ground, execute, message_of, succeeded, tenant, with_callback},
    redis_server::RedisServer,
};

const LEASE_MS: i64 = 60_000;

impl Ground {
    /// Nobody has seen Redis for so long, by its clock; less than nothing: its clock stepped back.
    async fn absent_for(&self, ms: i64) {
        let seen = self.now_ms().await - ms;
        let _: String = self.redis(&["SET", &self.key("last_seen"), &seen.to_string()]).await;
    }

    async fn end_hold(&self) {
        let _: String = self.redis(&["SET", &self.key("hold_until"), "1"]).await;
    }
}

#[tokio::test]
async fn after_a_gap_nothing_is_taken_back_for_a_lease() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (alive, one) = ground.running_job(&acme).await;
    let (dead, _) = ground.running_job(&acme).await;
    for id in [alive, dead] {
        ground.end_lease(Queue::Execute, id).await;
    }
    ground.absent_for(LEASE_MS * 3).await;
    let answer = ground.store.claim(Queue::Execute, "w", Room::of(1)).await.unwrap();
    assert!(answer.jobs.is_empty());
    assert!(answer.look_again_in >= Duration::from_millis(100), "held back, not spinning");
    for id in [alive, dead] {
        assert_eq!(ground.status(id).await, "running");
    }
    let held_for: i64 = ground.redis(&["GET", &ground.key("hold_until")]).await;
    let held_for = held_for - ground.now_ms().await;
    assert!((LEASE_MS - 5_000..=LEASE_MS).contains(&held_for), "{held_for}");

    // The owner that lives renews meanwhile; the other's job is taken back after the hold.
    assert_eq!(ground.store.renew(&[(EntryId::Job(alive), one.fence)]).await.unwrap(), [RenewAnswer::Held]);
    ground.store.tick(0).await.unwrap();
    assert_eq!(ground.status(dead).await, "running");
    ground.end_hold().await;
    ground.sweep(Queue::Execute).await;
    assert_eq!(ground.status(alive).await, "running");
    assert_eq!(ground.status(dead).await, "queued");
    ground.assert_sound().await;
}

#[tokio::test]
async fn whoever_comes_first_after_a_gap_sees_it() {
    for first in ["renew", "claim of another queue", "tick"] {
        let (ground, acme) = (Ground::new().await, tenant("acme"));
        let (id, _) = ground.running_job(&acme).await;
        ground.end_lease(Queue::Execute, id).await;
        ground.absent_for(LEASE_MS).await;
        match first {
            "renew" => drop(ground.store.renew(&[]).await.unwrap()),
            "tick" => drop(ground.store.tick(0).await.unwrap()),
            _ => ground.sweep(Queue::Deliver).await,
        }
        ground.sweep(Queue::Execute).await;
        assert_eq!(ground.status(id).await, "running", "{first}");
    }
}

#[tokio::test]
async fn a_short_gap_holds_nothing_up() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    for gap in [LEASE_MS / 2 - 5_000, -LEASE_MS / 2 + 5_000] {
        let (id, _) = ground.running_job(&acme).await;
        ground.end_lease(Queue::Execute, id).await;
        ground.absent_for(gap).await;
        ground.sweep(Queue::Execute).await;
        assert_eq!(ground.status(id).await, "queued", "{gap}");
        assert_eq!(ground.claim_ids(Queue::Execute, 1).await, [EntryId::Job(id)]);
    }
}

#[tokio::test]
async fn new_jobs_are_claimed_while_leases_are_held() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    ground.absent_for(LEASE_MS * 3).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, [EntryId::Job(id)]);
}

#[tokio::test]
async fn a_clock_that_stepped_back_leaves_no_lease_and_no_delay_an_hour_too_long() {
    const HOUR_MS: i64 = 3_600_000;
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (running, _) = ground.running_job(&acme).await;
    let (later, claim) = ground.running_job(&acme).await;
    let delay = Duration::from_secs(9);
    assert!(ground.store.retry_later(EntryId::Job(later), claim.fence, delay, false, &[]).await.unwrap());
    let now = ground.now_ms().await;
    ground.set_score(Queue::Execute, "leases", running, now + HOUR_MS + LEASE_MS).await;
    ground.set_score(Queue::Execute, "due", later, now + HOUR_MS + 9_000).await;
    let _: String = ground.redis(&["SET", &ground.key("hold_until"), &(now + HOUR_MS + 1).to_string()]).await;
    ground.absent_for(-HOUR_MS).await;
    ground.sweep(Queue::Execute).await;
    let now = ground.now_ms().await;
    assert_eq!(ground.status(running).await, "running");
    let lease_ends = ground.score(Queue::Execute, "leases", running).await.expect("a lease");
    assert!((now..=now + LEASE_MS).contains(&lease_ends));
    let due = ground.score(Queue::Execute, "due", later).await.expect("a time");
    assert!((now + 5_000..=now + 10_000).contains(&due), "{}", due - now);
    let hold: i64 = ground.redis(&["GET", &ground.key("hold_until")]).await;
    assert!(hold <= now + LEASE_MS);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_tick_ends_what_waits_too_long_though_no_worker_asks() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    ground.end_wait(Queue::Execute, id).await;
    ground.store.tick(10).await.unwrap();
    assert_eq!(ground.job(&acme, id).await.error.expect("an error").code, ErrorCode::Expired);

    // Also when the only worker died with it.
    let (id, _) = ground.running_job(&acme).await;
    let _: i64 = ground.redis(&["HSET", &ground.job_key(id), "expires_at", "1"]).await;
    ground.end_lease(Queue::Execute, id).await;
    ground.store.tick(10).await.unwrap();
    assert_eq!(ground.job(&acme, id).await.error.expect("an error").code, ErrorCode::Expired);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_tick_erases_what_was_kept_long_enough_and_all_that_belongs_to_it() {
    let mut ground = Ground::new().await;
    let acme = tenant("acme");
    let workflow = ground.workflow(&acme).await;
    let mut submission = with_callback(execute(&acme, workflow));
    submission.idempotency = Some(("k".to_owned(), "f".to_owned()));
    let old = ground.submit(submission).await.job_id;
    let (_, claim) = ground.claim_one(Queue::Execute).await;
    let progress = shared::store::Progress {
        number: 0,
        log: b"x".to_vec(),
        journal: vec![("k".to_owned(), "{}".to_owned())],
        ..Default::default()
    };
    ground.store.progress(EntryId::Job(old), claim.fence, &progress, 1000).await.unwrap();
    assert!(ground.store.finish(EntryId::Job(old), claim.fence, &succeeded("1")).await.unwrap());
    let young = ground.submit(execute(&acme, workflow)).await.job_id;
    let (_, claim) = ground.claim_one(Queue::Execute).await;
    assert!(ground.store.finish(EntryId::Job(young), claim.fence, &succeeded("1")).await.unwrap());
    let waiting = ground.submit(execute(&acme, workflow)).await.job_id;

    ground.config.retention = Duration::from_secs(3600);
    let store = Store::new(&ground.config).unwrap();
    assert_eq!(store.tick(10).await.unwrap(), 0);
    let finals = ground.key("finals");
    let _: i64 = ground.redis(&["ZADD", &finals, "1", &old.to_string()]).await;
    assert_eq!(store.tick(0).await.unwrap(), 0, "no more than asked for");
    assert_eq!(store.tick(10).await.unwrap(), 1);

    let left: Vec<String> = ground.redis(&["KEYS", &ground.job_key(format_args!("{old}*"))]).await;
    assert_eq!(left, Vec::<String>::new());
    assert!(ground.store.job(&acme, old).await.unwrap().is_none());
    for (index, expected) in [(format!("t:{acme}:jobs"), 3), (format!("wf:{workflow}:jobs"), 3)] {
        let members: Vec<String> = ground.redis(&["ZRANGE", &ground.key(index), "0", "-1"]).await;
        assert_eq!(members.len(), expected, "the generate job, the young one and the waiting one");
        assert!(!members.contains(&old.to_string()));
    }
    for id in [young, waiting] {
        assert!(ground.store.job(&acme, id).await.unwrap().is_some());
    }
    // The webhook of the erased job is still to be sent, and goes the same way later.
    let (message, claim) = ground.claim_one(Queue::Deliver).await;
    assert_eq!(message.id, EntryId::Message(message_of(old)));
    assert!(ground.store.finish(message.id, claim.fence, &shared::store::Finish::default()).await.unwrap());
    let _: i64 = ground.redis(&["ZADD", &finals, "1", &message.id.to_string()]).await;
    assert_eq!(store.tick(10).await.unwrap(), 1);
    assert_eq!(ground.field(message.id, "status").await, None);
}

#[tokio::test]
async fn a_claim_that_is_carried_out_when_nobody_reads_its_answer_gives_nothing() {
    let server = Arc::new(RedisServer::start(&[]));
    let ground = Ground::on(server, Duration::from_secs(60)).await;
    let id = ground.waiting_job(&tenant("acme")).await;
    let worker = ground.another_store();
    worker.claim(Queue::Generate, "w", Room::of(1)).await.unwrap(); // it knows the time now
    ground.server.pause();
    assert!(worker.claim(Queue::Execute, "w", Room::of(1)).await.is_err(), "Redis does not answer in time");
    ground.server.resume();
    worker.ping().await.unwrap(); // behind the late claim on the same connection
    assert_eq!(ground.status(id).await, "queued");
    assert_eq!(worker.claim(Queue::Execute, "w", Room::of(1)).await.unwrap().jobs.len(), 1);
    ground.assert_sound().await;
}
