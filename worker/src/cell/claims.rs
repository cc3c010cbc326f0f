//! Whether this worker should take on more runs: its walls hold, and there is memory.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Told by the canary and by the watch over memory; heard by whoever claims jobs.
#[derive(Debug)]
pub(super) struct Claims {
    hindered: Mutex<Hindered>,
    open: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Hindered {
    escaped: bool,
    short_of_memory: bool,
}

impl Default for Claims {
    fn default() -> Self {
        Self { hindered: Mutex::default(), open: watch::Sender::new(true) }
    }
}

impl Claims {
    /// `false` while nothing more should be claimed.
    pub(super) fn open(&self) -> watch::Receiver<bool> {
        self.open.subscribe()
    }

    /// For good.
    pub(super) fn walls_do_not_hold(&self) {
        self.change(|hindered| hindered.escaped = true);
    }

    /// Until it is told otherwise.
    pub(super) fn memory_is_short(&self, short: bool) {
        self.change(|hindered| hindered.short_of_memory = short);
    }

    fn change(&self, change: impl FnOnce(&mut Hindered)) {
        let mut hindered = self.hindered.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut hindered);
        let open = !hindered.escaped && !hindered.short_of_memory;
        let changed = self.open.send_if_modified(|is_open| std::mem::replace(is_open, open) != open);
        if changed && !open {
            tracing::warn!(?hindered, "No more jobs are claimed for now.");
        } else if changed {
            tracing::info!("Jobs are claimed again.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_stop_for_a_while_without_memory_and_for_good_without_walls() {
        let claims = Claims::default();
        let open = claims.open();
        for (short, expected) in [(false, true), (true, false), (true, false), (false, true)] {
            claims.memory_is_short(short);
            assert_eq!(*open.borrow(), expected, "{short}");
        }
        claims.walls_do_not_hold();
        claims.memory_is_short(true);
        claims.memory_is_short(false);
        assert!(!*open.borrow());
    }
}
