//! What a run does, written down as it does it.
//!
//! A tool call is in the record before it is dispatched, and its answer is in the record before the program sees
//! it. Printed text and steps are written in passing, a few times a second. Writes wait for Redis; a write that is
//! refused stops the attempt, because then another one is current.

mod state;

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use providers::AnalysisProgress;
use serde_json::{Map, Value, json};
use shared::{
    id::{JobId, TenantId},
    job::{EntryId, Usage},
    journal::{Entry, EntryKind, EntryState},
    queue::{Attempt, StopReason},
    store::{DailyLimits, Progress, ProgressAnswer, Spending, Store},
    time::Timestamp,
};
use tokio_util::sync::CancellationToken;

use self::state::{State, to_json};
use crate::{budget, environment::Environment, origin::RunOrigin, patience, replay::Replay};

/// 200 ms between writes of printed text and steps: live enough for a reader, rare enough for Redis.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// The record of one attempt. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    id: EntryId,
    attempt: Attempt,
    journal_bytes_max: u64,
    log_bytes_max: u64,
    tokens_max: u64,
    daily: DailyLimits,
    origin: RunOrigin,
    state: Mutex<State>,
    replay: Replay,
    /// Held from taking printed text until it is written, so that text keeps its order.
    log_order: tokio::sync::Mutex<()>,
    closed: CancellationToken,
}

/// A call as it stands in the journal.
pub enum Recorded {
    /// An earlier attempt finished it: this was the answer.
    Before(Result<Value, String>),
    /// It is recorded as begun and may be dispatched.
    Begun(Box<Begun>),
    /// The journal is at its limit: the run ends.
    Full,
    /// A budget is used up, as the message says: the run ends, and the call is not recorded.
    Spent(String),
    /// The attempt is over: nothing counts any more.
    Over,
}

/// A call that was begun.
pub struct Begun {
    key: String,
    entry: Entry,
    aside: u64,
    clock: tokio::time::Instant,
}

impl Begun {
    /// Its place in the record.
    pub fn seq(&self) -> u64 {
        self.entry.seq
    }
}

/// What a call cost and who answered it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Tokens sent.
    pub input_tokens: u64,
    /// Tokens received.
    pub output_tokens: u64,
    /// Requests to a model.
    pub llm_requests: u64,
    /// Who answered.
    pub provider: Option<&'static str>,
}

/// What is left when the record is closed.
pub struct Closed {
    /// Tool calls and tokens over all attempts.
    pub usage: Usage,
    /// Who answered; `offline` as soon as one was offline.
    pub provider: Option<&'static str>,
    /// Printed text not yet written.
    pub log: Vec<u8>,
    /// How much of an earlier attempt was used.
    pub replay: Option<shared::job::Replay>,
}

impl Recorder {
    /// Begins the record of an attempt. `None`: what earlier attempts recorded does not read.
    pub async fn start(
        environment: &Environment,
        tenant: &TenantId,
        job: JobId,
        attempt: &Attempt,
        origin: RunOrigin,
    ) -> Option<Self> {
        let store = environment.store.clone();
        let mut state = State::default();
        if attempt.claim.resumed {
            state.journal = patience::until_stored(attempt, || store.journal(job)).await?;
            state.next_seq = state.journal.values().map(|entry| entry.seq + 1).max().unwrap_or(0);
            state.next_answer =
                state.journal.values().filter_map(|entry| entry.answered).max().map_or(0, |n| n + 1);
            state.pending.log = format!("[attempt {}]\n", attempt.claim.attempt).into_bytes();
        }
        let inner = Arc::new(Inner {
            store,
            id: EntryId::Job(job),
            attempt: attempt.clone(),
            journal_bytes_max: environment.limits.journal_bytes_max,
            log_bytes_max: environment.limits.log_bytes_max,
            tokens_max: environment.limits.tokens_max,
            daily: environment.daily.of(tenant),
            replay: Replay::of(&state.journal, &origin),
            origin,
            state: Mutex::new(state),
            log_order: tokio::sync::Mutex::default(),
            closed: CancellationToken::new(),
        });
        tokio::spawn(flush_until_closed(inner.clone()));
        Some(Self { inner })
    }

    /// How many calls this attempt has made, this one included.
    pub fn count_call(&self) -> u32 {
        let mut state = self.inner.lock();
        state.calls += 1;
        state.calls
    }

