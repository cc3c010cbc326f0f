//! Layer ablation: each wall is left out in turn, by a build of the runner made for this, and what several walls claim
//! to stop must still be stopped. An attack that names one wall has only that one; the table says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use wire::control::LayerState;
use worker::cell::{CellConfig, CellError, CellRoom, Tier};

use crate::corpus::{Attack, corpus, host, outcome_of};
use crate::host_files::{HostFiles, Shelter};
use crate::support::{Bench, build_ablation_runner, expect_value, runner};
use crate::{ONE_AT_A_TIME, threat_model};

/// A wall that can be left out, as the runner and the attacks name it.
#[derive(Debug, Clone, Copy)]
struct Layer {
    name: &'static str,
    /// Tier B has no namespaces.
    tier_a_only: bool,
}

const LAYERS: [Layer; 14] = [
    Layer { name: "seccomp", tier_a_only: false },
    Layer { name: "landlock", tier_a_only: false },
    Layer { name: "private root", tier_a_only: true },
    Layer { name: "pid namespace", tier_a_only: true },
    Layer { name: "mount namespace", tier_a_only: true },
    Layer { name: "network namespace", tier_a_only: true },
    Layer { name: "ipc namespace", tier_a_only: true },
    Layer { name: "uts namespace", tier_a_only: true },
    Layer { name: "limits", tier_a_only: false },
    Layer { name: "user", tier_a_only: false },
    Layer { name: "capabilities", tier_a_only: false },
    Layer { name: "mdwe", tier_a_only: false },
    Layer { name: "dumpable", tier_a_only: false },
    Layer { name: "descriptors", tier_a_only: false },
];

/// Room for a program whose own limits are left out.
const MEMORY_BUDGET_BYTES: u64 = 400 * 1024 * 1024;
/// What walls besides the layers end in.
const ENDS_OF_LIMITS: [&str; 5] =
    ["contained", "sandbox_violation", "timeout", "out_of_memory", "budget_exceeded"];

/// The layer an attack's wall belongs to, if it can be left out.
fn layer_of(wall: &str) -> Option<&'static str> {
    let wall = wall.to_lowercase();
    let name = if wall.starts_with("rlimit_") { "limits" } else { wall.as_str() };
    LAYERS.iter().map(|layer| layer.name).find(|layer| *layer == name)
}

fn is_in_tier(name: &str, tier: Tier) -> bool {
    tier == Tier::A || !LAYERS.iter().any(|layer| layer.name == name && layer.tier_a_only)
}

/// The layers that stop an attack on this tier, and whether anything else does besides.
fn walls_on(attack: &Attack, tier: Tier) -> (Vec<&'static str>, bool) {
    let mut layers: Vec<_> = attack.walls.iter().filter_map(|wall| layer_of(wall)).collect();
    layers.retain(|layer| is_in_tier(layer, tier));
    layers.dedup();
    (layers, attack.walls.iter().any(|wall| layer_of(wall).is_none()))
}

fn is_only_wall(attack: &Attack, layer: &str, tier: Tier) -> bool {
    let (layers, others) = walls_on(attack, tier);
    layers == [layer] && !others
}

/// A room with a hole, on a copy of this machine's files.
async fn room_without(layer: &str, tier: Tier) -> Result<(CellRoom, Shelter), CellError> {
    let shelter = Shelter::around(&build_ablation_runner());
    let mut config = CellConfig::new(shelter.runner(), tier, tier, Some(MEMORY_BUDGET_BYTES));
    config.layers_off = layer.split('+').map(str::to_owned).collect();
    // Without a mount namespace of its own, the next cell mounts its folder over that of the last.
    config.pool_size = 1;
    Ok((CellRoom::start(config, CancellationToken::new()).await?, shelter))
}

/// The shelter takes mounts; and a worker that is not root shares its user with its cells, so that walls left out would
/// let them at it.
fn holes_may_be_made() -> bool {
    let may = rustix::process::geteuid().is_root();
    if !may {
        crate::support::not_run("only root can make the copy of the machine on which walls may be left out");
    }
    may
}

