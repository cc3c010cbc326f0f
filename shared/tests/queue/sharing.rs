//! Two shards that share the slots of a worker. They are two servers here, so that one can be away.

use std::time::{Duration, Instant};

use shared::{
    job::EntryId,
    queue::{Consumer, Slots},
};

use crate::{
    floor::{Floor, Worker, submit_many, wait_until},
    ground::{Ground, execute, tenant},
    machine,
    redis_server::RedisServer,
};

async fn on_a_server_of_its_own() -> Ground {
    Ground::on(RedisServer::start(&[]).into(), Duration::from_secs(60)).await
}

fn sharing(ground: &Ground, slots: &Slots, floor: &Floor) -> Worker {
    let slots = slots.clone();
    Worker::serving(ground.another_store(), "w", floor, |consumer| Consumer { slots, ..consumer })
}

#[tokio::test]
async fn a_shard_full_of_work_does_not_starve_another() {
    let (full, quiet) = (on_a_server_of_its_own().await, on_a_server_of_its_own().await);
    let (acme, other, mut floor) = (tenant("acme"), tenant("other"), Floor::closed());
    let workflow = full.workflow(&acme).await;
    submit_many(&full, &acme, workflow, 100).await;
    let slots = Slots::new(3, 0);
    let workers = [sharing(&full, &slots, &floor), sharing(&quiet, &slots, &floor)];
    for _ in 0..3 {
        floor.next().await;
    }
    // All slots are taken; whenever one is free again, the other shard's job is among the next two.
    let workflow = quiet.workflow(&other).await;
    for round in 0..5 {
        let job = EntryId::Job(quiet.submit(execute(&other, workflow)).await.job_id);
        floor.gate.add_permits(2);
        let next = [floor.next().await.id, floor.next().await.id];
        assert!(next.contains(&job), "round {round}");
        let under_way: usize = workers.iter().map(|worker| worker.leases.count()).sum();
        assert!(under_way <= 3, "{under_way}");
    }
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(slots.free(), 3);
    full.assert_sound().await;
    quiet.assert_sound().await;
}

#[tokio::test]
async fn a_slot_that_is_kept_serves_the_first_job_of_a_tenant_on_any_shard() {
    let (one, other) = (on_a_server_of_its_own().await, on_a_server_of_its_own().await);
    let (acme, mut floor) = (tenant("acme"), Floor::closed());
    let workflow = one.workflow(&acme).await;
    submit_many(&one, &acme, workflow, 10).await;
    let slots = Slots::new(2, 1);
    let workers = [sharing(&one, &slots, &floor), sharing(&other, &slots, &floor)];
    // Which tenant's is the first of acme's: two at most run of anybody's, and the last slot waits for somebody else.
    for _ in 0..2 {
        floor.next().await;
    }
    wait_until(async || slots.free() == 1).await;
    let newcomer = tenant("newcomer");
    let workflow = other.workflow(&newcomer).await;
    let job = other.submit(execute(&newcomer, workflow)).await.job_id;
    assert_eq!(floor.next().await.id, EntryId::Job(job));
    assert_eq!(slots.free(), 0);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_shard_that_is_away_does_not_hold_up_another() {
    machine::alone();
    let (here, away) = (on_a_server_of_its_own().await, on_a_server_of_its_own().await);
    let (acme, mut floor) = (tenant("acme"), Floor::open());
    let workflow = here.workflow(&acme).await;
    let slots = Slots::new(1, 0);
    let workers = [sharing(&here, &slots, &floor), sharing(&away, &slots, &floor)];
    away.server.pause();
    // Longer than a claim waits for its answer: it may have taken the slot along once, and never again.
    let (began, mut waits) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(8) {
        let submitted = Instant::now();
        submit_many(&here, &acme, workflow, 1).await;
        floor.next().await;
        waits.push(submitted.elapsed());
    }
    let slow = waits.iter().filter(|wait| **wait > Duration::from_millis(500)).count();
    println!("{} jobs while a shard was away, {slow} of them waited for its answer", waits.len());
    assert!(waits.len() > 20 && slow <= 1, "{waits:?}");
    away.server.resume();
    for worker in workers {
        worker.stop().await;
    }
}
