//! The one place where prompts are written. The system prompt is the same for every description, so that providers
//! can cache it; what changes comes last, in the user's turn.
//!
//! Only the description, its owner's answers and feedback, and findings about a program reach this prompt; never
//! what a tool returned in a real run.

use std::fmt::Write as _;

use super::schema::REPLY_SCHEMA;
use super::tools;
use super::{GenerationRequest, PreviousAttempt};
use crate::chat::{ChatRequest, SystemBlock};
use crate::format::{OutputSchema, ReplyFormat};
use crate::limits::GENERATION_OUTPUT_TOKENS;

/// Goes up with every change of the prompt, the schema or the tools (a golden test reminds): it is stored with every
/// generated version, and cached programs of another version are not reused.
pub const PROMPT_VERSION: u32 = 2;

const TEMPLATE: &str = include_str!("prompt.md");

/// The system prompt, tools filled in.
pub fn system_prompt() -> String {
    TEMPLATE.replace("{{STUBS}}", tools::stubs().trim_end())
}

/// The whole request for one generation.
pub(super) fn chat_request(request: &GenerationRequest) -> Result<ChatRequest, serde_json::Error> {
    Ok(ChatRequest {
        system: vec![SystemBlock { text: system_prompt(), cache: true }],
        user: user_turn(request),
        format: ReplyFormat::Json(OutputSchema::from_text(REPLY_SCHEMA)?),
        max_tokens: GENERATION_OUTPUT_TOKENS,
    })
}

/// The user's turn: each part in marks of its own.
pub(super) fn user_turn(request: &GenerationRequest) -> String {
    let mut turn = String::new();
    section(&mut turn, "description", &request.description);
    if !request.answers.is_empty() {
        let answers: Vec<String> = request
            .answers
            .iter()
            .map(|given| format!("Q: {}\nA: {}", given.question, given.answer))
            .collect();
        section(&mut turn, "answers", &answers.join("\n\n"));
    }
    if let Some(feedback) = &request.feedback {
        section(&mut turn, "feedback", feedback);
    }
    if let Some(PreviousAttempt { code, findings }) = &request.previous {
        section(&mut turn, "previous_program", code);
        let numbered: Vec<String> =
            findings.iter().enumerate().map(|(n, finding)| format!("{}. {finding}", n + 1)).collect();
        if !numbered.is_empty() {
            section(&mut turn, "findings", &numbered.join("\n"));
        }
    }
    turn.truncate(turn.trim_end().len());
    turn
}

fn section(turn: &mut String, name: &str, body: &str) {
    // Writing to a String cannot fail.
    let _ = write!(turn, "<{name}>\n{}\n</{name}>\n\n", body.trim_end());
}
