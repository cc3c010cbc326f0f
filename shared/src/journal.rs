//! What a run did, as it is recorded: tool calls and named steps.
//!
//! A tool call is written as `started` before it is dispatched and with its answer before the program sees it,
//! under a key that does not depend on order; so a later attempt finds it however its calls interleave.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::time::Timestamp;

/// Whether an entry is a tool call or a stretch of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A call to a tool.
    ToolCall,
    /// `with step("..."):`.
    Step,
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// Begun. After a crash: it is not known whether it was carried out.
    Started,
    /// Ended well.
    Ok,
    /// Ended with a `ToolError`, or the step raised.
    Error,
}

/// What an entry was recorded under, as short digests: it answers for another attempt only as far as these agree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Of the program and its input.
    pub run: String,
    /// Of the tool, as the build that called it had it; empty for a step.
    pub tool: String,
}

/// One entry of a job's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the order in which things began.
    pub seq: u64,
    /// Tool call or step.
    pub kind: EntryKind,
    /// The tool, or the step's title.
    pub name: String,
    /// The call's arguments.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
    /// `seq` of the step it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// How far it is.
    pub state: EntryState,
    /// What the tool answered. Kept for replay, not shown in the list of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// The `ToolError`'s message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: i64,
    /// Its place in the order in which answers came; a later attempt gets them in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub ms: u64,
    /// Tokens sent to a model for it.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens received from a model for it.
    #[serde(default)]
    pub output_tokens: u64,
    /// Requests made to a model for it.
    #[serde(default)]
    pub llm_requests: u64,
    /// Which provider answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The attempt that made the call.
    pub attempt: u32,
    /// What it was recorded under; empty in records of builds that did not note it.
    #[serde(default)]
    pub origin: Origin,
    /// A later attempt was answered from this entry.
    #[serde(default)]
    pub replayed: bool,
}

/// A short name of this text, the same in every build.
pub fn short_digest(text: &str) -> String {
    let mut hex = format!("{:x}", Sha256::digest(text));
    hex.truncate(32); // 128 bits: nobody finds two texts of one name by chance
    hex
}

/// The key of a call: tool, arguments, and how often the same call was made before in this attempt. The same
/// prompt sent three times is three entries.
pub fn call_key(tool: &str, arguments: &Map<String, Value>, occurrence: u32) -> String {
    let canonical = Value::Object(arguments.clone()).to_string(); // serde_json's map keeps keys sorted
    format!("{tool}:{}:{occurrence}", short_digest(&canonical))
}

/// A tool call or named step as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// Its place in the order in which things began.
    pub seq: u64,
    /// Tool call or step.
    pub kind: EntryKind,
    /// The tool called; null for a step.
    pub tool: Option<String>,
    /// The step's title; null for a tool call.
    pub title: Option<String>,
    /// The call's arguments.
    #[schema(value_type = Object)]
    pub arguments: Map<String, Value>,
    /// `seq` of the step it happened in.
    pub parent: Option<u64>,
    /// How far it is.
    pub state: EntryState,
    /// The `ToolError`'s message.
    pub error: Option<String>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Tokens sent to a model for it.
    pub input_tokens: u64,
    /// Tokens received from a model for it.
    pub output_tokens: u64,
    /// Which provider answered.
    pub provider: Option<String>,
    /// The attempt that made the call.
    pub attempt: u32,
    /// A later attempt was answered from this entry, without a new call.
    pub replayed: bool,
}

impl From<Entry> for StepView {
    fn from(entry: Entry) -> Self {
        let (tool, title) = match entry.kind {
            EntryKind::ToolCall => (Some(entry.name), None),
            EntryKind::Step => (None, Some(entry.name)),
        };
        Self {
            seq: entry.seq,
            kind: entry.kind,
            tool,
            title,
            arguments: entry.arguments,
            parent: entry.parent,
            state: entry.state,
            error: entry.error,
            started_at: Timestamp::from_millis(entry.started_ms),
            ms: entry.ms,
            input_tokens: entry.input_tokens,
            output_tokens: entry.output_tokens,
            provider: entry.provider,
            attempt: entry.attempt,
            replayed: entry.replayed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_key_depends_on_tool_arguments_and_occurrence_only() {
        let one = serde_json::from_str(r#"{"a":1,"b":"x"}"#).unwrap();
        let same = serde_json::from_str(r#"{"b":"x","a":1}"#).unwrap();
        let other = serde_json::from_str(r#"{"a":2,"b":"x"}"#).unwrap();
        assert_eq!(call_key("t", &one, 0), call_key("t", &same, 0));
        assert_ne!(call_key("t", &one, 0), call_key("t", &other, 0));
        assert_ne!(call_key("t", &one, 0), call_key("t", &one, 1));
        assert_ne!(call_key("t", &one, 0), call_key("u", &one, 0));
    }
}
