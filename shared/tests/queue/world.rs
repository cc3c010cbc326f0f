//! A Redis whose clock steps and whose disk is slow, by a library preloaded into it (`preload.rs`).

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use shared::{
    id::TenantId,
    store::{Hub, SubmitError},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    floor::{DEADLINE, Floor, Worker, submit_many, wait_final},
    ground::{Ground, execute, tenant},
    machine,
    preload::World,
    redis_server::RedisServer,
};

/// For the shell that starts the server.
fn before(world: &World) -> String {
    let variables = world.environment().map(|(name, value)| format!("{name}={value}"));
    format!("export {}", variables.join(" "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_steps_an_hour_either_way_under_a_hundred_runs_starts_none_again_and_kills_none() {
    const RUNS: usize = 100;
    machine::alone();
    let (world, lease) = (World::default(), Duration::from_millis(1000));
    let server = Arc::new(RedisServer::start_after(&before(&world), &[]));
    let ground = Ground::on(server, lease).await;
    let (acme, mut floor) = (tenant("acme"), Floor::closed());
    let workflow = ground.workflow(&acme).await;
    let (hub, _) = Hub::for_events(ground.store.clone(), CancellationToken::new());
    let busy = Worker::start(ground.another_store(), "busy", RUNS, &floor);
    let ids = submit_many(&ground, &acme, workflow, RUNS).await;
    for _ in 0..RUNS {
        floor.next().await;
    }
    // Another worker with free slots would take whatever looks dead.
    let idle = Worker::start(ground.another_store(), "idle", RUNS, &floor);
    let mut later = Vec::new();
    for (off, name) in
        [(3600, "an hour forward"), (0, "and back"), (-3600, "an hour back"), (0, "and forward")]
    {
        world.step_clock_to(off);
        tokio::time::sleep(lease * 3).await; // time enough for a mistake
        assert!(floor.started.try_recv().is_err(), "{name}: no second attempt");
        assert_eq!(busy.leases.count(), RUNS, "{name}: none is killed");
        // And new jobs do not wait for the clock.
        let pushed = Instant::now();
        later.extend(submit_many(&ground, &acme, workflow, 1).await);
        let started = floor.next().await;
        println!("{name}: a new job started after {:?}", started.at - pushed);
        assert!(
            started.at - pushed < Duration::from_secs(3) && started.worker == "idle",
            "{name}: {started:?}"
        );
    }
    floor.gate.add_permits(RUNS + later.len());
    for id in ids.into_iter().chain(later) {
        assert_eq!(wait_final(&ground, &hub, &acme, id).await, "succeeded");
        assert_eq!(ground.job(&acme, id).await.attempt, 1);
    }
    busy.stop().await;
    idle.stop().await;
}

/// Submits for a while as fast as eight clients can; kills Redis; tells how many of the accepted are gone.
async fn lost_on_a_slow_disk(fsync: &str, disk_ms: i64) -> (usize, usize) {
    let world = World::default();
    let options = ["--appendonly", "yes", "--appendfsync", fsync];
    let server = Arc::new(RedisServer::start_after(&before(&world), &options));
    let ground = Ground::on(server, Duration::from_secs(60)).await;
    let acme = tenant("acme");
    let workflow = ground.workflow(&acme).await;
    world.slow_disk_to(disk_ms);
    let ends = Instant::now() + Duration::from_millis(2500);
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let (store, acme): (_, TenantId) = (ground.another_store(), acme.clone());
        clients.spawn(async move {
            let mut accepted = Vec::new();
            while Instant::now() < ends {
                let submission = execute(&acme, workflow);
                match store.submit(&submission).await {
                    Ok(_) => accepted.push(submission.job.id.to_string()),
                    Err(SubmitError::Store(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            accepted
        });
    }
    let accepted = tokio::time::timeout(DEADLINE, clients.join_all()).await.expect("in time").concat();
    ground.server.kill();
    ground.server.start_again();
    let again = ground.over(ground.server.clone()).await;
    let there: HashSet<String> =
        again.waiting(shared::job::Queue::Execute, &acme).await.into_iter().collect();
    again.assert_sound().await;
    (accepted.len(), accepted.iter().filter(|id| !there.contains(*id)).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_slow_disk_everysec_loses_what_it_accepted_and_always_loses_nothing() {
    let (accepted, lost) = lost_on_a_slow_disk("always", 50).await;
    println!("always: {lost} of {accepted} accepted jobs lost to kill -9 of Redis, each sync 50 ms");
    assert!(accepted > 0 && lost == 0, "{lost} of {accepted}");
    let (accepted, lost) = lost_on_a_slow_disk("everysec", 1500).await;
    println!("everysec: {lost} of {accepted} accepted jobs lost to kill -9 of Redis, each sync 1500 ms");
    assert!(lost > 0, "this is what the documentation warns of: {lost} of {accepted}");
}
