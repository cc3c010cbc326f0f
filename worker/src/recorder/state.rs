//! What an attempt knows of its job's record: the journal as it stands, and what waits to be written.

use std::{collections::HashMap, mem};

use serde_json::{Map, Value, json};
use shared::{
    journal::{Entry, EntryKind, EntryState, Origin, call_key},
    store::Progress,
    time::Timestamp,
};

use super::Inner;
use crate::origin::RunOrigin;

/// 100 events of printed text, of the 1,000 a job may have: tool calls and steps want theirs.
const PRINTED_EVENTS_MAX: usize = 100;
/// 1 KiB of text in each of them, a screenful: the log has all of it.
const PRINTED_BYTES_MAX: usize = 1 << 10;

#[derive(Default)]
pub(super) struct State {
    /// Everything recorded for the job, by earlier attempts too.
    pub(super) journal: HashMap<String, Entry>,
    /// How often each call was made in this attempt.
    pub(super) occurrences: HashMap<String, u32>,
    /// Open steps: the program's number, and the key in the journal.
    pub(super) steps: HashMap<u64, String>,
    /// What was told last of the progress of calls, so that only news is told.
    pub(super) last_progress: HashMap<u64, String>,
    pub(super) next_seq: u64,
    pub(super) next_answer: u64,
    pub(super) writes: u64,
    pub(super) calls: u32,
    /// Tokens set aside for calls under way.
    pub(super) aside: u64,
    pub(super) pending: Progress,
    /// How many events told of printed text.
    printed_events: usize,
}

impl State {
    /// Everything that waits to be written, and an event for the printed text among it. `cut` in that: the log has more.
    pub(super) fn take_pending(&mut self) -> Progress {
        let mut progress = mem::take(&mut self.pending);
        if !progress.log.is_empty() && self.printed_events < PRINTED_EVENTS_MAX {
            self.printed_events += 1;
            let told = &progress.log[..progress.log.len().min(PRINTED_BYTES_MAX)];
            let cut = told.len() < progress.log.len() || self.printed_events == PRINTED_EVENTS_MAX;
            let event = json!({ "text": String::from_utf8_lossy(told), "cut": cut });
            progress.events.push(("log", event.to_string()));
        }
        progress
    }

    pub(super) fn next_key(&mut self, tool: &str, arguments: &Map<String, Value>) -> String {
        let count = self.occurrences.entry(call_key(tool, arguments, 0)).or_insert(0);
        let key = call_key(tool, arguments, *count);
        *count += 1;
        key
    }

    /// Tokens of all attempts, and those set aside.
    pub(super) fn tokens(&self) -> u64 {
        let spent = self.journal.values().map(|entry| entry.input_tokens + entry.output_tokens);
        spent.sum::<u64>() + self.aside
    }

    pub(super) fn answered_before(&mut self, key: &str, origin: &RunOrigin) -> Option<Result<Value, String>> {
        let entry = self.journal.get_mut(key).filter(|entry| origin.may_answer(entry))?;
        let answer = match entry.state {
            EntryState::Started => return None,
            EntryState::Ok => Ok(entry.answer.clone().unwrap_or_default()),
            EntryState::Error => Err(entry.error.clone().unwrap_or_default()),
        };
        entry.replayed = true;
        let json = to_json(entry);
        self.pending.journal.push((key.to_owned(), json));
        Some(answer)
    }
}

impl Inner {
    /// A call or step that begins now, at its place in the journal.
    pub(super) fn new_entry(
        &self,
        state: &mut State,
        key: &str,
        kind: EntryKind,
        name: &str,
        arguments: &Map<String, Value>,
        step: Option<u64>,
    ) -> Entry {
        let parent =
            step.and_then(|number| state.journal.get(state.steps.get(&number)?)).map(|entry| entry.seq);
        let before = state.journal.get(key);
        let seq = before.map_or(state.next_seq, |entry| entry.seq);
        // What another build's tool answered is asked anew, and was paid all the same.
        let (input_tokens, output_tokens, llm_requests) =
            before.map_or((0, 0, 0), |entry| (entry.input_tokens, entry.output_tokens, entry.llm_requests));
        state.next_seq += u64::from(before.is_none());
        let entry = Entry {
            seq,
            kind,
            name: name.to_owned(),
            arguments: arguments.clone(),
            parent,
            state: EntryState::Started,
            answer: None,
            error: None,
            started_ms: Timestamp::now().as_millis(),
            answered: None,
            ms: 0,
            input_tokens,
            output_tokens,
            llm_requests,
            provider: None,
            attempt: self.attempt.claim.attempt,
            origin: match kind {
                EntryKind::ToolCall => self.origin.of_entry(name),
                EntryKind::Step => Origin::default(),
            },
            replayed: false,
        };
        state.journal.insert(key.to_owned(), entry.clone());
        entry
    }
}

pub(super) fn to_json(entry: &Entry) -> String {
    serde_json::to_string(entry).expect("plain data serialises")
}
