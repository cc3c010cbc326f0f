//! Redis at its memory limit: submits are refused, what runs is finished.

use std::{sync::Arc, time::Duration};

use shared::{
    job::{EntryId, Queue},
    store::{Progress, ProgressAnswer, RenewAnswer, Room, StoreError, SubmitError},
};

use crate::{
    ground::{Ground, execute, message_of, succeeded, tenant, with_callback},
    redis_server::RedisServer,
};

#[tokio::test]
async fn without_memory_nothing_is_accepted_and_everything_accepted_is_finished() {
    let server = Arc::new(RedisServer::start(&["--maxmemory-policy", "noeviction"]));
    let (ground, acme) = (Ground::on(server, Duration::from_secs(60)).await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let id = ground.submit(with_callback(execute(&acme, workflow))).await.job_id;
    let waiting = ground.submit(execute(&acme, workflow)).await.job_id;
    let _: String = ground.redis(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let refused = execute(&acme, workflow);
    let answer = ground.store.submit(&refused).await;
    assert!(matches!(answer, Err(SubmitError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    assert_eq!(ground.field(refused.job.id, "status").await, None);

    let (job, claim) = ground.claim_one(Queue::Execute).await;
    assert_eq!(job.id, EntryId::Job(id));
    assert_eq!(ground.store.renew(&[(job.id, claim.fence)]).await.unwrap(), [RenewAnswer::Held]);
    let progress = Progress { log: b"x".to_vec(), ..Progress::default() };
    let recorded = ground.store.progress(job.id, claim.fence, &progress, 1000).await.unwrap();
    assert_eq!(recorded, ProgressAnswer::Recorded);
    assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
    assert_eq!(ground.status(message_of(id)).await, "queued");
    ground.store.cancel(&acme, waiting).await.unwrap();
    ground.store.tick(10).await.unwrap();
    ground.assert_sound().await;

    let _: String = ground.redis(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert!(!ground.submit(refused).await.replayed);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_replica_refuses_what_it_cannot_keep() {
    let server = Arc::new(RedisServer::start(&[]));
    let (ground, acme) = (Ground::on(server, Duration::from_secs(60)).await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let workflow = ground.job(&acme, id).await.workflow_id;
    let _: String = ground.redis(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let submitted = ground.store.submit(&execute(&acme, workflow)).await;
    assert!(matches!(submitted, Err(SubmitError::Store(StoreError::Unavailable(_)))), "{submitted:?}");
    let finished = ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await;
    assert!(matches!(finished, Err(StoreError::Unavailable(_))), "{finished:?}");
    assert!(ground.store.claim(Queue::Execute, "w", Room::of(1)).await.is_err());

    let _: String = ground.redis(&["REPLICAOF", "NO", "ONE"]).await;
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
    ground.assert_sound().await;
}

/// Jobs go through, a few at a time; answers the memory of Redis at each look.
async fn load(ground: &Ground, jobs: usize, look_every: usize) -> Vec<u64> {
    let acme = tenant("acme");
    let workflow = ground.workflow(&acme).await;
    let mut used = Vec::new();
    for number in 1..=jobs {
        let mut submission = execute(&acme, workflow);
        submission.job.input = format!(r#"{{"user_input":"{}"}}"#, "x".repeat(2000));
        ground.submit(submission).await;
        let (job, claim) = ground.claim_one(Queue::Execute).await;
        let result = format!("\"{}\"", "y".repeat(2000));
        assert!(ground.store.finish(job.id, claim.fence, &succeeded(&result)).await.unwrap());
        if number % look_every == 0 {
            while ground.store.tick(100).await.unwrap() == 100 {}
            used.push(ground.used_memory().await);
        }
    }
    used
}

impl Ground {
    async fn used_memory(&self) -> u64 {
        let info: String = self.redis(&["INFO", "memory"]).await;
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("it is told");
        line.trim().parse().expect("a number")
    }

    async fn finals(&self) -> usize {
        self.redis(&["ZCARD", &self.key("finals")]).await
    }
}

#[tokio::test]
async fn under_a_constant_load_memory_stays_what_the_retention_makes_it() {
    let server = Arc::new(RedisServer::start(&[]));
    let mut ground = Ground::on(server, Duration::from_secs(60)).await;
    ground.config.retention = Duration::from_millis(300);
    ground.store = ground.another_store();
    let used = load(&ground, 6000, 500).await;
    println!("used_memory after each 500 jobs: {used:?}");
    let (first, last) = (used[2], used[used.len() - 1]);
    assert!(last < first + (2 << 20), "flat once the first jobs are erased: {used:?}");
    tokio::time::sleep(ground.config.retention).await; // the last ones grow old
    while ground.store.tick(100).await.unwrap() > 0 {}
    assert_eq!(ground.finals().await, 0);
}

#[tokio::test]
async fn at_its_limit_of_bytes_the_oldest_final_jobs_go_first_and_then_submits_are_refused() {
    let server = Arc::new(RedisServer::start(&[]));
    let mut ground = Ground::on(server, Duration::from_secs(60)).await;
    let empty = ground.used_memory().await;
    ground.config.bytes_max = empty + (4 << 20);
    ground.store = ground.another_store();
    // Retention is a week: only the limit makes them go, from submit itself as well as from tick.
    let used = load(&ground, 2500, 250).await;
    println!(
        "used_memory over an empty store: {:?}",
        used.iter().map(|used| used - empty).collect::<Vec<_>>()
    );
    assert!(used.iter().all(|used| *used < ground.config.bytes_max), "{used:?}");
    let kept = ground.finals().await;
    assert!((100..2000).contains(&kept), "{kept} are kept");

    // Jobs that have not ended do not go: at last there is nothing left to erase.
    let acme = tenant("acme");
    let workflow = ground.workflow(&acme).await;
    let mut accepted = Vec::new();
    let refused = loop {
        let mut submission = execute(&acme, workflow);
        submission.job.input = format!(r#"{{"user_input":"{}"}}"#, "x".repeat(20_000));
        match ground.store.submit(&submission).await {
            Ok(_) => accepted.push(submission.job.id),
            Err(SubmitError::Store(StoreError::Unavailable(_))) => break submission,
            Err(other) => panic!("{other}"),
        }
        assert!(accepted.len() < 1000, "never full");
    };
    println!("{} waiting jobs were accepted, {} final ones left", accepted.len(), ground.finals().await);
    assert!(accepted.len() > 50, "{}", accepted.len());
    for id in &accepted {
        assert_eq!(ground.status(id).await, "queued");
    }
    // What was accepted runs and ends; that makes room.
    for _ in 0..accepted.len() {
        let (job, claim) = ground.claim_one(Queue::Execute).await;
        assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
    }
    assert!(!ground.submit(refused).await.replayed);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_job_whose_webhook_is_still_to_be_sent_does_not_make_room() {
    let server = Arc::new(RedisServer::start(&[]));
    let mut ground = Ground::on(server, Duration::from_secs(60)).await;
    let acme = tenant("acme");
    let workflow = ground.workflow(&acme).await;
    let told = ground.submit(with_callback(execute(&acme, workflow))).await.job_id;
    let (job, claim) = ground.claim_one(Queue::Execute).await;
    assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
    ground.config.bytes_max = 1;
    let full = ground.another_store();
    for _ in 0..3 {
        full.tick(100).await.unwrap();
    }
    assert_eq!(ground.status(told).await, "succeeded", "the message shows it");
    let (message, claim) = ground.claim_one(Queue::Deliver).await;
    assert!(ground.store.finish(message.id, claim.fence, &succeeded("1")).await.unwrap());
    full.tick(100).await.unwrap();
    full.tick(100).await.unwrap();
    assert!(ground.store.job(&acme, told).await.unwrap().is_none());
    ground.assert_sound().await;
}