    /// Records that a call is about to be dispatched, and counts it, or finds the answer it had before. `aside`: the
    /// tokens a model will need for it, as far as can be told.
    pub async fn begin(
        &self,
        tool: &str,
        arguments: &Map<String, Value>,
        step: Option<u64>,
        aside: u64,
    ) -> Recorded {
        let (key, found) = {
            let mut state = self.inner.lock();
            let key = state.next_key(tool, arguments);
            let found = match state.answered_before(&key, &self.inner.origin) {
                Some(answer) => Ok(answer),
                None if aside > 0 && state.tokens() >= self.inner.tokens_max => {
                    return Recorded::Spent(budget::run_spent(self.inner.tokens_max));
                }
                None => {
                    state.aside += aside;
                    Err(self.inner.new_entry(&mut state, &key, EntryKind::ToolCall, tool, arguments, step))
                }
            };
            (key, found)
        };
        let entry = match found {
            Ok(answer) => {
                self.inner.replay.turn(&key).await;
                return Recorded::Before(answer);
            }
            Err(entry) => entry,
        };
        let mut progress = self.inner.take_steps();
        progress.events.push(("tool_call.started", json!({ "seq": entry.seq, "tool": tool }).to_string()));
        progress.journal.push((key.clone(), to_json(&entry)));
        progress.spending = Spending { tool_calls: 1, set_aside: aside, ..Spending::default() };
        match self.inner.write(&mut progress).await {
            Some(ProgressAnswer::Recorded) => {
                Recorded::Begun(Box::new(Begun { key, entry, aside, clock: tokio::time::Instant::now() }))
            }
            Some(ProgressAnswer::JournalFull) => Recorded::Full,
            Some(ProgressAnswer::DaySpent(spent)) => {
                self.inner.forget(&key, aside, progress);
                Recorded::Spent(budget::day_spent(&spent))
            }
            Some(ProgressAnswer::Cancel | ProgressAnswer::Stale) | None => Recorded::Over,
        }
    }

    /// Records the answer of a call. Only when this is done may the program see it. `false`: it may not.
    pub async fn end(&self, begun: Begun, answer: &Result<Value, String>, cost: Cost) -> Ended {
        let Begun { key, mut entry, aside, clock } = begun;
        entry.ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        entry.input_tokens += cost.input_tokens;
        entry.output_tokens += cost.output_tokens;
        entry.llm_requests += cost.llm_requests;
        entry.provider = cost.provider.map(str::to_owned);
        match answer {
            Ok(value) => (entry.state, entry.answer) = (EntryState::Ok, Some(value.clone())),
            Err(message) => (entry.state, entry.error) = (EntryState::Error, Some(message.clone())),
        }
        let mut progress = self.inner.take_steps();
        let number = self.inner.next_answer();
        entry.answered = Some(number);
        let told = json!({ "seq": entry.seq, "tool": entry.name, "ok": answer.is_ok(), "ms": entry.ms });
        progress.events.push(("tool_call.finished", told.to_string()));
        progress.journal.push((key.clone(), to_json(&entry)));
        progress.spending = Spending {
            input_tokens: cost.input_tokens,
            output_tokens: cost.output_tokens,
            released: aside,
            ..Spending::default()
        };
        {
            let mut state = self.inner.lock();
            state.journal.insert(key, entry);
            state.aside = state.aside.saturating_sub(aside);
        }
        match self.inner.write(&mut progress).await {
            Some(ProgressAnswer::Recorded) => {
                self.inner.replay.turn_of_new(number).await;
                Ended::Recorded
            }
            Some(ProgressAnswer::JournalFull) => Ended::Full,
            Some(ProgressAnswer::Cancel | ProgressAnswer::Stale | ProgressAnswer::DaySpent(_)) | None => {
                Ended::Over
            }
        }
    }

    /// A call that takes its time is so far; told in passing.
    pub fn progressed(&self, seq: u64, progress: &AnalysisProgress) {
        let AnalysisProgress { status, progress, phase } = progress;
        let told = json!({ "seq": seq, "status": status, "progress": progress, "phase": phase }).to_string();
        let mut state = self.inner.lock();
        if state.last_progress.insert(seq, told.clone()).as_ref() != Some(&told) {
            state.pending.events.push(("tool_call.progress", told));
        }
    }

    /// A named step began.
    pub fn step_entered(&self, number: u64, title: &str, parent: Option<u64>) {
        let mut state = self.inner.lock();
        let arguments = Map::from_iter([("title".to_owned(), Value::from(title))]);
        let key = state.next_key("step", &arguments);
        let entry = self.inner.new_entry(&mut state, &key, EntryKind::Step, title, &Map::new(), parent);
        let told = json!({ "seq": entry.seq, "title": title });
        state.pending.events.push(("step.started", told.to_string()));
        state.pending.journal.push((key.clone(), to_json(&entry)));
        state.steps.insert(number, key);
    }

