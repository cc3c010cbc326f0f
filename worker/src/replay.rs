//! Replay: a later attempt gets the recorded answers, in the order in which they came, and new ones after them.
//!
//! A deterministic program asks again for the calls it made before, so whatever was answered first is asked for
//! without waiting for what was answered later: holding answers back until it is their turn cannot block it. One
//! that asks for something else is a fresh run that uses what it can: a turn that does not come is skipped, with
//! everything before it, so that the way is held up once where it parts and not at each call after that.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use shared::{job, journal::Entry};
use tokio::sync::Notify;

use crate::origin::RunOrigin;

/// 1 s longer than the program took the first time to ask for an answer: then it took another way.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// 10 s: a program that pauses for longer between its calls is not waited for, lest one that took another way loses
/// its time.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// The answers of one attempt, on their way to the program.
#[derive(Debug)]
pub struct Replay {
    state: Mutex<State>,
    turned: Notify,
}

#[derive(Debug)]
struct State {
    /// Answers of earlier attempts that were not asked for yet, in the order in which they came.
    expected: VecDeque<Expected>,
    /// The number of the next new answer.
    next: u64,
    reused: u64,
    diverged: bool,
    turns: u64,
}

#[derive(Debug)]
struct Expected {
    /// Of the journal.
    key: String,
    /// How long the program took to ask for it, after the answer before it.
    pause: Duration,
}

impl Replay {
    /// Of what earlier attempts recorded, as far as it answers for a run of this origin.
    pub fn of(journal: &HashMap<String, Entry>, origin: &RunOrigin) -> Self {
        let mut answered: Vec<(u64, &String, &Entry)> =
            journal.iter().filter_map(|(key, entry)| Some((entry.answered?, key, entry))).collect();
        answered.sort_by_key(|(number, ..)| *number);
        let next = answered.last().map_or(0, |(number, ..)| number + 1);
        let diverged = answered.iter().any(|(.., entry)| !origin.recorded(entry));
        answered.retain(|(.., entry)| origin.may_answer(entry));
        let mut expected = VecDeque::new();
        let mut before = None;
        for (_, key, entry) in &answered {
            expected.push_back(Expected { key: (*key).clone(), pause: pause(journal, before, entry) });
            before = Some(*entry);
        }
        let state = State { expected, next, reused: 0, diverged, turns: 0 };
        Self { state: Mutex::new(state), turned: Notify::new() }
    }

    /// Waits until it is the turn of the recorded answer under `key`.
    pub async fn turn(&self, key: &str) {
        let stalled = self.wait_until(|state| state.is_next_or_unknown(key)).await;
        let mut state = self.lock();
        if let Some(place) = state.expected.iter().position(|expected| expected.key == key) {
            state.expected.drain(..=place);
        }
        state.diverged |= stalled;
        state.reused += 1;
        self.take_turn(state);
    }

    /// Waits until it is the turn of the new answer with this number: after the recorded ones, and in the order in
    /// which new ones were recorded.
    pub async fn turn_of_new(&self, number: u64) {
        if self.wait_until(|state| state.expected.is_empty()).await {
            let mut state = self.lock();
            state.expected.clear();
            state.diverged = true;
        }
        loop {
            let turned = self.turned.notified();
            if self.lock().next >= number {
                break;
            }
            turned.await; // the ones before are being written, and that is waited for as long as it takes
        }
        let mut state = self.lock();
        state.next = number + 1;
        self.take_turn(state);
    }

    /// `true`: nothing happened for so long that the program must have taken another way.
    async fn wait_until(&self, ready: impl Fn(&State) -> bool) -> bool {
        loop {
            let turned = self.turned.notified();
            let (seen, pause) = {
                let state = self.lock();
                if ready(&state) {
                    return false;
                }
                (state.turns, state.expected.front().map_or(Duration::ZERO, |front| front.pause))
            };
            let waited = tokio::time::timeout(pause + STALLED_AFTER, turned).await;
            if waited.is_err() && self.lock().turns == seen {
                return true;
            }
        }
    }

    fn take_turn(&self, mut state: std::sync::MutexGuard<'_, State>) {
        state.turns += 1;
        drop(state);
        self.turned.notify_waiters();
    }

