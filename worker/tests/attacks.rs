//! The attack corpus: every program of `runner/attacks/*.py`, on both tiers, one by one and then in a crowd.
//!
//! Each file names what it does, the outcome it must have, and the walls that stop it. The table in
//! `runner/attacks/README.md` is written by this test, which fails when it was stale.

#[path = "attacks/ablation.rs"]
mod ablation;
#[path = "attacks/corpus.rs"]
mod corpus;
#[path = "cell/elsewhere.rs"]
#[allow(dead_code, reason = "shared with the tests of the cell")]
mod elsewhere;
#[path = "attacks/host_files.rs"]
mod host_files;
#[path = "attacks/neighbours.rs"]
mod neighbours;
#[path = "attacks/storm.rs"]
mod storm;
#[path = "cell/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the cell, which use more of it")]
mod support;
#[path = "attacks/threat_model.rs"]
mod threat_model;

use std::fmt::Write as _;
use std::sync::Arc;

use corpus::{Attack, another_job, attempt, beside, corpus, folder};
use elsewhere::Elsewhere;
use futures_util::StreamExt;
use host_files::HostFiles;
use serde_json::json;
use support::{Bench, expect_value, not_run};
use tokio_util::sync::CancellationToken;
use worker::cell::Tier;

/// Two cores: the clock of one test is no judge of what another does to it.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn bench_of(tier: Tier) -> Bench {
    let bench = Bench::start_with(|config| config.max_tier = tier).await;
    assert_eq!(bench.room.sandbox().tier, tier);
    bench
}

async fn one_by_one(tier: Tier) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let host_files = HostFiles::see();
    let bench = bench_of(tier).await;
    let mut wrong = Vec::new();
    for attack in corpus() {
        another_job(&bench).await;
        wrong.extend(attempt(&bench, tier, &attack).await.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let after = bench.execute("def execute_workflow(x): return x", "alive").await;
    assert_eq!(expect_value(&after, ""), json!("alive"));
    bench.end().await;
    host_files.assert_unchanged();
}

/// Eight at a time, in another order, beside a program whose results must stay right.
async fn in_a_crowd(tier: Tier) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let host_files = HostFiles::see();
    let bench = Arc::new(bench_of(tier).await);
    let stop = CancellationToken::new();
    let neighbour = tokio::spawn(beside(bench.clone(), stop.clone()));
    let mut attacks = corpus();
    // Any fixed order that mixes the families.
    attacks.sort_by_key(|attack| {
        attack.program.bytes().rev().fold(7_u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte))
    });
    let wrong: Vec<String> = futures_util::stream::iter(attacks)
        .map(|attack| {
            let bench = bench.clone();
            async move { attempt(&bench, tier, &attack).await.err() }
        })
        .buffer_unordered(8)
        .filter_map(std::future::ready)
        .collect()
        .await;
    stop.cancel();
    let rounds: u32 = neighbour.await.expect("the neighbour never fails");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rounds > 0);
    Arc::into_inner(bench).expect("all runs are over").end().await;
    host_files.assert_unchanged();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_ends_as_its_file_says_on_tier_a() {
    one_by_one(Tier::A).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_ends_as_its_file_says_on_tier_b() {
    one_by_one(Tier::B).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_in_a_crowd_do_not_help_each_other_on_tier_a() {
    in_a_crowd(Tier::A).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_in_a_crowd_do_not_help_each_other_on_tier_b() {
    in_a_crowd(Tier::B).await;
}

#[test]
fn attacks_on_an_ordinary_users_cells_end_the_same() {
    let _alone = ONE_AT_A_TIME.blocking_lock();
    elsewhere::run_tests(Elsewhere::OrdinaryUser, &["attacks_in_a_crowd_do_not_help_each_other_on_tier_a"]);
}

#[test]
fn attacks_in_a_container_with_the_default_profile_end_the_same() {
    let _alone = ONE_AT_A_TIME.blocking_lock();
    elsewhere::run_tests(Elsewhere::ContainerRoot, &["attacks_in_a_crowd_do_not_help_each_other_on_tier_b"]);
}

/// A restricted pod: the worker is nobody, and its cells are the same nobody.
#[test]
fn attacks_in_a_restricted_pod_end_the_same() {
    let _alone = ONE_AT_A_TIME.blocking_lock();
    let names = [
        "every_attack_ends_as_its_file_says_on_tier_b",
        "neighbours::what_a_job_hides_no_other_finds_on_tier_b",
    ];
    elsewhere::run_tests(Elsewhere::ContainerNobody, &names);
}

#[test]
fn what_this_machine_cannot_show_is_said() {
    let (built, others) = (std::env::consts::ARCH, ["x86_64", "aarch64"]);
    for other in others.into_iter().filter(|other| *other != built) {
        not_run(&format!("the corpus on {other}: this machine is {built}"));
    }
    not_run("the corpus with Python versions other than the one built for: one is installed");
}

#[test]
fn the_table_of_attacks_is_what_the_corpus_says() {
    let attacks = corpus();
    assert!(attacks.len() >= 100);
    let mut table = format!(
        "# Attacks\n\n{} programs, each run on tiers A and B by `cargo test -p worker --test attacks`, which also writes this \
         table.\n`contained`: the program tried, was refused, and said so itself. `returned`: it ran, and what it got is its \
         own.\nThe walls: each of them alone stops it, where its tier has it; [the threat model](../../../docs/threat-model.md) \
         tells how that is shown.\nNOT RUN here: aarch64, cgroup v2 controllers, Python versions other than the one built \
         for.\n\n| attack | what it does | tier A | tier B | walls |\n|---|---|---|---|---|\n",
        attacks.len()
    );
    for attack in &attacks {
        let Attack { name, title, walls, .. } = attack;
        let cell = |text: &str| text.replace('|', " or ");
        let (a, b) = (cell(attack.outcome(Tier::A)), cell(attack.outcome(Tier::B)));
        writeln!(table, "| {name} | {} | {a} | {b} | {} |", cell(title), walls.join(", ")).expect("memory");
    }
    let path = folder().join("README.md");
    if std::fs::read_to_string(&path).unwrap_or_default() != table {
        std::fs::write(&path, table).expect("the table can be written");
        panic!("{} was stale and is written anew: look at it and commit it", path.display());
    }
}