    /// A named step ended.
    pub fn step_left(&self, number: u64, ok: bool) {
        let mut state = self.inner.lock();
        let Some(key) = state.steps.remove(&number) else { return };
        let Some(entry) = state.journal.get_mut(&key) else { return };
        entry.state = if ok { EntryState::Ok } else { EntryState::Error };
        entry.ms = u64::try_from(Timestamp::now().as_millis() - entry.started_ms).unwrap_or(0);
        let (json, told) = (to_json(entry), json!({ "seq": entry.seq, "ok": ok, "ms": entry.ms }));
        state.pending.events.push(("step.finished", told.to_string()));
        state.pending.journal.push((key, json));
    }

    /// The program printed something.
    pub fn printed(&self, chunk: &[u8]) {
        self.inner.lock().pending.log.extend_from_slice(chunk);
    }

    /// Ends the record. `completed`: the program ran to its own end.
    pub async fn close(&self, log_truncated: bool, completed: bool) -> Closed {
        self.inner.closed.cancel();
        let _in_order = self.inner.log_order.lock().await;
        let mut progress = self.inner.take_pending();
        if log_truncated {
            let bytes = self.inner.log_bytes_max;
            let mark = format!("\n[the log was cut here: it reached its limit of {bytes} bytes]\n");
            progress.log.extend_from_slice(mark.as_bytes());
        }
        // The last text travels with the end of the job; steps and events need a write of their own.
        let log = mem::take(&mut progress.log);
        progress.spending.released = mem::take(&mut self.inner.lock().aside); // of calls that were stopped
        if !(progress.events.is_empty() && progress.journal.is_empty()) || progress.spending.released > 0 {
            self.inner.write(&mut progress).await;
        }
        let state = self.inner.lock();
        let calls = state.journal.values().filter(|entry| entry.kind == EntryKind::ToolCall);
        let (mut usage, mut provider) = (Usage::default(), None);
        for entry in calls {
            usage.tool_calls += 1;
            usage.input_tokens += entry.input_tokens;
            usage.output_tokens += entry.output_tokens;
            usage.llm_requests += entry.llm_requests;
            provider = match (provider, entry.provider.as_deref()) {
                (Some("offline"), _) | (_, Some("offline")) => Some("offline"),
                (_, Some("anthropic")) => Some("anthropic"),
                (_, Some("openai_compatible")) => Some("openai_compatible"),
                (known, Some("paradigm")) => known.or(Some("paradigm")),
                (known, _) => known,
            };
        }
        Closed { usage, provider, log, replay: self.inner.replay.report(completed) }
    }
}

/// How recording an answer went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The program may see it.
    Recorded,
    /// The journal is at its limit: the run ends.
    Full,
    /// The attempt is over.
    Over,
}

impl Inner {
    async fn write(&self, progress: &mut Progress) -> Option<ProgressAnswer> {
        progress.number = self.next_write();
        let fence = self.attempt.claim.fence;
        progress.limits = self.daily;
        let progress = &*progress;
        let write = || self.store.progress(self.id, fence, progress, self.journal_bytes_max);
        let answer = patience::until_stored(&self.attempt, write).await;
        match answer {
            Some(ProgressAnswer::Stale) => self.attempt.stop(StopReason::LeaseLost),
            Some(ProgressAnswer::Cancel) => self.attempt.stop(StopReason::Cancelled),
            Some(ProgressAnswer::Recorded | ProgressAnswer::JournalFull | ProgressAnswer::DaySpent(_))
            | None => {}
        }
        answer
    }

    fn next_write(&self) -> u64 {
        let mut state = self.lock();
        state.writes += 1;
        state.writes
    }

    /// A call that was refused was not made: what else was to be written with it waits for the next write.
    fn forget(&self, key: &str, aside: u64, refused: Progress) {
        let mut state = self.lock();
        state.journal.remove(key);
        state.aside = state.aside.saturating_sub(aside);
        let Progress { mut events, mut journal, .. } = refused;
        events.pop();
        journal.pop();
        events.append(&mut state.pending.events);
        journal.append(&mut state.pending.journal);
        (state.pending.events, state.pending.journal) = (events, journal);
    }

    fn next_answer(&self) -> u64 {
        let mut state = self.lock();
        state.next_answer += 1;
        state.next_answer - 1
    }

    fn take_pending(&self) -> Progress {
        self.lock().take_pending()
    }

    /// Everything that waits to be written but printed text.
    fn take_steps(&self) -> Progress {
        let mut state = self.lock();
        let log = mem::take(&mut state.pending.log);
        let steps = mem::take(&mut state.pending);
        state.pending.log = log;
        steps
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn flush_until_closed(inner: Arc<Inner>) {
    loop {
        tokio::select! {
            () = inner.closed.cancelled() => return,
            () = tokio::time::sleep(FLUSH_EVERY) => {}
        }
        let _in_order = inner.log_order.lock().await;
        let mut progress = inner.take_pending();
        if !(progress.log.is_empty() && progress.events.is_empty() && progress.journal.is_empty()) {
            inner.write(&mut progress).await;
        }
    }
}