    /// What the job shows; none when there was nothing to replay.
    pub fn report(&self, completed: bool) -> Option<job::Replay> {
        let state = self.lock();
        let unasked = completed && !state.expected.is_empty();
        let any = state.reused > 0 || state.diverged || !state.expected.is_empty();
        any.then_some(job::Replay { reused: state.reused, diverged: state.diverged || unasked })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_next_or_unknown(&self, key: &str) -> bool {
        match self.expected.front() {
            Some(front) => front.key == key || self.expected.iter().all(|expected| expected.key != key),
            None => true,
        }
    }
}

/// How long after `before` was answered (or after the attempt's first call) `entry` was asked for.
fn pause(journal: &HashMap<String, Entry>, before: Option<&Entry>, entry: &Entry) -> Duration {
    let since = match before {
        Some(before) if before.attempt == entry.attempt => {
            Some(before.started_ms.saturating_add_unsigned(before.ms))
        }
        _ => {
            let of_attempt = journal.values().filter(|other| other.attempt == entry.attempt);
            of_attempt.map(|other| other.started_ms).min()
        }
    };
    let ms = since.map_or(0, |since| entry.started_ms.saturating_sub(since));
    Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::job::ExecuteInput;

    use super::*;

    fn origin() -> RunOrigin {
        RunOrigin::of(
            "def execute_workflow",
            &ExecuteInput { user_input: String::new(), file_ids: Vec::new() },
        )
    }

    /// Answered in this order, each `pause_ms` after the one before.
    fn replay(keys: &[&str], pause_ms: i64) -> Arc<Replay> {
        let numbered = (0_u32..).zip(keys);
        let journal = numbered.map(|(number, key)| {
            let entry = serde_json::json!({
                "seq": number, "kind": "tool_call", "name": "t", "state": "ok", "attempt": 1,
                "started_ms": i64::from(number) * pause_ms, "answered": number,
                "origin": origin().of_entry("t"),
            });
            ((*key).to_owned(), serde_json::from_value(entry).unwrap())
        });
        Arc::new(Replay::of(&journal.collect(), &origin()))
    }

    #[tokio::test]
    async fn answers_come_in_their_first_order_however_they_are_asked_for() {
        let replay = replay(&["c", "a", "b"], 0);
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for key in ["new", "a", "b", "c"] {
            let (replay, sender) = (replay.clone(), sender.clone());
            tokio::spawn(async move {
                match key {
                    "new" => replay.turn_of_new(3).await,
                    _ => replay.turn(key).await,
                }
                sender.send(key).unwrap();
            });
        }
        let mut came = Vec::new();
        for _ in 0..4 {
            came.push(order.recv().await.unwrap());
        }
        assert_eq!(came, ["c", "a", "b", "new"]);
        assert_eq!(replay.report(true), Some(job::Replay { reused: 3, diverged: false }));
    }

    #[tokio::test]
    async fn new_answers_keep_the_order_in_which_they_were_recorded() {
        let replay = replay(&[], 0);
        let second = tokio::spawn({
            let replay = replay.clone();
            async move { replay.turn_of_new(1).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        replay.turn_of_new(0).await;
        second.await.unwrap();
        assert_eq!(replay.report(true), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_takes_another_way_is_held_up_once() {
        let replay = replay(&["never asked for", "b", "c", "nor this", "d"], 0);
        let began = tokio::time::Instant::now();
        for key in ["b", "c"] {
            replay.turn(key).await;
        }
        assert_eq!(began.elapsed(), STALLED_AFTER);
        replay.turn_of_new(5).await;
        assert_eq!(began.elapsed(), STALLED_AFTER * 2);
        replay.turn("d").await;
        replay.turn("never asked for").await;
        assert_eq!(began.elapsed(), STALLED_AFTER * 2);
        assert_eq!(replay.report(true), Some(job::Replay { reused: 4, diverged: true }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_pauses_between_its_calls_is_waited_for() {
        let replay = replay(&["a", "b"], 4000);
        let new = tokio::spawn({
            let replay = replay.clone();
            async move { replay.turn_of_new(2).await }
        });
        replay.turn("a").await;
        tokio::time::sleep(Duration::from_millis(4500)).await;
        replay.turn("b").await;
        new.await.unwrap();
        assert_eq!(replay.report(true), Some(job::Replay { reused: 2, diverged: false }));
    }

    #[tokio::test]
    async fn answers_left_over_at_the_end_are_a_divergence_unless_the_run_was_cut_short() {
        let replay = replay(&["a", "b"], 0);
        replay.turn("a").await;
        assert!(replay.report(true).unwrap().diverged);
        assert!(!replay.report(false).unwrap().diverged);
    }
}
