//! How a room begins: a group of its own where there can be one, and the highest tier that stands.
//!
//! What a zygote refuses, and what is missing or of another build, is final at once. One that was killed refused nothing:
//! another is started in its place, a few times.

use std::sync::Arc;

use shared::limits;
use tokio::time::sleep;
use wire::control::{CellGroups, Refusal, Tier, ZygoteSettings};

use super::error::CellError;
use super::groups::{self, Groups};
use super::keeper::RESTART_PAUSE_MIN;
use super::types::CellConfig;
use super::work_root::WorkRoot;
use super::zygote::{Zygote, ZygoteStartError};

/// What a room begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) zygote: Zygote,
    /// For every zygote after the first.
    pub(super) settings: ZygoteSettings,
    /// Tier B's private folders.
    pub(super) work_root: Option<Arc<WorkRoot>>,
    /// Where the hierarchy of cgroup v2 is ours to use.
    pub(super) groups: Option<Arc<Groups>>,
    /// Why it is not a higher tier, when one was allowed.
    pub(super) higher_tier_refused: Option<Refusal>,
}

/// The first tier from the top that a zygote accepts.
pub(super) async fn highest_tier(config: &CellConfig, budget_bytes: u64) -> Result<Beginning, CellError> {
    let set_up = tokio::task::spawn_blocking(move || Groups::set_up(budget_bytes)).await;
    let mut groups = set_up.unwrap_or_else(|error| Err(error.to_string())).map(Arc::new);
    let mut refused = None;
    for tier in tiers(config) {
        let work_root = match tier {
            Tier::A => None,
            Tier::B => Some(Arc::new(WorkRoot::new(&std::env::temp_dir())?)),
        };
        let mut settings = settings(config, tier);
        loop {
            settings.groups = match &groups {
                Ok(groups) => groups.of_cells(config.memory_bytes_max),
                Err(reason) => CellGroups::Absent { reason: reason.clone() },
            };
            let own = (groups.as_deref().ok(), work_root.as_deref());
            match first_zygote(config, &settings, own).await {
                Ok(zygote) => {
                    let groups = groups.ok();
                    return Ok(Beginning {
                        zygote,
                        settings,
                        work_root,
                        groups,
                        higher_tier_refused: refused,
                    });
                }
                // It looked usable and is not: cells do without, and the report of layers says so.
                Err(ZygoteStartError::Refused(refusal))
                    if refusal.layer == groups::LAYER && groups.is_ok() =>
                {
                    groups = Err(refusal.reason);
                }
                Err(ZygoteStartError::Refused(refusal)) => {
                    refused = Some(refusal);
                    break;
                }
                Err(ZygoteStartError::Missing(path)) => return Err(CellError::RunnerMissing { path }),
                Err(ZygoteStartError::Stale { theirs }) => {
                    return Err(CellError::RunnerStale { path: config.runner_path.clone(), theirs });
                }
                Err(ZygoteStartError::Killed { signal }) => {
                    return Err(CellError::RunnerKilled {
                        signal,
                        times: limits::RUNNERS_KILLED_AT_START_MAX,
                    });
                }
                Err(ZygoteStartError::Io(error)) => return Err(CellError::Io(error)),
            }
        }
    }
    Err(below_min_tier(config, refused))
}

/// A warm zygote, or why there is none; killed is the last of them only.
async fn first_zygote(
    config: &CellConfig,
    settings: &ZygoteSettings,
    own: (Option<&Groups>, Option<&WorkRoot>),
) -> Result<Zygote, ZygoteStartError> {
    let (mut killed, mut pause) = (0, RESTART_PAUSE_MIN);
    loop {
        let started = Zygote::start(&config.runner_path, settings.clone(), own).await;
        let Err(ZygoteStartError::Killed { signal }) = started else { return started };
        killed += 1;
        if killed >= limits::RUNNERS_KILLED_AT_START_MAX {
            return started;
        }
        tracing::warn!(signal, killed, "A runner was killed while it started; starting another.");
        sleep(pause).await;
        pause *= 2;
    }
}

fn settings(config: &CellConfig, tier: Tier) -> ZygoteSettings {
    ZygoteSettings {
        tier,
        work_bytes_max: config.work_bytes_max,
        work_inodes_max: config.work_inodes_max,
        open_files_max: config.open_files_max,
        threads_max: config.threads_max,
        // Each zygote's own, as its groups are.
        work_root: None,
        groups: CellGroups::Absent { reason: String::new() },
        tools: config.tools.to_vec(),
        layers_off: config.layers_off.clone(),
    }
}

fn below_min_tier(config: &CellConfig, refused: Option<Refusal>) -> CellError {
    let min_tier = config.min_tier;
    let refusal = refused.unwrap_or_else(|| Refusal {
        layer: "configuration".to_owned(),
        reason: format!("SANDBOX_MIN_TIER={min_tier} is above SANDBOX_MAX_TIER={}", config.max_tier),
        fix: "raise SANDBOX_MAX_TIER".to_owned(),
    });
    CellError::BelowMinTier { min_tier, refusal }
}

fn tiers(config: &CellConfig) -> impl Iterator<Item = Tier> {
    let (min_tier, max_tier) = (config.min_tier, config.max_tier);
    [Tier::A, Tier::B].into_iter().filter(move |tier| match tier {
        Tier::A => max_tier == Tier::A,
        Tier::B => min_tier == Tier::B,
    })
}
