//! Replay: a later attempt gets the recorded answers, in the order in which they came.
//!
//! A deterministic program asks again for the calls it made before, so whatever was answered first is asked for
//! without waiting for what was answered later: holding answers back until it is their turn cannot block it. One
//! that asks for something else is a fresh run that uses what it can; then a turn that does not come is skipped.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use shared::job;
use tokio::sync::Notify;

/// 1 s without any answer handed out, while one waits for its turn: the program took another way.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// The answers of earlier attempts that were not asked for yet, in the order in which they came.
#[derive(Debug)]
pub struct Replay {
    state: Mutex<State>,
    turned: Notify,
}

#[derive(Debug)]
struct State {
    /// Keys of the journal.
    expected: VecDeque<String>,
    reused: u64,
    diverged: bool,
    turns: u64,
}

impl Replay {
    /// Of the journal's answered calls, in order.
    pub fn new(answered: Vec<String>) -> Self {
        let state = State { expected: answered.into(), reused: 0, diverged: false, turns: 0 };
        Self { state: Mutex::new(state), turned: Notify::new() }
    }

    /// Waits until it is the turn of the answer under `key`.
    pub async fn turn(&self, key: &str) {
        loop {
            let turned = self.turned.notified();
            let Some(seen) = self.try_take(key) else { break };
            if tokio::time::timeout(STALLED_AFTER, turned).await.is_err() && self.skip(key, seen) {
                break;
            }
        }
        self.turned.notify_waiters();
    }

    /// `None`: the answer may be given. Otherwise the number of turns so far.
    fn try_take(&self, key: &str) -> Option<u64> {
        let mut state = self.lock();
        match state.expected.front() {
            Some(front) if front != key => return Some(state.turns),
            Some(_) => state.expected.pop_front(),
            None => None,
        };
        state.reused += 1;
        state.turns += 1;
        None
    }

    /// Nothing happened since `seen`: takes the answer out of its turn.
    fn skip(&self, key: &str, seen: u64) -> bool {
        let mut state = self.lock();
        if state.turns != seen {
            return false;
        }
        state.expected.retain(|expected| expected != key);
        state.reused += 1;
        state.turns += 1;
        state.diverged = true;
        true
    }

    /// What the job shows; none when there was nothing to replay.
    pub fn report(&self, completed: bool) -> Option<job::Replay> {
        let state = self.lock();
        let unasked = completed && !state.expected.is_empty();
        let any = state.reused > 0 || !state.expected.is_empty();
        any.then_some(job::Replay { reused: state.reused, diverged: state.diverged || unasked })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn replay(keys: &[&str]) -> Arc<Replay> {
        Arc::new(Replay::new(keys.iter().map(ToString::to_string).collect()))
    }

    #[tokio::test]
    async fn answers_come_in_their_first_order_however_they_are_asked_for() {
        let replay = replay(&["c", "a", "b"]);
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for key in ["a", "b", "c"] {
            let (replay, sender) = (replay.clone(), sender.clone());
            tokio::spawn(async move {
                replay.turn(key).await;
                sender.send(key).unwrap();
            });
        }
        let mut came = Vec::new();
        for _ in 0..3 {
            came.push(order.recv().await.unwrap());
        }
        assert_eq!(came, ["c", "a", "b"]);
        assert_eq!(replay.report(true), Some(job::Replay { reused: 3, diverged: false }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_takes_another_way_is_not_held_up_for_ever() {
        let replay = replay(&["never asked for", "b"]);
        replay.turn("b").await;
        assert_eq!(replay.report(true), Some(job::Replay { reused: 1, diverged: true }));
    }

    #[tokio::test]
    async fn answers_left_over_at_the_end_are_a_divergence_unless_the_run_was_cut_short() {
        let replay = replay(&["a", "b"]);
        replay.turn("a").await;
        assert!(replay.report(true).unwrap().diverged);
        assert!(!replay.report(false).unwrap().diverged);
    }
}
