//! Ours and theirs, alternately, with the same Redis settings on both sides.

use std::time::Duration;

use serde_json::json;
use tests::process;
use tests::redis_server::Durability;
use tests::stack::Stack;

use crate::load::{self, Cpu};
use crate::peers::{Packages, Peer, Peers};
use report::{Goal, Report, median, percentile};

/// 3 rounds: a disturbance of one shows as a difference between them.
const ROUNDS: usize = 3;
/// 200 calls a round: a p99 of 600.
const CALLS: usize = 200;
/// 40: what others publish their latency with.
const SEQUENCE: usize = 40;
/// 1,500 jobs, 32 at once: a few seconds.
const JOBS: usize = 1_500;
const AT_ONCE: usize = 32;

/// Everything of one comparison.
#[derive(Debug, Default)]
struct Samples {
    idle: Vec<f64>,
    in_a_row: Vec<f64>,
    throughput: Vec<f64>,
}

/// One table; `packages` is missing where the peers cannot be installed.
pub async fn measure(report: &mut Report, packages: Option<&Packages>, durability: Durability) {
    let section = match durability {
        Durability::None => {
            "Through HTTP, queue and jail, beside others; Redis without a file, on both sides"
        }
        Durability::Always => "The same; Redis with an append-only file synced at every write, on both sides",
    };
    let stack = Stack::builder().offline().alone().on_disk().durability(durability).start().await;
    let workflow = stack.workflow_from_code(load::PROGRAM).await;
    let peers = match packages {
        Some(packages) => Some(Peers::start(packages, durability).await),
        None => None,
    };
    load::latencies(&stack, &workflow, CALLS, Duration::ZERO).await; // warm
    let mut ours = Samples::default();
    let mut theirs: [Samples; Peer::ALL.len()] = std::array::from_fn(|_| Samples::default());
    let mut cpu = Vec::new();
    for _ in 0..ROUNDS {
        ours.idle.extend(load::latencies(&stack, &workflow, CALLS, load::IDLE).await);
        ours.in_a_row.extend(load::latencies(&stack, &workflow, CALLS, Duration::ZERO).await);
        let before = Cpu::of(&stack);
        ours.throughput.push(load::throughput(&stack, &workflow, JOBS, AT_ONCE).await);
        cpu.push(Cpu::of(&stack).each_since(before, JOBS));
        let Some(peers) = &peers else { continue };
        for (peer, samples) in Peer::ALL.into_iter().zip(&mut theirs) {
            let calls = CALLS.min(peer.jobs());
            if peer == Peer::Celery {
                samples.idle.extend(peers.latencies(peer, calls, load::IDLE).await);
            }
            samples.in_a_row.extend(peers.latencies(peer, calls, Duration::ZERO).await);
            samples.throughput.push(peers.throughput(peer, peer.jobs()).await);
        }
    }
    let sequence: f64 = load::latencies(&stack, &workflow, SEQUENCE, Duration::ZERO).await.iter().sum();
    latency(report, section, &ours, &theirs, sequence);
    throughput(report, section, &ours, &theirs);
    costs(report, section, &cpu);
    layers(&stack, &workflow).await;
}

fn latency(report: &mut Report, section: &str, ours: &Samples, theirs: &[Samples], sequence_ms: f64) {
    let at_most = |celery: f64| if celery.is_nan() { Goal::None } else { Goal::AtMost(celery) };
    let p50 = median(&ours.idle);
    let idle = at_most(median(&theirs[0].idle));
    report.add(section, "ours, submit → result, full jail, idle system, p50", p50, "ms", idle);
    report.add(section, "ours, p99", percentile(&ours.idle, 99.0), "ms", Goal::AtMost(4.0 * p50));
    let p50 = median(&ours.in_a_row);
    let in_a_row = at_most(median(&theirs[0].in_a_row));
    report.add(section, "ours, each call right after the last, p50", p50, "ms", in_a_row);
    let p99 = percentile(&ours.in_a_row, 99.0);
    report.add(section, "ours, right after the last, p99", p99, "ms", Goal::AtMost(4.0 * p50));
    report.add(section, "ours, 40 calls in sequence", sequence_ms / 1e3, "s", Goal::AtMost(0.16));
    for (peer, samples) in Peer::ALL.iter().zip(theirs).filter(|(_, samples)| !samples.in_a_row.is_empty()) {
        let name = peer.name();
        if !samples.idle.is_empty() {
            report.add(section, format!("{name}, idle, p50"), median(&samples.idle), "ms", Goal::None);
            let p99 = percentile(&samples.idle, 99.0);
            report.add(section, format!("{name}, idle, p99"), p99, "ms", Goal::None);
        }
        let in_a_row = median(&samples.in_a_row);
        report.add(section, format!("{name}, right after the last, p50"), in_a_row, "ms", Goal::None);
    }
}

fn throughput(report: &mut Report, section: &str, ours: &Samples, theirs: &[Samples]) {
    let rate = median(&ours.throughput);
    let celery = median(&theirs[0].throughput);
    let goal = if celery.is_nan() { Goal::None } else { Goal::AtLeast(celery) };
    report.add(section, "ours, jobs a second, full jail", rate, "1/s", goal);
    for (peer, samples) in Peer::ALL.iter().zip(theirs).filter(|(_, samples)| !samples.throughput.is_empty())
    {
        report.add(section, peer.name(), median(&samples.throughput), "1/s", Goal::None);
    }
    let jailed = median(&theirs[1].throughput);
    if !jailed.is_nan() {
        report.add(section, "ours / (Celery + bwrap)", rate / jailed, "×", Goal::AtLeast(5.0));
    }
}

/// Processor time per run, and the rate at which two cores would be full.
fn costs(report: &mut Report, section: &str, rounds: &[[(&'static str, f64); 5]]) {
    let mut sum = 0.0;
    for index in 0..5 {
        let each: Vec<f64> = rounds.iter().map(|round| round[index].1).collect();
        sum += median(&each);
        report.add(
            section,
            format!("processor time per run: {}", rounds[0][index].0),
            median(&each),
            "ms",
            Goal::None,
        );
    }
    report.add(section, "ceiling of two cores at that cost", 2_000.0 / sum, "1/s", Goal::None);
}

/// What is counted is a fresh cell with every wall: another process each time, and the walls the worker claims to have.
async fn layers(stack: &Stack, workflow: &str) {
    let path = format!("/workflows/{workflow}/execute");
    let job = stack.client().post_and_wait(&path, &json!({"user_input": load::INPUT}), 60).await.expect(200);
    let walls = job["sandbox"]["layers"].as_array().map_or(0, Vec::len);
    let zygote = process::descendants(stack.workers[0].pid()).len();
    eprintln!(
        "  layers of each run: {walls}: {}; processes under the worker: {zygote}",
        job["sandbox"]["layers"]
    );
    assert!(walls > 10, "a half jailed cell is not a result: {job:#}");
}
