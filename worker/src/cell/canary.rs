//! A program that tries what none may do, in a real cell, at start and every minute.
//!
//! Reports of layers say what was asked of the kernel; the canary says what it really does.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Deserialize;
use shared::limits;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::claims::Claims;
use super::room::{CellRoom, Inner};
use super::types::{CheckedRun, RunEnd, RunLimits, RunSpec, RunTask};

const PROGRAM: &str = include_str!("canary.py");
/// Often enough that a broken wall is found before many jobs have met it; two milliseconds of work each time.
const PAUSE: Duration = Duration::from_secs(60);
/// Far beyond its milliseconds: on a machine that is this slow the canary says nothing about walls.
const WALL: Duration = Duration::from_secs(20);

/// What the last canary found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canary {
    /// Every act was refused.
    Contained {
        /// How many were tried.
        acts: usize,
    },
    /// The walls do not hold: nothing is run any more.
    Escaped {
        /// What it could do.
        breaches: Vec<String>,
    },
    /// It could not be asked.
    Silent {
        /// Why.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    acts: usize,
    breaches: Vec<String>,
}

/// The last report; an escape stays.
#[derive(Debug)]
pub(super) struct Cage {
    last: Mutex<Canary>,
    claims: Arc<Claims>,
}

impl Cage {
    pub(super) fn new(claims: Arc<Claims>) -> Self {
        let last = Mutex::new(Canary::Silent { reason: "not asked yet".to_owned() });
        Self { last, claims }
    }

    pub(super) fn last(&self) -> Canary {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, canary: &Canary) {
        if matches!(canary, Canary::Escaped { .. }) {
            self.claims.walls_do_not_hold();
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A hole that was seen once does not close by itself.
        if !matches!(*last, Canary::Escaped { .. }) {
            last.clone_from(canary);
        }
    }
}

/// Asks once.
pub(super) async fn ask(room: &CellRoom) -> Canary {
    let spec = RunSpec {
        program: PROGRAM.into(),
        task: RunTask::Execute { user_input: room.sandbox().tier.to_string() },
        seed: 0,
        limits: RunLimits { wall: WALL, cpu: WALL, ..RunLimits::default() },
    };
    let report = room.run_untrusted(spec, Arc::new(CheckedRun), CancellationToken::new()).await;
    let canary = match report.end {
        RunEnd::Returned(answer) => match serde_json::from_str::<Answer>(answer.get()) {
            Ok(Answer { acts, breaches }) if breaches.is_empty() => Canary::Contained { acts },
            Ok(Answer { breaches, .. }) => Canary::Escaped { breaches },
            Err(error) => Canary::Silent { reason: error.to_string() },
        },
        other => Canary::Silent { reason: format!("{other:?}") },
    };
    match &canary {
        Canary::Contained { acts } => tracing::debug!(acts, "The canary was contained"),
        Canary::Escaped { breaches } => {
            tracing::error!(
                ?breaches,
                "THE SANDBOX DOES NOT HOLD: the canary could do what no program may. No program is run."
            );
        }
        Canary::Silent { reason } => tracing::warn!(reason, "The canary could not be asked"),
    }
    room.inner().cage.note(&canary);
    canary
}

/// Asks at the start: a silence because the zygote was killed says nothing, and its successor is asked.
pub(super) async fn ask_first(room: &CellRoom) -> Canary {
    loop {
        let before = room.zygotes_died();
        let canary = ask(room).await;
        let died = room.zygotes_died();
        let is_silent = matches!(canary, Canary::Silent { .. });
        if !is_silent || died == before || died >= limits::RUNNERS_KILLED_AT_START_MAX {
            return canary;
        }
    }
}

/// Asks every minute as long as the room is there.
pub(super) async fn ask_until(room: Weak<Inner>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = sleep(PAUSE) => {}
        }
        let Some(inner) = room.upgrade() else { break };
        ask(&CellRoom::from(inner)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_that_was_seen_once_stays_open_and_ends_all_claims() {
        let claims = Arc::new(Claims::default());
        let (cage, open) = (Cage::new(claims.clone()), claims.open());
        cage.note(&Canary::Contained { acts: 28 });
        assert!(*open.borrow());
        let escaped = Canary::Escaped { breaches: vec!["fork a process".to_owned()] };
        cage.note(&escaped);
        cage.note(&Canary::Contained { acts: 28 });
        assert_eq!(cage.last(), escaped);
        assert!(!*open.borrow());
    }
}
