//! A generated reply, read strictly: what the schema promises is checked again, because not every provider enforces
//! it, and limits are checked because no schema does. The reasons given here never quote the reply.

use std::collections::HashSet;

use serde::Deserialize;

use super::tools::{ToolKind, tool};
use super::{GeneratedProgram, GenerationOutcome, PlannedStep, Question, SelfTest};
use crate::error::shorten;
use crate::limits::{CODE_BYTES_MAX, REPLY_ITEMS_MAX, SENTENCE_CHARS_MAX, TITLE_CHARS_MAX};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    outcome: Outcome,
    language: String,
    name: String,
    summary: String,
    assumptions: Vec<String>,
    questions: Vec<Question>,
    reason: Option<String>,
    missing_capability: Option<String>,
    steps: Vec<PlannedStep>,
    code: Option<String>,
    self_tests: Vec<SelfTest>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Workflow,
    NeedsClarification,
    Cannot,
}

/// Reads a reply; `Err` says what is wrong with it.
pub(super) fn read(text: &str) -> Result<GenerationOutcome, String> {
    let reply: Reply = serde_json::from_str(text).map_err(|error| {
        format!("it does not follow the schema (line {}, column {})", error.line(), error.column())
    })?;
    let lists = [reply.assumptions.len(), reply.questions.len(), reply.steps.len(), reply.self_tests.len()];
    if lists.into_iter().any(|length| length > REPLY_ITEMS_MAX) {
        return Err(format!("a list in it has more than {REPLY_ITEMS_MAX} items"));
    }
    match reply.outcome {
        Outcome::Workflow => program(reply).map(GenerationOutcome::Program),
        Outcome::NeedsClarification => questions(&reply.questions).map(GenerationOutcome::Questions),
        Outcome::Cannot => {
            let reason = reply.reason.map(|reason| shorten(&reason, SENTENCE_CHARS_MAX));
            let missing = reply.missing_capability.map(|missing| shorten(&missing, TITLE_CHARS_MAX));
            Ok(GenerationOutcome::Cannot {
                reason: reason.filter(|reason| !reason.is_empty()).ok_or("it gives no reason")?,
                missing_capability: missing.filter(|missing| !missing.is_empty()),
            })
        }
    }
}

fn program(reply: Reply) -> Result<GeneratedProgram, String> {
    let code = reply.code.filter(|code| !code.trim().is_empty()).ok_or("it holds no program")?;
    if code.len() > CODE_BYTES_MAX {
        return Err(format!("its program is longer than {} KiB", CODE_BYTES_MAX >> 10));
    }
    let mut ids = HashSet::new();
    for step in &reply.steps {
        if step.title.trim().is_empty() || step.title.chars().count() > TITLE_CHARS_MAX {
            return Err("a step has no usable title".to_owned());
        }
        if !ids.insert(&step.id) {
            return Err("two steps have the same id".to_owned());
        }
        if !step.tools.iter().all(|name| is_callable(name)) {
            return Err("a step names a tool that does not exist".to_owned());
        }
    }
    let mut replies = reply.self_tests.iter().flat_map(|test| &test.tool_replies);
    if !replies.all(|reply| is_callable(&reply.tool)) {
        return Err("a self-test names a tool that does not exist".to_owned());
    }
    let name = shorten(&reply.name, TITLE_CHARS_MAX);
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    let language = reply.language.trim().to_ascii_lowercase();
    let is_code = !language.is_empty() && language.len() <= 16;
    if !is_code || !language.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err("its language is not a language code".to_owned());
    }
    Ok(GeneratedProgram {
        name,
        summary: shorten(&reply.summary, SENTENCE_CHARS_MAX),
        language,
        assumptions: reply.assumptions.iter().map(|text| shorten(text, SENTENCE_CHARS_MAX)).collect(),
        steps: reply.steps,
        code,
        self_tests: reply.self_tests,
    })
}

