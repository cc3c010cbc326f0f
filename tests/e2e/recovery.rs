//! How long it takes until another worker has what one no longer holds, and what a stop costs.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tests::events;
use tests::process;
use tests::stack::{self, Stack};

use crate::{ENDLESS, SEARCH};

/// The shipped lease.
const LEASE: Duration = Duration::from_secs(10);

async fn begin(stack: &Stack, workflow: &str, input: &str) -> String {
    stack::id(&stack.execute(workflow, &json!({"user_input": input})).await.expect(202))
}

/// That many jobs at once, each with a question of its own.
async fn begin_many(stack: &Stack, workflow: &str, count: usize) -> Vec<String> {
    let jobs = (0..count).map(|number| async move { begin(stack, workflow, &format!("q{number}")).await });
    join_all(jobs).await
}

/// Why each attempt of a job ended without its end.
async fn retries(stack: &Stack, job: &str) -> Vec<String> {
    let request = stack.client().request(reqwest::Method::GET, &format!("/jobs/{job}/events"));
    let events = stack.client().send(request.header("accept", "application/json")).await.expect(200);
    let all = events["data"].as_array().expect("a list").iter();
    let retried = all.filter(|event| event["type"] == "job.retrying");
    retried.map(|event| event["data"]["reason"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_killed_workers_job_is_with_another_one_within_a_lease() {
    let mut stack = Stack::builder().workers(2).env("WORKER_CONCURRENCY", "1").alone().start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let jobs = [begin(&stack, &workflow, "a").await, begin(&stack, &workflow, "b").await];
    stack.paradigm.searches().wait_for(2).await;
    stack.start_worker();
    stack.signal_worker(0, Signal::KILL);
    let killed = Instant::now();
    stack.paradigm.searches().wait_for(3).await;
    let took = killed.elapsed();
    println!("a killed worker's job was with another one after {took:?}, the lease is {LEASE:?}");
    assert!(took <= LEASE, "{took:?}");
    stack.paradigm.release();
    for job in &jobs {
        assert_eq!(stack.wait_job(job).await["status"], "succeeded");
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_stopped_workers_jobs_are_with_another_one_within_a_second_after_its_grace() {
    const GRACE: Duration = Duration::from_millis(300);
    let slots = 8;
    let mut stack = Stack::builder()
        .workers(1)
        .env("WORKER_CONCURRENCY", &slots.to_string())
        .env("WORKER_DRAIN_MS", "300")
        .env("JOB_MAX_ATTEMPTS", "1")
        .alone()
        .start()
        .await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let jobs = begin_many(&stack, &workflow, slots).await;
    stack.paradigm.searches().wait_for(slots).await;
    // The same jobs are handed on four times: more often than they may be lost.
    for handed_on in 1..=4 {
        let next = stack.start_worker();
        let ready = |line: &String| line.contains("is ready").then_some(());
        stack.workers[next].log().wait_until("the next worker", ready).await;
        stack.signal_worker(next - 1, Signal::TERM);
        let told = Instant::now();
        stack.paradigm.searches().wait_for(slots * (handed_on + 1)).await;
        let took = told.elapsed().saturating_sub(GRACE);
        println!("{slots} runs were with another worker {took:?} after the grace of the first was over");
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(stack.workers[next - 1].end().await.success());
    }
    stack.paradigm.release();
    for job in &jobs {
        let ended = stack.wait_job(job).await;
        assert_eq!((&ended["status"], &ended["attempt"]), (&json!("succeeded"), &json!(1)), "{ended:#}");
        assert_eq!(retries(&stack, job).await, ["handed_back"; 4]);
    }
    stack.finish().await;
}

#[tokio::test]
async fn restarting_all_workers_one_by_one_under_load_costs_no_time_and_runs_nothing_twice() {
    const JOBS: usize = 120;
    let mut stack = Stack::builder().workers(3).env("WORKER_CONCURRENCY", "4").alone().start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.delay(Duration::from_millis(300));
    let undisturbed = under_load(&stack, &workflow, JOBS).await;
    stack.paradigm.searches().clear();
    let client = stack.client().clone();
    let load = all_at_once(client, workflow.clone(), JOBS);
    let began = Instant::now();
    let restarts = async {
        for old in 0..3 {
            // The next one goes when about a third more of the jobs has begun.
            stack.paradigm.searches().wait_for(JOBS / 4 * (old + 1)).await;
            stack.start_worker();
            stack.signal_worker(old, Signal::TERM);
        }
    };
    let (ended, ()) = tokio::join!(load, restarts);
    let restarted = began.elapsed();
    for job in &ended {
        assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(1)), "{job:#}");
        // What was claimed and had not begun may be handed on; nothing is lost.
        assert!(retries(&stack, &stack::id(job)).await.iter().all(|reason| reason == "handed_back"));
    }
    assert_eq!(stack.paradigm.searches().len(), JOBS, "each search was made once");
    for old in 0..3 {
        assert!(stack.workers[old].end().await.success());
    }
    // Once more, for a machine that became busy meanwhile.
    let undisturbed = [undisturbed, under_load(&stack, &workflow, JOBS).await];
    println!("{JOBS} jobs: {undisturbed:?} undisturbed, {restarted:?} while all three workers were replaced");
    let slowest = undisturbed[0].max(undisturbed[1]);
    assert!(restarted < slowest + Duration::from_secs(2), "{undisturbed:?} {restarted:?}");
    stack.finish().await;
}

/// The zygote is every cell's parent: what runs dies with it, and runs again on the same worker.
#[tokio::test]
async fn a_zygote_killed_under_load_loses_no_job_and_its_worker_stays() {
    const JOBS: usize = 90;
    let mut stack =
        Stack::builder().env("WORKER_CONCURRENCY", "8").env("JOB_MAX_ATTEMPTS", "10").alone().start().await;
    stack.expect_errors("The zygote died");
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.delay(Duration::from_millis(50));
    let worker = stack.workers[0].pid();
    let load = all_at_once(stack.client().clone(), workflow.clone(), JOBS);
    let kills = async {
        let mut killed = Vec::new();
        for nth in 1..=3 {
            stack.paradigm.searches().wait_for(JOBS / 4 * nth).await;
            for zygote in process::children(worker).into_iter().filter(|seen| seen.command == "runner") {
                let pid = rustix::process::Pid::from_raw(zygote.pid).expect("a pid");
                rustix::process::kill_process(pid, Signal::KILL).expect("it is ours");
                killed.push(zygote.pid);
            }
        }
        killed
    };
    let (ended, killed) = tokio::join!(load, kills);
    let undisturbed = ended.iter().filter(|job| job["attempt"] == 1).count();
    println!("{JOBS} jobs, zygotes {killed:?} killed: {undisturbed} jobs did not notice");
    assert_eq!(killed.len(), 3, "{killed:?}");
    for (number, job) in ended.iter().enumerate() {
        assert_eq!(job["status"], "succeeded", "{job:#}");
        assert!(job["result"].to_string().contains(&format!("q{number}")), "{job:#}");
    }
    assert!(undisturbed >= JOBS - 3 * 8, "{undisturbed}");
    assert_eq!(process::children(worker).iter().filter(|seen| seen.command == "runner").count(), 1);
    stack.finish().await;
}

/// Whoever kills it, its worker starts another and takes jobs; nothing is to be started again by hand.
#[tokio::test]
async fn a_worker_whose_first_runner_is_killed_while_it_starts_becomes_ready() {
    let mut stack = Stack::builder().workers(0).start().await;
    let number = stack.start_worker();
    let worker = stack.workers[number].pid();
    let first = tokio::task::spawn_blocking(move || first_runner_of(worker)).await.expect("it is started");
    rustix::process::kill_process(first, Signal::KILL).expect("it is ours");
    let log = stack.workers[number].log();
    let killed = |line: &String| line.contains("killed while it started").then_some(());
    log.wait_until("a runner that is missed", killed).await;
    log.wait_until("the worker", |line| line.contains("is ready").then_some(())).await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    assert_eq!(stack.run(&workflow, "x").await["status"], "succeeded");
    stack.finish().await;
}

/// As soon as it is there: it takes a fifth of a second to be ready.
fn first_runner_of(worker: i32) -> rustix::process::Pid {
    let deadline = Instant::now() + tests::DEADLINE;
    while Instant::now() < deadline {
        let found = process::children(worker).into_iter().find(|seen| seen.command == "runner");
        if let Some(pid) = found.and_then(|seen| rustix::process::Pid::from_raw(seen.pid)) {
            return pid;
        }
        std::thread::yield_now();
    }
    panic!("the worker started no runner within {:?}", tests::DEADLINE);
}

async fn under_load(stack: &Stack, workflow: &str, jobs: usize) -> Duration {
    let began = Instant::now();
    all_at_once(stack.client().clone(), workflow.to_owned(), jobs).await;
    began.elapsed()
}

/// Posts that many jobs and waits for the end of all.
async fn all_at_once(client: tests::client::Client, workflow: String, jobs: usize) -> Vec<Value> {
    let path = format!("/workflows/{workflow}/execute");
    let one = async |number: usize| {
        let body = json!({"user_input": format!("q{number}")});
        client.post_and_wait(&path, &body, 60).await.expect(200)
    };
    join_all((0..jobs).map(one)).await
}

#[tokio::test]
async fn a_cancel_reaches_a_running_cell_on_any_worker_in_under_a_second() {
    let stack = Stack::builder().workers(2).env("WORKER_CONCURRENCY", "2").alone().start().await;
    let endless = stack.workflow_from_code(ENDLESS).await;
    let search = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let mut jobs = Vec::new();
    for workflow in [&endless, &search, &endless, &search] {
        let job = begin(&stack, workflow, "x").await;
        events::until(stack.client(), &job, "job.started", 1).await;
        jobs.push(job);
    }
    // All slots of both workers are taken: this one waits.
    jobs.push(begin(&stack, &search, "waits").await);
    for job in jobs.iter().rev() {
        let asked = Instant::now();
        let answer = stack.client().post(&format!("/jobs/{job}/cancel"), &json!({})).await;
        assert!(matches!(answer.status, 200 | 202), "{}", answer.text);
        let ended = stack.wait_job(job).await;
        let took = asked.elapsed();
        println!("cancelled after {took:?}");
        assert_eq!(ended["status"], "cancelled", "{ended:#}");
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    stack.paradigm.release();
    stack.finish().await;
}

#[tokio::test]
async fn the_late_result_of_a_cancelled_job_is_refused() {
    let stack = Stack::builder().start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let job = begin(&stack, &workflow, "late").await;
    stack.paradigm.searches().wait_for(1).await;
    // The worker does not hear of it: it has the answer and wakes up after the job was cancelled.
    stack.workers[0].signal(Signal::STOP);
    stack.client().post(&format!("/jobs/{job}/cancel"), &json!({})).await.expect(202);
    stack.paradigm.release();
    stack.workers[0].signal(Signal::CONT);
    let ended = stack.wait_job(&job).await;
    assert_eq!((&ended["status"], &ended["result"]), (&json!("cancelled"), &Value::Null), "{ended:#}");
    stack.finish().await;
}

#[tokio::test]
async fn what_a_frozen_worker_does_after_its_lease_does_not_count() {
    let mut stack = Stack::builder().env("LEASE_MS", "2000").start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    stack.paradigm.withhold();
    let job = begin(&stack, &workflow, "frozen").await;
    stack.paradigm.searches().wait_for(1).await;
    stack.workers[0].signal(Signal::STOP);
    stack.start_worker();
    stack.paradigm.searches().wait_for(2).await;
    stack.paradigm.release();
    let ended = stack.wait_job(&job).await;
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("succeeded"), &json!(2)), "{ended:#}");
    stack.workers[0].signal(Signal::CONT);
    // It learns at its next renewal that the attempt is no longer its own, and works on.
    let refused = |line: &String| line.contains("does not count").then_some(());
    stack.workers[0].log().wait_until("the refusal", refused).await;
    let now = stack.client().get(&format!("/jobs/{job}")).await.expect(200);
    assert_eq!(now, ended, "a final state never changes");
    stack.finish().await;
}

#[tokio::test]
async fn an_expired_job_says_what_it_waited_for() {
    let mut stack = Stack::builder().workers(1).env("LEASE_MS", "2000").start().await;
    let endless = stack.workflow_from_code(ENDLESS).await;
    let expire = async |stack: &Stack, ms: u64| {
        let body = json!({"user_input": "", "expires_in_ms": ms});
        stack::id(&stack.execute(&endless, &body).await.expect(202))
    };
    let message = |job: &Value| {
        assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("expired")), "{job:#}");
        job["error"]["message"].as_str().expect("a message").to_owned()
    };
    // Time enough to begin before it is over, and for the second one to lose its worker's lease as well.
    let running = expire(&stack, 4000).await;
    let told = message(&stack.wait_job(&running).await);
    assert!(told.contains("while it was running"), "{told}");
    let again = expire(&stack, 8000).await;
    events::until(stack.client(), &again, "job.started", 1).await;
    stack.signal_worker(0, Signal::KILL);
    let told = message(&stack.wait_job(&again).await);
    assert!(told.contains("to be tried again"), "{told}");
    let waiting = expire(&stack, 1000).await;
    let told = message(&stack.wait_job(&waiting).await);
    assert!(told.contains("for a free worker"), "{told}");
    stack.finish().await;
}

