//! Which walls stand around programs, as told in the four places where somebody looks: the worker's first log line, `/healthz`,
//! `/metrics` and each job.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::stack::{self, Stack};

use crate::ECHO;

/// Everywhere the same: without one of these a worker of that tier does not start.
const OF_BOTH_TIERS: [&str; 8] = [
    "capabilities",
    "descriptors",
    "dumpable",
    "landlock",
    "limits",
    "no_new_privs",
    "seccomp",
    "work folder",
];
const OF_TIER_A: [&str; 6] = [
    "ipc namespace",
    "mount namespace",
    "network namespace",
    "pid namespace",
    "private root",
    "uts namespace",
];
/// There or not, as kernel, user and hierarchy of groups have it; what is not there is named with its reason.
const OF_THE_SURROUNDINGS: [&str; 3] = ["cgroup", "mdwe", "user"];
/// Tier A's way to its namespaces without the privilege.
const OF_ORDINARY_USERS: &str = "user namespace";

/// Tier and walls, in the order in which they were told.
type Told = (String, Vec<String>);

fn told(tier: &Value, layers: &Value) -> Told {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    (text(tier), layers.as_array().unwrap_or_else(|| panic!("{layers}")).iter().map(text).collect())
}

/// The worker's name, what it told, and the names of the walls that are not there.
fn first_line(stack: &Stack) -> (String, Told, BTreeSet<String>) {
    let lines = stack.workers[0].log().all();
    let line: Value = serde_json::from_str(&lines[0]).unwrap_or_else(|_| panic!("{}", lines[0]));
    let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}"));
    let layers = text("layers").split(", ").map(str::to_owned).collect();
    // Each with a reason in brackets, which may hold commas.
    let all =
        OF_BOTH_TIERS.into_iter().chain(OF_TIER_A).chain(OF_THE_SURROUNDINGS).chain([OF_ORDINARY_USERS]);
    let without = format!(", {}", text("without"));
    let absent = all.filter(|name| without.contains(&format!(", {name} ("))).map(str::to_owned).collect();
    (text("worker").to_owned(), (text("tier").to_owned(), layers), absent)
}

async fn metrics(stack: &Stack, worker: &str) -> (String, BTreeSet<String>) {
    let text = stack.client().get("/metrics").await.text;
    let label = |line: &str, name: &str| {
        let value = line.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
        value.unwrap_or_else(|| panic!("no {name} in {line}")).0.to_owned()
    };
    let of_worker = |family: &str| -> Vec<&str> {
        let series = format!("{family}{{worker=\"{worker}\"");
        text.lines().filter(|line| line.starts_with(&series) && line.ends_with(" 1")).collect()
    };
    let info = of_worker("wf_worker_info");
    assert_eq!(info.len(), 1, "{text}");
    let layers = of_worker("wf_worker_sandbox_layer").into_iter().map(|line| label(line, "layer"));
    (label(info[0], "tier"), layers.collect())
}

fn names(lists: &[&[&str]]) -> BTreeSet<String> {
    lists.iter().flat_map(|list| list.iter().map(|name| (*name).to_owned())).collect()
}

/// The list is whole: what must stand does, and of what may be missing each is either there or named with a reason.
fn assert_whole(tier: &str, active: &BTreeSet<String>, absent: &BTreeSet<String>) {
    let must = if tier == "A" { names(&[&OF_BOTH_TIERS, &OF_TIER_A]) } else { names(&[&OF_BOTH_TIERS]) };
    assert!(active.is_superset(&must), "tier {tier} has {active:?}");
    let ordinary = if tier == "A" { &[OF_ORDINARY_USERS][..] } else { &[] };
    let all = names(&[&OF_BOTH_TIERS, &OF_TIER_A, &OF_THE_SURROUNDINGS, ordinary]);
    let told: BTreeSet<String> = active.union(absent).cloned().collect();
    assert_eq!(told, all, "tier {tier}: {active:?}, without {absent:?}");
    assert!(active.is_disjoint(absent), "{active:?} {absent:?}");
}

async fn tier_and_walls_are_told_in_all_four_places(tier: &str) {
    let stack = Stack::builder().env("SANDBOX_MAX_TIER", tier).start().await;
    // A job of each kind whose program was in a cell: one that checked it, and one that ran it.
    let workflow = stack.workflow_from_code(ECHO).await;
    let generated = stack.client().get("/jobs?kind=generate").await.expect(200);
    let checked = stack::id(&generated["data"][0]);
    let checked = stack.client().get(&format!("/jobs/{checked}")).await.expect(200);
    let ran = stack.run(&workflow, "x").await;

    let (worker, logged, absent) = first_line(&stack);
    let active: BTreeSet<String> = logged.1.iter().cloned().collect();
    assert_eq!(logged.0, tier);
    assert_whole(tier, &active, &absent);
    let health = stack.client().get("/healthz").await.expect(200);
    let of_health = &health["workers"][0];
    assert_eq!(of_health["name"], json!(worker), "{health:#}");
    assert_eq!(told(&of_health["sandbox_tier"], &of_health["sandbox_layers"]), logged);
    assert_eq!(metrics(&stack, &worker).await, (tier.to_owned(), active));
    for job in [checked, ran] {
        assert_eq!(job["status"], "succeeded", "{job:#}");
        assert_eq!(told(&job["sandbox"]["tier"], &job["sandbox"]["layers"]), logged, "{job:#}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn tier_a_and_its_walls_are_told_in_log_health_metrics_and_each_job() {
    tier_and_walls_are_told_in_all_four_places("A").await;
}

#[tokio::test]
async fn tier_b_and_its_walls_are_told_in_log_health_metrics_and_each_job() {
    tier_and_walls_are_told_in_all_four_places("B").await;
}
