//! Whose turn it is: the tenant with the fewest running jobs, and in turn among equals.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use shared::{
    id::{TenantId, WorkflowId},
    job::{EntryId, Queue},
    store::Room,
};

use crate::{
    floor::{Floor, Worker, submit_many, wait_until},
    ground::{Ground, execute, new_version, ready, succeeded, tenant},
    machine,
};

async fn fill(ground: &Ground, tenant: &TenantId, workflow: WorkflowId, jobs: usize) -> Vec<EntryId> {
    let mut ids = Vec::new();
    for _ in 0..jobs {
        let submission = execute(tenant, workflow);
        ids.push(submission.job.id);
        ground.submit(submission).await;
    }
    ids
}

#[tokio::test]
async fn the_tenant_with_the_fewest_running_jobs_goes_first() {
    let (ground, large, small) = (Ground::new().await, tenant("large"), tenant("small"));
    let (workflow, other) = (ground.workflow(&large).await, ground.workflow(&small).await);
    let many = fill(&ground, &large, workflow, 50).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 4).await, many[..4]);
    let few = fill(&ground, &small, other, 2).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 3).await, [few[0], few[1], many[4]]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn tenants_with_equally_many_take_turns() {
    let ground = Ground::new().await;
    let names = ["a", "b", "c"].map(tenant);
    let mut of = Vec::new();
    for name in &names {
        let workflow = ground.workflow(name).await;
        of.push(fill(&ground, name, workflow, 4).await);
    }
    let claimed = ground.claim_ids(Queue::Execute, 9).await;
    let expected: Vec<EntryId> = (0..3).flat_map(|round| of.iter().map(move |ids| ids[round])).collect();
    assert_eq!(claimed, expected);

    // Short jobs in one slot: still in turn, though nobody has any running in between.
    let mut slot = Vec::new();
    for fence in 1.. {
        let jobs = ground.store.claim(Queue::Execute, "w", Room::of(1)).await.unwrap().jobs;
        let Some((job, claim)) = jobs.into_iter().next() else { break };
        assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
        slot.push(job.id);
        assert!(fence < 10);
    }
    assert_eq!(slot, [of[0][3], of[1][3], of[2][3]]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_tenant_that_finishes_something_moves_up() {
    let ground = Ground::new().await;
    let (a, b) = (tenant("a"), tenant("b"));
    let (of_a, of_b) = (ground.workflow(&a).await, ground.workflow(&b).await);
    let (of_a, of_b) = (fill(&ground, &a, of_a, 4).await, fill(&ground, &b, of_b, 4).await);
    let jobs = ground.store.claim(Queue::Execute, "w", Room::of(4)).await.unwrap().jobs;
    let held: Vec<EntryId> = jobs.iter().map(|(job, _)| job.id).collect();
    assert_eq!(held, [of_a[0], of_b[0], of_a[1], of_b[1]]);
    for (job, claim) in jobs.into_iter().filter(|(job, _)| job.tenant == b) {
        assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
    }
    assert_eq!(ground.claim_ids(Queue::Execute, 2).await, [of_b[2], of_b[3]]);
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, [of_a[2]]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn one_tenants_thousands_of_jobs_do_not_delay_another_tenants_one() {
    let (ground, large, small) = (Ground::new().await, tenant("large"), tenant("small"));
    let (workflow, other) = (ground.workflow(&large).await, ground.workflow(&small).await);
    fill(&ground, &large, workflow, 5000).await;
    let (first, _) = ground.claim_one(Queue::Execute).await;
    assert_eq!(first.tenant, large);
    let ids = fill(&ground, &small, other, 1).await;
    let (next, claim) = ground.claim_one(Queue::Execute).await;
    assert_eq!(next.id, ids[0]);
    assert!(ground.store.finish(next.id, claim.fence, &succeeded("1")).await.unwrap());
    ground.assert_sound().await;
}

impl Ground {
    async fn claim_in(&self, queue: Queue, room: Room) -> Vec<EntryId> {
        let jobs = self.store.claim(queue, "w", room).await.unwrap().jobs;
        jobs.into_iter().map(|(job, _)| job.id).collect()
    }

    async fn set_running_max(&self, tenant: &TenantId, max: u64) {
        let record = self.key(format_args!("tenant:{tenant}"));
        let _: i64 = self.redis(&["HSET", &record, "running_max", &max.to_string()]).await;
    }
}

#[tokio::test]
async fn kept_slots_are_for_tenants_with_nothing_running() {
    let (ground, large, small) = (Ground::new().await, tenant("large"), tenant("small"));
    let (workflow, other) = (ground.workflow(&large).await, ground.workflow(&small).await);
    let many = fill(&ground, &large, workflow, 10).await;
    let kept = Room { kept: 2, ..Room::NONE };
    assert_eq!(ground.claim_in(Queue::Execute, Room { kept: 2, ..Room::of(3) }).await, many[..3]);
    assert_eq!(ground.claim_in(Queue::Execute, kept).await, []);
    let few = fill(&ground, &small, other, 2).await;
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 1);
    // One of each tenant that has nothing: its second has to wait for a slot like anybody's.
    assert_eq!(ground.claim_in(Queue::Execute, kept).await, few[..1]);
    assert_eq!(ground.claim_in(Queue::Execute, kept).await, []);
    assert_eq!(ground.claim_in(Queue::Execute, Room::of(1)).await, few[1..]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_tenant_at_its_limit_waits_until_one_of_its_jobs_ends() {
    let (ground, large, small) = (Ground::new().await, tenant("large"), tenant("small"));
    let (workflow, other) = (ground.workflow(&large).await, ground.workflow(&small).await);
    let many = fill(&ground, &large, workflow, 6).await;
    let room = Room { tenant_running_max: 2, ..Room::of(10) };
    let jobs = ground.store.claim(Queue::Execute, "w", room).await.unwrap().jobs;
    assert_eq!(jobs.iter().map(|(job, _)| job.id).collect::<Vec<_>>(), many[..2]);
    // Nobody is woken for what may not run, however much more there is.
    let _: i64 = ground.redis(&["DEL", &ground.queue_key(Queue::Execute, "wake")]).await;
    let more = fill(&ground, &large, workflow, 1).await;
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 0);
    assert_eq!(ground.claim_in(Queue::Execute, room).await, []);
    let few = fill(&ground, &small, other, 1).await;
    assert_eq!(ground.claim_in(Queue::Execute, room).await, few);

    assert!(ground.store.finish(jobs[0].0.id, jobs[0].1.fence, &succeeded("1")).await.unwrap());
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 1);
    assert_eq!(ground.claim_in(Queue::Execute, room).await, many[2..3]);
    ground.assert_sound().await;

    // Its own record goes before what is configured, from the next tick at the latest.
    ground.set_running_max(&large, 4).await;
    ground.store.tick(0).await.unwrap();
    assert_eq!(ground.claim_in(Queue::Execute, room).await, many[3..5]);
    ground.set_running_max(&large, 0).await;
    ground.store.tick(0).await.unwrap();
    assert_eq!(ground.claim_in(Queue::Execute, room).await, [many[5], more[0]]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn the_limit_counts_generations_and_executions_and_either_ends_the_wait_of_both() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    ground.set_running_max(&acme, 1).await;
    let version = new_version(&acme, workflow);
    let generation = version.job.id;
    ground.submit(version).await;
    let of_execute = fill(&ground, &acme, workflow, 2).await;
    let (_, claim) = ground.claim_one(Queue::Generate).await;
    assert_eq!(ground.claim_in(Queue::Execute, Room::of(5)).await, []);
    ground.assert_sound().await;
    assert!(ground.store.finish(generation, claim.fence, &ready()).await.unwrap());
    let (job, claim) = ground.claim_one(Queue::Execute).await;
    assert_eq!(job.id, of_execute[0]);
    ground.submit(new_version(&acme, workflow)).await;
    assert_eq!(ground.claim_in(Queue::Generate, Room::of(5)).await, []);
    ground.assert_sound().await;
    assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
    assert_eq!(ground.claim_in(Queue::Generate, Room::of(5)).await.len(), 1);
    ground.assert_sound().await;
}

/// How long jobs of `tenant` took from their submit to their start, one after another.
async fn delays(ground: &Ground, floor: &mut Floor, tenant: &TenantId, jobs: usize) -> Vec<Duration> {
    let workflow = ground.workflow(tenant).await;
    let mut delays = Vec::new();
    for _ in 0..jobs {
        let pushed = Instant::now();
        let id = EntryId::Job(submit_many(ground, tenant, workflow, 1).await[0]);
        let started = loop {
            let started = floor.next().await;
            if started.id == id {
                break started;
            }
        };
        delays.push(started.at - pushed);
    }
    delays.sort();
    delays
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_job_starts_at_once_beside_five_thousand_short_ones() {
    machine::alone();
    let (ground, mut floor) = (Ground::new().await, Floor::open());
    let (large, small) = (tenant("large"), tenant("small"));
    let workflow = ground.workflow(&large).await;
    fill(&ground, &large, workflow, 5000).await;
    let worker = Worker::keeping(ground.another_store(), "w", 4, 1, &floor);
    floor.next().await;
    let delays = delays(&ground, &mut floor, &small, 20).await;
    let left: usize = ground.redis(&["LLEN", &ground.queue_key(Queue::Execute, "ready:large")]).await;
    println!(
        "submit to start beside {left} to 5000 waiting jobs: p50 {:?}, worst {:?}",
        delays[10], delays[19]
    );
    assert!(left > 500, "there was a backlog all the time: {left}");
    assert!(delays[19] < Duration::from_millis(500), "{delays:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenants_job_starts_at_once_though_long_runs_fill_every_slot() {
    machine::alone();
    let (ground, mut floor) = (Ground::new().await, Floor::closed());
    let large = tenant("large");
    let workflow = ground.workflow(&large).await;
    submit_many(&ground, &large, workflow, 100).await;
    let workers = ["one", "two"].map(|name| Worker::keeping(ground.another_store(), name, 4, 1, &floor));
    for _ in 0..8 {
        floor.next().await;
    }
    // They do not end; the kept slots are free for others, each tenant's job at a time, and for no more of theirs.
    let mut worst = Duration::ZERO;
    for name in ["b", "c"] {
        let delays = delays(&ground, &mut floor, &tenant(name), 1).await;
        worst = worst.max(delays[0]);
    }
    println!("submit to start beside long runs in every slot: {worst:?}");
    assert!(worst < Duration::from_millis(500), "a wake-up, not the next look a second later: {worst:?}");
    let running: HashMap<String, usize> =
        ground.redis(&["HGETALL", &ground.queue_key(Queue::Execute, "running")]).await;
    assert_eq!(running, HashMap::from([("large".to_owned(), 8), ("b".to_owned(), 1), ("c".to_owned(), 1)]));
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_missed_when_slots_and_jobs_come_and_go_at_once() {
    machine::alone();
    let (ground, mut floor) = (Ground::new().await, Floor::open());
    let workers = ["one", "two"].map(|name| Worker::keeping(ground.another_store(), name, 1, 1, &floor));
    // Jobs end at once, so slots become free at any moment of the submits, and workers wait now for any work and now
    // for an idle tenant's.
    let mut worst = (Duration::ZERO, 0);
    let (a, b) = (tenant("a"), tenant("b"));
    let workflows = [ground.workflow(&a).await, ground.workflow(&b).await];
    // That both workers have their connections is not the point.
    submit_many(&ground, &a, workflows[0], 20).await;
    for _ in 0..20 {
        floor.next().await;
    }
    for round in 0..300 {
        let pushed = Instant::now();
        let (of_a, of_b) = tokio::join!(
            submit_many(&ground, &a, workflows[0], 1 + round % 3),
            submit_many(&ground, &b, workflows[1], 1 + round % 2),
        );
        for _ in 0..of_a.len() + of_b.len() {
            worst = worst.max((floor.next().await.at - pushed, round));
        }
    }
    println!("worst of 300 rounds: {:?} in round {}", worst.0, worst.1);
    assert!(worst.0 < Duration::from_millis(700), "nothing had to wait for the next look: {worst:?}");
    wait_until(async || ground.waiting(Queue::Execute, &a).await.is_empty()).await;
    for worker in workers {
        worker.stop().await;
    }
    ground.assert_sound().await;
}