#[tokio::test]
async fn redis_away_for_three_leases_under_a_hundred_runs_kills_nothing_and_starts_nothing() {
    const RUNS: usize = 100;
    for (signal, back) in [(Signal::STOP, Some(Signal::CONT)), (Signal::KILL, None)] {
        let mut stack = Stack::builder()
            .on_one_server()
            .alone()
            .workers(2)
            .env("WORKER_CONCURRENCY", "50")
            .env("LEASE_MS", "2000")
            .start()
            .await;
        let workflow = stack.workflow_from_code(SEARCH).await;
        stack.paradigm.withhold();
        let jobs = begin_many(&stack, &workflow, RUNS).await;
        stack.paradigm.searches().wait_for(RUNS).await;
        match back {
            Some(_) => stack.redis.process().signal(signal),
            None => stack.redis.stop(signal).await,
        }
        tokio::time::sleep(Duration::from_secs(6)).await; // the outage itself: three leases
        match back {
            Some(back) => stack.redis.process().signal(back),
            None => stack.redis.start_again().await,
        }
        stack.until_ready().await;
        // Another lease passes; a job that looked lost would be taken now.
        tokio::time::sleep(Duration::from_secs(3)).await;
        stack.paradigm.release();
        for job in &jobs {
            let ended = stack.wait_job(job).await;
            assert_eq!((&ended["status"], &ended["attempt"]), (&json!("succeeded"), &json!(1)), "{ended:#}");
        }
        assert_eq!(stack.paradigm.searches().len(), RUNS, "nothing was started a second time");
        stack.finish().await;
    }
}
