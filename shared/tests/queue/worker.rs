//! The backend under an apalis worker, used as the worker crate uses it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use apalis_core::{backend::Backend as _, worker::context::WorkerContext};
use shared::{
    id::JobId,
    job::{EntryId, Queue},
    queue::{Consumer, JobQueue, Leases, Slots, enqueue},
    store::{CancelAnswer, Hub, Room, Store, Submission},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    floor::{Floor, Worker, consumer, submit_many, wait_final, wait_until},
    ground::{Ground, execute, tenant},
    machine,
    redis_server::RedisServer,
};

#[tokio::test]
async fn a_worker_holds_exactly_as_many_jobs_as_it_has_slots() {
    let (ground, acme, mut floor) = (Ground::new().await, tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let ids = submit_many(&ground, &acme, workflow, 10).await;
    let worker = Worker::start(ground.another_store(), "w", 3, &floor);
    let mut seen = Vec::new();
    for held in 1..=10 {
        seen.push(floor.next().await.id);
        if held >= 3 {
            // The next starts when one ends, and no other is taken before that.
            let running: i64 = ground.redis(&["ZCARD", &ground.queue_key(Queue::Execute, "leases")]).await;
            assert_eq!((running, worker.leases.count()), (3.min(running), 3), "after {held}");
            assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 10 - held);
            if held < 10 {
                floor.gate.add_permits(1);
            }
        }
    }
    let expected: Vec<EntryId> = ids.into_iter().map(EntryId::Job).collect();
    assert_eq!(seen, expected, "in order");
    worker.stop().await;
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 3);
    ground.assert_sound().await;
}