fn is_callable(name: &str) -> bool {
    tool(name).is_some_and(|tool| tool.kind == ToolKind::Call)
}

fn questions(questions: &[Question]) -> Result<Vec<Question>, String> {
    if questions.is_empty() {
        return Err("it asks no question".to_owned());
    }
    let mut ids = HashSet::new();
    let mut asked = Vec::with_capacity(questions.len());
    for question in questions {
        let text = shorten(&question.text, SENTENCE_CHARS_MAX);
        if text.is_empty() || question.id.is_empty() || question.id.chars().count() > TITLE_CHARS_MAX {
            return Err("a question is empty".to_owned());
        }
        if !ids.insert(&question.id) {
            return Err("two questions have the same id".to_owned());
        }
        asked.push(Question { id: question.id.clone(), text });
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reply(changes: &[(&str, Value)]) -> String {
        let mut reply = json!({
            "outcome": "workflow", "language": "en", "name": "N", "summary": "S", "assumptions": ["a"],
            "questions": [], "reason": null, "missing_capability": null,
            "steps": [{"id": "s1", "title": "T", "tools": ["paradigm_search"]}],
            "code": "async def execute_workflow(user_input: str) -> str:\n    return user_input\n",
            "self_tests": [{"input": "x", "tool_replies": [], "must_contain": ["x"]}],
        });
        for (key, value) in changes {
            reply[*key] = value.clone();
        }
        reply.to_string()
    }

    #[test]
    fn a_complete_reply_is_a_program() {
        let GenerationOutcome::Program(program) = read(&reply(&[])).unwrap() else { panic!("no program") };
        assert_eq!((program.name.as_str(), program.steps.len(), program.self_tests.len()), ("N", 1, 1));
    }

    #[test]
    fn questions_and_refusals_need_their_own_fields_only() {
        let asked = read(&reply(&[
            ("outcome", json!("needs_clarification")),
            ("code", Value::Null),
            ("questions", json!([{"id": "q1", "text": "Which?"}])),
        ]));
        assert_eq!(
            asked,
            Ok(GenerationOutcome::Questions(vec![Question { id: "q1".into(), text: "Which?".into() }]))
        );
        let refused = read(&reply(&[
            ("outcome", json!("cannot")),
            ("code", Value::Null),
            ("reason", json!("No e-mail here.")),
            ("missing_capability", json!("e-mail")),
        ]));
        assert_eq!(
            refused,
            Ok(GenerationOutcome::Cannot {
                reason: "No e-mail here.".into(),
                missing_capability: Some("e-mail".into())
            })
        );
    }

    #[test]
    fn whatever_the_schema_or_the_limits_forbid_is_refused_without_quoting_it() {
        let step = |id: &str, tool: &str| json!({"id": id, "title": "T", "tools": [tool]});
        let broken = [
            "not json, SECRET".to_owned(),
            reply(&[("surprise", json!("SECRET"))]),
            reply(&[("outcome", json!("SECRET"))]),
            reply(&[("code", Value::Null)]),
            reply(&[("code", json!("  \n"))]),
            reply(&[("code", json!("#".repeat(CODE_BYTES_MAX + 1)))]),
            reply(&[("name", json!(""))]),
            reply(&[("language", json!("SECRET language"))]),
            reply(&[("steps", json!([step("s1", "SECRET")]))]),
            reply(&[("steps", json!([step("s1", "step")]))]),
            reply(&[("steps", json!([step("s1", "paradigm_search"), step("s1", "paradigm_search")]))]),
            reply(&[("assumptions", json!(vec!["SECRET"; REPLY_ITEMS_MAX + 1]))]),
            reply(&[("outcome", json!("needs_clarification"))]),
            reply(&[("outcome", json!("cannot"))]),
        ];
        for text in broken {
            let reason = read(&text).unwrap_err();
            assert!(!reason.contains("SECRET"), "{reason}");
        }
    }
}