/// Whether it was stopped; the outcome, for the report.
async fn still_stopped(bench: &Bench, attack: &Attack, tier: Tier) -> (bool, String) {
    let mut limits = attack.limits(tier);
    // What its own limit does not end any more, the clock does.
    limits.wall = limits.wall.min(Duration::from_secs(5));
    let report = bench.run(&attack.program, "input", limits, host(), CancellationToken::new()).await;
    let outcome = outcome_of(&report);
    let allowed = attack.allowed(tier);
    (allowed.contains(&outcome.as_str()) || ENDS_OF_LIMITS.contains(&outcome.as_str()), outcome)
}

/// One layer left out: the attacks that got through although other walls are named, and those for which it was the
/// only one and which really got through.
async fn without(layer: &'static str, tier: Tier) -> (Vec<String>, usize) {
    let (room, _shelter) = room_without(layer, tier).await.expect("a test build leaves it out");
    let bench = Bench { room };
    let report = bench.room.sandbox().layers;
    let state = report.iter().find(|report| report.name == layer).map(|report| report.state);
    assert!(
        matches!(state, Some(LayerState::Absent)) || layer == "private root" || layer == "user",
        "{layer} is off: {state:?}"
    );
    let attacks = corpus().into_iter().filter(|attack| walls_on(attack, tier).0.contains(&layer));
    let mut outcomes = futures_util::stream::iter(attacks)
        .map(|attack| {
            let bench = &bench;
            async move {
                let (stopped, outcome) = still_stopped(bench, &attack, tier).await;
                (attack, stopped, outcome)
            }
        })
        .buffer_unordered(if layer == "mount namespace" { 1 } else { 4 });
    let (mut wrong, mut through) = (Vec::new(), 0);
    while let Some((attack, stopped, outcome)) = outcomes.next().await {
        let only = is_only_wall(&attack, layer, tier);
        through += usize::from(only && !stopped);
        if !stopped && !only {
            wrong.push(format!("{} on tier {tier} without {layer}: {outcome}", attack.name));
        }
    }
    drop(outcomes);
    bench.room.close().await;
    (wrong, through)
}

