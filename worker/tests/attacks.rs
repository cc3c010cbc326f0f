//! The attack corpus: every program of `runner/attacks/*.py`, on both tiers, one by one and then in a crowd.
//!
//! Each file names what it does, the outcome it must have, and the walls that stop it. The table in
//! `runner/attacks/README.md` is written by this test, which fails when it was stale.

#[path = "cell/elsewhere.rs"]
#[allow(dead_code, reason = "shared with the tests of the cell")]
mod elsewhere;
#[path = "cell/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the cell, which use more of it")]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use elsewhere::Elsewhere;
use futures_util::StreamExt;
use serde_json::{Value, json};
use support::{Answers, Bench, expect_value};
use tokio_util::sync::CancellationToken;
use worker::cell::{RunEnd, RunLimits, RunReport, Tier, ToolVerdict};

/// Two cores: the clock of one test is no judge of what another does to it.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct Attack {
    name: String,
    title: String,
    outcome: String,
    walls: String,
    program: String,
}

impl Attack {
    fn read(path: &Path) -> Self {
        let program = std::fs::read_to_string(path).expect("an attack is text");
        let mut lines = program.lines();
        let mut header = |prefix: &str| {
            let line = lines.next().unwrap_or_default();
            line.strip_prefix(prefix)
                .unwrap_or_else(|| panic!("{}: no line {prefix:?}", path.display()))
                .to_owned()
        };
        let (title, outcome, walls) = (header("# "), header("# outcome: "), header("# walls: "));
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        Self { name, title, outcome, walls, program }
    }

    /// The outcomes this tier allows: "timeout|no_result", or "A contained; B returned".
    fn allowed(&self, tier: Tier) -> Vec<&str> {
        let of_tier = self.outcome.split("; ").find_map(|part| part.strip_prefix(&format!("{tier} ")));
        of_tier.unwrap_or(&self.outcome).split('|').collect()
    }

    fn limits(&self, tier: Tier) -> RunLimits {
        // Those that must be ended by the clock need not wait long for it; nor may the slow ones be ended by it.
        let wall = if self.allowed(tier)[0] == "timeout" {
            Duration::from_millis(250)
        } else {
            Duration::from_secs(20)
        };
        RunLimits {
            wall,
            memory_bytes_max: 64 * 1024 * 1024,
            log_bytes_max: 64 * 1024,
            ..RunLimits::default()
        }
    }
}

fn corpus() -> Vec<Attack> {
    let folder = folder();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Attack::read(path)).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runner/attacks")
}

fn outcome_of(report: &RunReport) -> String {
    match &report.end {
        RunEnd::Returned(value) => match serde_json::from_str(value.get()).expect("the worker checked it") {
            Value::String(text) if text == "contained" => "contained".to_owned(),
            Value::String(text) if text.starts_with("BREACH") => text,
            _ => "returned".to_owned(),
        },
        RunEnd::Failed(failure) => failure.code.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}

/// What the worker knows and no program may find; several attacks look for it.
const CANARY: &str = "CANARY-KEY-must-not-leak";

/// A host that holds a secret while it answers.
fn host() -> Arc<Answers> {
    let secret = CANARY.to_owned();
    Answers::new(move |call| {
        assert_ne!(call.tool, secret);
        ToolVerdict::Answer(json!("answer"))
    })
}

async fn attempt(bench: &Bench, tier: Tier, attack: &Attack) -> Result<(), String> {
    let limits = attack.limits(tier);
    let report = bench.run(&attack.program, "input", limits, host(), CancellationToken::new()).await;
    let outcome = outcome_of(&report);
    let in_time = report.usage.wall <= limits.wall + Duration::from_secs(1);
    if attack.allowed(tier).contains(&outcome.as_str()) && in_time {
        return Ok(());
    }
    Err(format!(
        "{} on tier {tier}: {outcome} ({:?}), must be {}: {:?}",
        attack.name, report.usage.wall, attack.outcome, report.end
    ))
}

async fn bench_of(tier: Tier) -> Bench {
    let bench = Bench::start_with(|config| config.max_tier = tier).await;
    assert_eq!(bench.room.sandbox().tier, tier);
    bench
}

async fn one_by_one(tier: Tier) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let bench = bench_of(tier).await;
    let mut wrong = Vec::new();
    for attack in corpus() {
        wrong.extend(attempt(&bench, tier, &attack).await.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let after = bench.execute("def execute_workflow(x): return x", "alive").await;
    assert_eq!(expect_value(&after, ""), json!("alive"));
    bench.end().await;
}

/// Eight at a time, in another order, beside a program whose results must stay right.
async fn in_a_crowd(tier: Tier) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let bench = Arc::new(bench_of(tier).await);
    let stop = CancellationToken::new();
    let neighbour = {
        let (bench, stop) = (bench.clone(), stop.clone());
        tokio::spawn(async move {
            let program = "import hashlib\nasync def execute_workflow(x):\n    return hashlib.sha256((x + await paradigm_search(x)).encode()).hexdigest()[:8]";
            let mut rounds = 0;
            while !stop.is_cancelled() {
                let report =
                    bench.run(program, "x", RunLimits::default(), host(), CancellationToken::new()).await;
                assert_eq!(expect_value(&report, program), json!("c5fe37b6"));
                rounds += 1;
            }
            rounds
        })
    };
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

#[test]
fn the_table_of_attacks_is_what_the_corpus_says() {
    let attacks = corpus();
    assert!(attacks.len() >= 100);
    let mut table = format!(
        "# Attacks\n\n{} programs, each run on tiers A and B by `cargo test -p worker --test attacks`, which also writes this \
         table.\n`contained`: the program tried, was refused, and said so itself. `returned`: it ran, and what it got is its \
         own.\nNOT RUN here: aarch64, cgroup v2 controllers, Python versions other than the one built for.\n\n\
         | attack | what it does | outcome | walls |\n|---|---|---|---|\n",
        attacks.len()
    );
    for Attack { name, title, outcome, walls, .. } in &attacks {
        let cell = |text: &str| text.replace('|', " or ");
        writeln!(table, "| {name} | {} | {} | {} |", cell(title), cell(outcome), cell(walls))
            .expect("memory");
    }
    let path = folder().join("README.md");
    if std::fs::read_to_string(&path).unwrap_or_default() != table {
        std::fs::write(&path, table).expect("the table can be written");
        panic!("{} was stale and is written anew: look at it and commit it", path.display());
    }
}
