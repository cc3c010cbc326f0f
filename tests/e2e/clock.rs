//! The clock of Redis, by which leases end, steps an hour either way under live runs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tests::events;
use tests::redis_server::RedisServer;
use tests::stack::{self, Stack};
use tests::world::World;

use crate::SEARCH;
use crate::replay::begin;

#[tokio::test]
async fn a_clock_that_steps_an_hour_under_a_hundred_runs_kills_none_and_starts_none_again() {
    const RUNS: usize = 100;
    const LEASE: Duration = Duration::from_millis(1500);
    let (world, folder) = (Arc::new(World::default()), tempfile::tempdir().expect("a folder"));
    let redis = RedisServer::start_in(world.clone(), folder.path()).await;
    // Alone: a worker that gets no turn for a second and a half has lost its leases, and rightly.
    let builder = Stack::builder().alone().workers(2).env("WORKER_CONCURRENCY", "50").env("LEASE_MS", "1500");
    let stack = builder.env("REDIS_URL", &redis.url()).start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let questions: Vec<String> = (0..RUNS).map(|number| format!("q{number}")).collect();
    let mut jobs = join_all(questions.iter().map(|question| begin(&stack, &workflow, question))).await;
    stack.paradigm.searches().wait_for(RUNS).await;
    for seconds in [3600, 0, -3600, 0] {
        world.step_clock_to(seconds);
        tokio::time::sleep(LEASE * 3).await; // time enough for a mistake
        assert_eq!(stack.paradigm.searches().len(), RUNS, "{seconds} s: nothing was started a second time");
    }
    stack.paradigm.release();
    // New jobs do not wait for the clock either.
    jobs.push(begin(&stack, &workflow, "afterwards").await);
    for job in &jobs {
        let ended = stack.wait_job(job).await;
        assert_eq!((&ended["status"], &ended["attempt"]), (&json!("succeeded"), &json!(1)), "{ended:#}");
        events::until(stack.client(), &stack::id(&ended), "job.succeeded", 1).await;
    }
    assert_eq!(stack.paradigm.searches().len(), RUNS + 1);
    stack.finish().await;
    drop(redis);
}
