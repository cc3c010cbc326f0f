//! Redis goes away and comes back under a running worker: nobody ends, nothing is lost, nothing runs twice.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use shared::{
    job::EntryId,
    store::{Hub, Store, StoreError},
};
use tokio_util::sync::CancellationToken;

use crate::{
    floor::{DEADLINE, Floor, Worker, submit_many, wait_final},
    ground::{Ground, tenant},
    machine,
    proxy::Proxy,
    redis_server::RedisServer,
};

const AOF: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_survives_a_redis_that_is_killed_and_started_again() {
    let ground = Ground::on(Arc::new(RedisServer::start(&AOF)), Duration::from_secs(10)).await;
    let (acme, mut floor) = (tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let (hub, _) = Hub::for_events(ground.store.clone(), CancellationToken::new());
    let worker = Worker::start(ground.another_store(), "w", 4, &floor);
    let ids = submit_many(&ground, &acme, workflow, 40).await;
    let mut starts: HashMap<EntryId, u32> = HashMap::new();
    let mut count = async |n: usize, floor: &mut Floor| {
        for _ in 0..n {
            *starts.entry(floor.next().await.id).or_insert(0) += 1;
        }
    };
    count(4, &mut floor).await;
    floor.gate.add_permits(10);
    count(10, &mut floor).await;

    ground.server.kill();
    // Runs end while Redis is away; their results wait for it.
    floor.gate.add_permits(30);
    assert!(matches!(ground.store.ping().await, Err(StoreError::Unavailable(_))));
    ground.server.start_again();
    let back = Instant::now();
    count(26, &mut floor).await;
    for id in &ids {
        assert_eq!(wait_final(&ground, &hub, &acme, *id).await, "succeeded");
    }
    println!("26 jobs were over {:?} after Redis was back", back.elapsed());
    assert!(starts.values().all(|&times| times == 1) && starts.len() == 40, "each ran once");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_three_leases_starts_no_second_attempt() {
    machine::alone();
    let lease = Duration::from_millis(600);
    let ground = Ground::on(Arc::new(RedisServer::start(&AOF)), lease).await;
    let (acme, mut floor) = (tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let (hub, _) = Hub::for_events(ground.store.clone(), CancellationToken::new());
    let busy = Worker::start(ground.another_store(), "busy", 20, &floor);
    let ids = submit_many(&ground, &acme, workflow, 20).await;
    for _ in 0..20 {
        floor.next().await;
    }
    // Another worker with free slots would take whatever looks dead.
    let idle = Worker::start(ground.another_store(), "idle", 20, &floor);
    for away in ["killed", "paused"] {
        match away {
            "killed" => ground.server.kill(),
            _ => ground.server.pause(),
        }
        tokio::time::sleep(lease * 3).await; // the outage itself
        match away {
            "killed" => ground.server.start_again(),
            _ => ground.server.resume(),
        }
        tokio::time::sleep(lease * 3).await; // time enough for a mistake
        assert!(floor.started.try_recv().is_err(), "{away}: no second attempt");
        assert_eq!(busy.leases.count(), 20, "{away}");
    }
    floor.gate.add_permits(20);
    for id in ids {
        assert_eq!(wait_final(&ground, &hub, &acme, id).await, "succeeded");
        assert_eq!(ground.job(&acme, id).await.attempt, 1);
    }
    busy.stop().await;
    idle.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages_shorter_than_half_a_lease_lose_no_lease_either() {
    machine::alone();
    // Such a gap may be too short to be noticed: then the leases must be renewed in time.
    let lease = Duration::from_millis(1500);
    let ground = Ground::on(Arc::new(RedisServer::start(&AOF)), lease).await;
    let (acme, mut floor) = (tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let busy = Worker::start(ground.another_store(), "busy", 5, &floor);
    submit_many(&ground, &acme, workflow, 5).await;
    for _ in 0..5 {
        floor.next().await;
    }
    let idle = Worker::start(ground.another_store(), "idle", 5, &floor);
    for _ in 0..4 {
        ground.server.kill();
        tokio::time::sleep(lease * 2 / 5).await;
        ground.server.start_again();
        tokio::time::sleep(lease * 4 / 5).await;
        assert!(floor.started.try_recv().is_err(), "no second attempt");
    }
    assert_eq!(busy.leases.count(), 5);
    busy.stop().await;
    idle.stop().await;
}

#[tokio::test]
async fn a_connection_over_tcp_that_is_cut_is_made_again() {
    machine::alone();
    let ground = Ground::new().await;
    let proxy = Proxy::to(ground.server.socket()).await;
    let mut config = ground.config.clone();
    config.url = proxy.url();
    let store = Store::new(&config).unwrap();
    for _ in 0..3 {
        let began = Instant::now();
        for _ in 0..50 {
            store.ping().await.unwrap();
        }
        // Nothing waits to be sent together with something else.
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        proxy.cut();
        let failed = tokio::time::timeout(DEADLINE, async { while store.ping().await.is_ok() {} });
        failed.await.expect("the cut is noticed");
        let back = async {
            while store.ping().await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, back).await.expect("a new connection is made");
    }
}
