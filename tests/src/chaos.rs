//! Chaos: a stack under load while its parts are killed, stopped, silenced and cut off at random moments, and the
//! judgement after each round.
//!
//! Everything random comes from one seed, so that the choices of a run can be repeated; the moments at which they meet
//! the system cannot. A round posts jobs for some seconds while faults happen, mends everything, waits until all is at
//! rest, and then asks: is every accepted job final and right, was every tool call that was answered and recorded made
//! once, did every webhook arrive under one id, and does every key in Redis have an owner? What is not so is an
//! anomaly, told with the seed.

mod dice;
mod faults;
mod judge;
mod keys;
mod load;
mod table;

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::fakes::Receiver;
use crate::fakes::anthropic::{Purpose, Reply};
use crate::proxy::{Proxy, Target};
use crate::stack::Stack;

pub use self::dice::Dice;
pub use self::table::Table;

use self::load::Workflows;

/// 3 s: short, so that many rounds fit into an hour; the shipped default is 10 s.
pub const LEASE: Duration = Duration::from_secs(3);
/// 3 s of posts and faults in a round.
const LOAD: Duration = Duration::from_secs(3);
/// 150 ms for a search and 250 ms for a model's answer: runs of about a second, so that faults meet them.
const SEARCH_DELAY: Duration = Duration::from_millis(150);
const CHAT_DELAY: Duration = Duration::from_millis(250);
/// 2 workers with 8 slots each.
const WORKERS: usize = 2;
const SLOTS: &str = "8";
/// 20: a job that meets several faults is to survive them; giving up has a test of its own.
const ATTEMPTS_MAX: &str = "20";
/// 60 s that finished jobs are kept: several rounds, and the store does not grow.
const RETENTION_SECS: &str = "60";

/// What a chaos run is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many rounds.
    pub rounds: usize,
    /// Jobs posted in each.
    pub jobs: usize,
    /// Faults in each.
    pub faults: usize,
    /// Where all choices come from.
    pub seed: u64,
    /// Waits at the end until everything was forgotten, and looks whether something is left.
    pub until_forgotten: bool,
}

/// Everything a round works with.
struct Scene {
    stack: Stack,
    receiver: Receiver,
    receiver_wire: Proxy,
    workflows: Workflows,
}

/// Carries out a plan and gives what came of it. Each round tells a line.
pub async fn run(plan: Plan) -> Table {
    println!(
        "chaos: seed {}, {} rounds of {} jobs and {} faults",
        plan.seed, plan.rounds, plan.jobs, plan.faults
    );
    let mut scene = Scene::build().await;
    let mut dice = Dice::new(plan.seed);
    let mut table = Table::new(plan);
    for round in 0..plan.rounds {
        let began = Instant::now();
        let faults = faults::plan(&mut dice, plan.faults, LOAD);
        let posts = load::plan(&mut dice, round, plan.jobs, LOAD);
        let client = scene.stack.client().clone();
        let callback = format!("http://{}", scene.receiver_wire.address());
        let (accepted, happened) = tokio::join!(
            load::post_all(&client, &scene.workflows, &callback, posts),
            faults::happen(&mut scene.stack, &scene.receiver_wire, faults),
        );
        let verdict = judge::round(&scene, &accepted, &happened).await;
        println!(
            "round {round}: {} in {:.1} s: {}",
            faults::told(&happened),
            began.elapsed().as_secs_f64(),
            verdict
        );
        table.add(&happened, verdict);
        scene.forget();
    }
    if plan.until_forgotten {
        table.anomalies.extend(keys::until_forgotten(&scene.stack).await);
    }
    scene.close().await;
    table
}

impl Scene {
    async fn build() -> Self {
        let lease_ms = LEASE.as_millis().to_string();
        let retries = ["1s"; 60].join(",");
        let settings = [
            ("LEASE_MS", lease_ms.as_str()),
            ("WORKER_CONCURRENCY", SLOTS),
            ("WORKER_DRAIN_MS", "500"),
            ("JOB_MAX_ATTEMPTS", ATTEMPTS_MAX),
            ("JOB_RETENTION_SECS", RETENTION_SECS),
            ("WEBHOOK_RETRY_SCHEDULE", retries.as_str()),
        ];
        // Alone: an attempt that is lost because a worker had no turn would be lost for no reason.
        let mut builder = Stack::builder().alone().workers(WORKERS).wired();
        for (name, value) in settings {
            builder = builder.env(name, value);
        }
        let stack = builder.start().await;
        stack.paradigm.delay(SEARCH_DELAY);
        stack.anthropic.answer_with(Purpose::Chat, |call| {
            Reply::After(CHAT_DELAY, Box::new(Reply::Text(format!("Reply to: {}", call.prompt()))))
        });
        let receiver = Receiver::start().await;
        let address = receiver.url("").trim_start_matches("http://").to_owned();
        let receiver_wire = Proxy::start(Target::Tcp(address)).await;
        let workflows = Workflows::create(&stack).await;
        Self { stack, receiver, receiver_wire, workflows }
    }

    /// What the fakes saw belongs to a round.
    fn forget(&self) {
        self.stack.paradigm.searches().clear();
        self.stack.anthropic.calls().clear();
        self.receiver.deliveries().clear();
    }

    async fn close(mut self) {
        for word in faults::ERRORS_MEANT {
            self.stack.expect_errors(word);
        }
        self.stack.finish().await;
    }
}

/// Whether a process can be hit: it may have been, earlier in the round.
fn running(stack: &Stack) -> Vec<usize> {
    (0..stack.workers.len()).filter(|number| stack.workers[*number].is_running()).collect()
}

/// Everything that was stopped goes on, and everything that died is there again.
async fn mend_all(stack: &mut Stack, receiver_wire: &Proxy) {
    let wires = stack.wires();
    for wire in [
        &wires.client_api,
        &wires.api_redis,
        &wires.worker_redis,
        &wires.worker_anthropic,
        &wires.worker_paradigm,
        receiver_wire,
    ] {
        wire.mend();
    }
    stack.redis.process().signal(Signal::CONT);
    if !stack.redis.process().is_running() {
        stack.redis.start_again().await;
    }
    for number in running(stack) {
        stack.workers[number].signal(Signal::CONT);
    }
    stack.until_ready().await;
}
