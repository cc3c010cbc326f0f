//! Why there is no room for programs: each variant is something an operator does.

use std::io;
use std::path::PathBuf;

use wire::control::{Refusal, Tier};

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// Build the sibling binary.
    #[error("{} is missing; build it with `cargo build{} -p runner`", path.display(), release_flag())]
    RunnerMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Build the sibling binary again.
    #[error(
        "{} was built from other sources (build {theirs}, this worker is {}); build both with `cargo build{}`",
        path.display(),
        wire::BUILD_ID,
        release_flag()
    )]
    RunnerStale {
        /// Where it lies.
        path: PathBuf,
        /// Its build id.
        theirs: String,
    },
    /// Find out who kills it.
    #[error(
        "the runner was killed by signal {signal} while it started, {times} times in a row; \
         when nobody did it by hand, the kernel's log tells why (lack of memory: more of it)"
    )]
    RunnerKilled {
        /// The last one's.
        signal: i32,
        /// How often it was tried.
        times: u64,
    },
    /// Give the machine what is missing, or accept a lower tier.
    #[error("the sandbox does not reach tier {min_tier}: {}: {}. To get it: {}", refusal.layer, refusal.reason, refusal.fix)]
    BelowMinTier {
        /// `SANDBOX_MIN_TIER`.
        min_tier: Tier,
        /// The missing layer and how to get it.
        refusal: Refusal,
    },
    /// Do not run anything here: the walls were raised and do not hold.
    #[error("the sandbox does not hold: a canary program could {}", breaches.join(", "))]
    CanaryEscaped {
        /// What it could do.
        breaches: Vec<String>,
    },
    /// The walls stand, and no program runs behind them.
    #[error("the sandbox cannot be shown to hold: the canary program gave no answer: {reason}")]
    CanarySilent {
        /// Why.
        reason: String,
    },
    /// The system is short of something.
    #[error("the cells cannot be started: {0}")]
    Io(#[from] io::Error),
}

fn release_flag() -> &'static str {
    if cfg!(debug_assertions) { "" } else { " --release" }
}
