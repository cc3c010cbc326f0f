//! The same cells in other surroundings, and what the sandbox reports of itself.

use serde_json::json;
use tokio_util::sync::CancellationToken;
use worker::cell::{Canary, CellConfig, CellError, CellRoom, RunEnd, RunTask, Tier};

use crate::elsewhere::{self, Elsewhere};
use crate::support::{self, Answers, Bench, expect_value};

#[tokio::test(flavor = "multi_thread")]
async fn tier_b_runs_the_same_programs_without_namespaces() {
    let bench = Bench::start_with(|config| config.max_tier = Tier::B).await;
    assert_eq!(bench.room.sandbox().tier, Tier::B);
    for (program, expected) in [
        ("async def execute_workflow(x):\n    return x", json!("x")),
        (include_str!("programs/library.py"), json!("ok")),
        (include_str!("programs/concurrency.py"), json!("ok")),
        (include_str!("programs/files.py"), json!("ok")),
    ] {
        let report = bench.execute(program, "x").await;
        assert_eq!(expect_value(&report, program), expected);
    }
    let report = bench
        .room
        .run(
            Bench::spec("def execute_workflow(x): return 1", RunTask::Check),
            Answers::none(),
            CancellationToken::new(),
        )
        .await;
    assert!(matches!(report.end, RunEnd::Checked(_)), "{report:?}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canary_is_asked_at_start_and_contained_in_both_tiers() {
    for tier in [Tier::A, Tier::B] {
        let bench = Bench::start_with(|config| config.max_tier = tier).await;
        let Canary::Contained { acts } = bench.room.canary() else { panic!("{:?}", bench.room.canary()) };
        assert!(acts >= 20, "{acts}");
        bench.end().await;
    }
}

const SURE_EVERYWHERE: [&str; 6] = [
    "tiers::tier_b_runs_the_same_programs_without_namespaces",
    "programs_and_ends::each_way_to_fail_has_its_code_and_names_its_line",
    "tools::tools_await_in_a_loop_and_block_elsewhere",
    "zygotes::a_killed_zygote_loses_its_runs_and_nothing_else",
    "zygotes::closing_the_room_ends_every_process",
    "limits::each_limit_ends_in_its_code_and_names_its_value_on_tier_b",
];

/// User namespaces give an ordinary user tier A as well.
#[test]
fn an_ordinary_user_has_the_same_cells() {
    let mut names = SURE_EVERYWHERE.to_vec();
    names.extend([
        "limits::each_limit_ends_in_its_code_and_names_its_value_on_tier_a",
        "memory::the_private_folder_has_a_limit_in_both_tiers",
        "tiers::the_tier_is_what_the_surroundings_allow",
    ]);
    elsewhere::run_tests(Elsewhere::OrdinaryUser, &names);
}

#[test]
fn a_container_with_the_default_profile_has_tier_b() {
    let mut names = SURE_EVERYWHERE.to_vec();
    names.push("tiers::the_tier_is_what_the_surroundings_allow");
    elsewhere::run_tests(Elsewhere::ContainerRoot, &names);
    elsewhere::run_tests(Elsewhere::ContainerNobody, &names);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tier_is_what_the_surroundings_allow() {
    let bench = Bench::start().await;
    let report = bench.room.sandbox();
    let contained = elsewhere::here().is_some_and(|place| place.starts_with("Container"));
    if contained {
        assert_eq!(report.tier, Tier::B);
        let refusal = report.higher_tier_refused.expect("tier A was tried");
        assert!(refusal.layer.contains("namespace") && refusal.fix.contains("CAP_SYS_ADMIN"), "{refusal:?}");
        let config = CellConfig::new(support::runner(), Tier::A, Tier::A, None);
        let error =
            CellRoom::start(config, CancellationToken::new()).await.expect_err("tier A is not to be had");
        assert!(matches!(error, CellError::BelowMinTier { min_tier: Tier::A, .. }), "{error}");
        assert!(error.to_string().contains("namespace"), "{error}");
    } else {
        assert_eq!(report.tier, Tier::A, "{:?}", report.higher_tier_refused);
        assert!(report.higher_tier_refused.is_none());
    }
    bench.end().await;
}