async fn each_in_turn(tier: Tier) {
    let _alone = ONE_AT_A_TIME.lock().await;
    if !holes_may_be_made() {
        return;
    }
    let host_files = HostFiles::see();
    let mut wrong = Vec::new();
    for layer in LAYERS.iter().filter(|layer| is_in_tier(layer.name, tier)) {
        let (more, through) = without(layer.name, tier).await;
        wrong.extend(more);
        let only = corpus().iter().filter(|attack| is_only_wall(attack, layer.name, tier)).count();
        println!("tier {tier} without {}: {through} of {only} get through whose only wall it is", layer.name);
        // The switch does what it says.
        assert!(only == 0 || through > 0, "nothing gets through without {}", layer.name);
        host_files.assert_unchanged();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_any_wall_left_out_another_stops_what_two_are_to_stop_on_tier_a() {
    each_in_turn(Tier::A).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_any_wall_left_out_another_stops_what_two_are_to_stop_on_tier_b() {
    each_in_turn(Tier::B).await;
}

/// The kernel takes no filter from a process that could still gain privileges: this wall cannot be left out unseen.
#[tokio::test(flavor = "multi_thread")]
async fn without_no_new_privs_there_is_no_cell() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if !holes_may_be_made() {
        return;
    }
    // The Landlock crate sets it as well.
    let refused = room_without("no_new_privs+landlock", Tier::B).await.map(drop);
    let error = refused.expect_err("a filter needs no_new_privs").to_string();
    assert!(error.contains("seccomp"), "{error}");
}

/// Nothing of what keeps files apart is left: the program changes the library, and finds it changed.
const WIDE_OPEN: &str = "seccomp+landlock+private root+mount namespace+user+capabilities+limits";
const CHANGES_EVERYTHING: &str = include_str!("change_everything.py");

#[tokio::test(flavor = "multi_thread")]
async fn the_widest_hole_reaches_a_copy_and_not_this_machine() {
    let _alone = ONE_AT_A_TIME.lock().await;
    if !holes_may_be_made() {
        return;
    }
    let host_files = HostFiles::see();
    for tier in [Tier::A, Tier::B] {
        let (room, _shelter) = room_without(WIDE_OPEN, tier).await.expect("a test build leaves them out");
        let bench = Bench { room };
        let report = bench.execute(CHANGES_EVERYTHING, "x").await;
        assert_eq!(expect_value(&report, CHANGES_EVERYTHING), "changed by a program", "tier {tier}");
        bench.room.close().await;
        host_files.assert_unchanged();
        for folder in ["/", "/etc", "/usr", "/tmp"] {
            let left = Path::new(folder).join("left-by-a-program");
            assert!(!left.exists(), "tier {tier}: {} is there", left.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_runner_refuses_to_leave_out_walls() {
    let _alone = ONE_AT_A_TIME.lock().await;
    for tier in [Tier::A, Tier::B] {
        let mut config = CellConfig::new(runner(), tier, tier, None);
        config.layers_off = vec!["seccomp".to_owned()];
        let error = CellRoom::start(config, CancellationToken::new()).await.expect_err("refused").to_string();
        assert!(error.contains("only a test build may leave out walls"), "{error}");
    }
}

/// `12 (3)`: twelve attacks are stopped by it, three of them by nothing else.
fn table(tier: Tier, attacks: &[Attack]) -> String {
    let layers: Vec<_> = LAYERS.iter().filter(|layer| is_in_tier(layer.name, tier)).collect();
    let names: Vec<_> = layers.iter().map(|layer| layer.name).collect();
    let mut table = format!("| tier {tier} | {} | other walls |\n", names.join(" | "));
    writeln!(table, "|---|{}---|", "---|".repeat(names.len())).expect("memory");
    let mut classes: BTreeMap<&str, Vec<&Attack>> = BTreeMap::new();
    for attack in attacks {
        classes.entry(attack.class()).or_default().push(attack);
    }
    for (class, attacks) in classes {
        write!(table, "| {class} ({})", attacks.len()).expect("memory");
        for name in &names {
            let named = attacks.iter().filter(|attack| walls_on(attack, tier).0.contains(name)).count();
            let only = attacks.iter().filter(|attack| is_only_wall(attack, name, tier)).count();
            let cell = match (named, only) {
                (0, _) => String::new(),
                (_, 0) => named.to_string(),
                _ => format!("{named} ({only})"),
            };
            write!(table, " | {cell}").expect("memory");
        }
        let elsewhere = attacks.iter().filter(|attack| walls_on(attack, tier).0.is_empty()).count();
        let elsewhere = if elsewhere == 0 { String::new() } else { elsewhere.to_string() };
        writeln!(table, " | {elsewhere} |").expect("memory");
    }
    table
}

fn only_walls(attacks: &[Attack]) -> String {
    let mut list = String::new();
    for layer in LAYERS {
        let of = |tier| -> Vec<&str> {
            attacks
                .iter()
                .filter(|attack| is_only_wall(attack, layer.name, tier))
                .map(|attack| attack.name.as_str())
                .collect()
        };
        let (a, b) = (of(Tier::A), of(Tier::B));
        let b_only: Vec<_> = b.iter().filter(|name| !a.contains(name)).copied().collect();
        if !a.is_empty() {
            writeln!(
                list,
                "* **{}** on both tiers, or on tier A where B has no wall: {}",
                layer.name,
                a.join(", ")
            )
            .expect("memory");
        }
        if !b_only.is_empty() {
            writeln!(list, "* **{}** on tier B: {}", layer.name, b_only.join(", ")).expect("memory");
        }
    }
    list
}

#[test]
fn the_threat_models_tables_are_what_the_corpus_says() {
    let attacks = Arc::new(corpus());
    let tables = format!(
        "{}\n{}\nThe only wall:\n\n{}",
        table(Tier::A, &attacks),
        table(Tier::B, &attacks),
        only_walls(&attacks)
    );
    threat_model::keep("walls and attacks", &tables);
}