#[tokio::test]
async fn what_was_claimed_and_not_started_is_handed_back_at_once() {
    machine::alone();
    for told_by in ["the consumer's shutdown", "apalis"] {
        let (ground, acme) = (Ground::new().await, tenant("acme"));
        let workflow = ground.workflow(&acme).await;
        let ids = submit_many(&ground, &acme, workflow, 5).await;
        let shutdown = CancellationToken::new();
        let leases = Leases::new(ground.store.clone());
        let mut queue = JobQueue::consumer(ground.store.clone(), consumer("w", 5, &leases, &shutdown));
        // apalis asks whether the backend is ready, and is then busy with other things.
        let context = WorkerContext::from("w");
        std::future::poll_fn(|cx| queue.poll_ready(cx, &context)).await.unwrap();
        wait_until(async || leases.count() == 5).await;

        let began = Instant::now();
        if told_by != "apalis" {
            shutdown.cancel();
        }
        std::future::poll_fn(|cx| queue.poll_close(cx, &context)).await.unwrap();
        println!("5 claimed jobs were handed back {:?} after {told_by} said so", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(leases.count(), 0);
        let mut waiting = ground.waiting(Queue::Execute, &acme).await;
        waiting.sort();
        assert_eq!(waiting, ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(ground.claim_one(Queue::Execute).await.1.attempt, 1);
        ground.assert_sound().await;
    }
}

#[tokio::test]
async fn a_backend_that_is_dropped_claims_no_more_and_hands_back_what_it_held() {
    // As when apalis gives up a worker, or starts it again.
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    submit_many(&ground, &acme, workflow, 2).await;
    let leases = Leases::new(ground.store.clone());
    let consumer = consumer("w", 5, &leases, &CancellationToken::new());
    let mut queue = JobQueue::consumer(ground.store.clone(), consumer.clone());
    let context = WorkerContext::from("w");
    std::future::poll_fn(|cx| queue.poll_ready(cx, &context)).await.unwrap();
    wait_until(async || leases.count() == 2).await;
    drop(queue);
    wait_until(async || ground.waiting(Queue::Execute, &acme).await.len() == 2).await;
    // All slots are back, so the fetcher has ended or waits; it does not take the next one.
    wait_until(async || consumer.slots.free() == 5).await;
    submit_many(&ground, &acme, workflow, 1).await;
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 3);
    assert_eq!(leases.count(), 0);
}

#[tokio::test]
async fn a_worker_that_ends_hands_its_runs_to_another_within_a_second() {
    machine::alone();
    let (ground, acme, mut floor) = (Ground::new().await, tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let first = Worker::start(ground.another_store(), "first", 4, &floor);
    submit_many(&ground, &acme, workflow, 4).await;
    for _ in 0..4 {
        assert_eq!(floor.next().await.worker, "first");
    }
    let second = Worker::start(ground.another_store(), "second", 4, &floor);
    let began = Instant::now();
    first.stop().await;
    for _ in 0..4 {
        let started = floor.next().await;
        assert_eq!((started.worker.as_str(), started.attempt), ("second", 1));
        assert!(started.at - began < Duration::from_secs(1), "{:?}", started.at - began);
    }
    println!(
        "4 running jobs were with the next worker {:?} after the first was told to end",
        began.elapsed()
    );
    second.stop().await;
    ground.assert_sound().await;
}

#[tokio::test]
async fn an_idle_worker_starts_a_job_without_a_poll_interval() {
    machine::alone();
    let (ground, acme, mut floor) = (Ground::new().await, tenant("acme"), Floor::open());
    let workflow = ground.workflow(&acme).await;
    let worker = Worker::start(ground.another_store(), "w", 4, &floor);
    submit_many(&ground, &acme, workflow, 1).await;
    floor.next().await;
    let mut took = Vec::new();
    for _ in 0..50 {
        let pushed = Instant::now();
        submit_many(&ground, &acme, workflow, 1).await;
        took.push(floor.next().await.at - pushed);
    }
    took.sort();
    println!("idle push to start: p50 {:?}, p98 {:?} of 50", took[25], took[48]);
    assert!(took[25] < Duration::from_millis(100), "{:?}", took[25]);
    worker.stop().await;
}

/// Its claim is there already: what is submitted has begun when the client hears that it was accepted, and Redis has
/// written both to its file at once.
#[tokio::test]
async fn a_waiting_worker_has_a_job_before_its_client_knows_that_it_was_accepted() {
    let ground = Ground::on(Arc::new(RedisServer::start(&[])), Duration::from_secs(60)).await;
    let (acme, mut floor) = (tenant("acme"), Floor::open());
    let workflow = ground.workflow(&acme).await;
    let worker = Worker::start(ground.another_store(), "w", 4, &floor);
    for round in 0..20 {
        wait_until(async || {
            let clients: String = ground.redis(&["CLIENT", "LIST"]).await;
            clients.lines().any(|client| client.contains(" cmd=blpop ") && !client.contains(" qbuf=0 "))
        })
        .await;
        let id = submit_many(&ground, &acme, workflow, 1).await[0];
        assert_ne!(ground.status(id).await, "queued", "in round {round}");
        floor.next().await;
    }
    worker.stop().await;
    ground.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_five_hundred_jobs_each_once() {
    let (ground, acme, mut floor) = (Ground::new().await, tenant("acme"), Floor::open());
    let workflow = ground.workflow(&acme).await;
    let began = Instant::now();
    let workers = ["one", "two"].map(|name| Worker::start(ground.another_store(), name, 8, &floor));
    let pushes = (0..500).map(|_| {
        let (store, submission): (Store, Submission) = (ground.store.clone(), execute(&acme, workflow));
        async move { enqueue(&store, submission).await.unwrap().job_id }
    });
    let ids = futures_util::future::join_all(pushes).await;
    let (mut starts, mut shares) = (HashMap::new(), HashMap::new());
    for _ in 0..500 {
        let started = floor.next().await;
        assert_eq!(started.attempt, 1);
        *starts.entry(started.id).or_insert(0) += 1;
        *shares.entry(started.worker).or_insert(0) += 1;
    }
    println!("500 jobs in {:?}, shared {shares:?}", began.elapsed());
    assert!(ids.iter().all(|&id| starts.get(&EntryId::Job(id)) == Some(&1)));
    assert_eq!(shares.len(), 2, "both worked");
    wait_until(async || {
        ground.store.claim(Queue::Execute, "w", Room::of(0)).await.is_ok() && finals(&ground).await == 501
    })
    .await;
    for worker in workers {
        worker.stop().await;
    }
    assert!(floor.started.try_recv().is_err(), "nothing ran twice");
    ground.assert_sound().await;
}

async fn finals(ground: &Ground) -> i64 {
    ground.redis(&["ZCARD", &ground.key("finals")]).await
}

#[tokio::test]
async fn a_crashed_workers_jobs_run_again_after_a_lease_as_the_second_attempt() {
    machine::alone();
    let lease = Duration::from_millis(1000);
    let ground = Ground::on(RedisServer::shared(), lease).await;
    let (acme, mut floor) = (tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let first = Worker::start(ground.another_store(), "first", 3, &floor);
    let ids = submit_many(&ground, &acme, workflow, 3).await;
    for _ in 0..3 {
        floor.next().await;
    }
    let second = Worker::start(ground.another_store(), "second", 3, &floor);
    let crashed = Instant::now();
    first.crash();
    let mut again = Vec::new();
    for _ in 0..3 {
        let started = floor.next().await;
        assert_eq!((started.worker.as_str(), started.attempt), ("second", 2));
        // One lease; a machine that stalls for half of one makes it two.
        assert!(started.at - crashed <= lease * 3, "{:?}", started.at - crashed);
        again.push(started.id);
    }
    println!("3 jobs of a crashed worker ran again after {:?}, lease {lease:?}", crashed.elapsed());
    again.sort_by_key(ToString::to_string);
    assert_eq!(again, ids.iter().map(|&id| EntryId::Job(id)).collect::<Vec<_>>());
    floor.gate.add_permits(3);
    wait_until(async || finals(&ground).await == 4).await;
    second.stop().await;
    ground.assert_sound().await;
}

/// As when the canary escaped, or memory is short: jobs wait or go to another worker, and what runs goes on.
#[tokio::test]
async fn a_worker_that_may_not_claim_leaves_jobs_alone_until_it_may_again() {
    let (ground, acme, mut floor) = (Ground::new().await, tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let (open, may_claim) = watch::channel(true);
    let worker = Worker::serving(ground.another_store(), "hindered", &floor, |consumer| Consumer {
        slots: Slots::new(2, 0),
        may_claim,
        ..consumer
    });
    submit_many(&ground, &acme, workflow, 1).await;
    assert_eq!(floor.next().await.worker, "hindered");

    open.send(false).expect("the fetcher lives");
    // Another worker gets what comes now, wake-ups included, though the first one has a free slot.
    let other = Worker::start(ground.another_store(), "other", 3, &floor);
    for _ in 0..3 {
        submit_many(&ground, &acme, workflow, 1).await;
        assert_eq!(floor.next().await.worker, "other");
    }
    submit_many(&ground, &acme, workflow, 1).await;
    assert_eq!((worker.leases.count(), other.leases.count()), (1, 3));
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 1);

    open.send(true).expect("the fetcher lives");
    assert_eq!(floor.next().await.worker, "hindered");
    floor.gate.add_permits(5);
    // With the job that made the workflow.
    wait_until(async || finals(&ground).await == 6).await;
    worker.stop().await;
    other.stop().await;
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_cancel_reaches_a_running_attempt_long_before_its_lease_is_renewed() {
    machine::alone();
    let (ground, acme, mut floor) = (Ground::new().await, tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let (hub, _) = Hub::for_events(ground.store.clone(), CancellationToken::new());
    let worker = Worker::start(ground.another_store(), "w", 2, &floor);
    let ids = submit_many(&ground, &acme, workflow, 2).await;
    floor.next().await;
    floor.next().await;
    let asked = Instant::now();
    assert_eq!(ground.store.cancel(&acme, ids[0]).await.unwrap(), CancelAnswer::Requested);
    assert_eq!(wait_final(&ground, &hub, &acme, ids[0]).await, "cancelled");
    println!("a running attempt was cancelled in {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(ground.status(ids[1]).await, "running");
    worker.stop().await;
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_hub_forgets_a_job_that_nobody_listens_to() {
    let ground = Ground::new().await;
    let (hub, _) = Hub::for_events(ground.store.clone(), CancellationToken::new());
    // Two who leave at the same moment: one of them is the last.
    let moment = std::sync::Barrier::new(2);
    for _ in 0..2000 {
        let id = JobId::new();
        let listeners = [hub.listen(id), hub.listen(id)];
        std::thread::scope(|scope| {
            for listener in listeners {
                scope.spawn(|| {
                    moment.wait();
                    drop(listener);
                });
            }
        });
        assert!(!format!("{hub:?}").contains(&id.to_string()));
    }
}
