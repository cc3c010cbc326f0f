//! A call's arguments: of the right names, types and lengths, and what they ask for.
//!
//! They are claimed by an untrusted program. What is wrong with a call is told in words for its programmer.

use providers::{
    ChatRequest, Pattern, ReplyFormat, ReplySchema,
    generation::tools::{ParameterKind, TOOLS, ToolKind, ToolSpec},
};
use serde_json::{Map, Value};
use shared::limits;

use crate::cell::ToolCall;

/// What is wrong with a call, in words for its programmer.
pub(crate) fn check(call: &ToolCall) -> Result<(), String> {
    let name = call.tool.as_str();
    let known = TOOLS.iter().find(|tool| tool.name == name && tool.kind == ToolKind::Call);
    let Some(ToolSpec { parameters, .. }) = known else {
        return Err(format!("there is no tool named {name:?}"));
    };
    if let Some(unknown) = call.arguments.keys().find(|key| parameters.iter().all(|p| p.name != key.as_str()))
    {
        return Err(format!("{name}() takes no argument {unknown:?}"));
    }
    for parameter in *parameters {
        let label = parameter.name;
        let value = match call.arguments.get(label) {
            None | Some(Value::Null) if parameter.is_required() => {
                return Err(format!("{name}() needs {label}"));
            }
            None | Some(Value::Null) => continue,
            Some(value) => value,
        };
        let (fits, length) = match (parameter.kind, value) {
            (ParameterKind::Text, Value::String(text)) => (true, text.chars().count()),
            (ParameterKind::Integers, Value::Array(items)) => (items.iter().all(Value::is_i64), items.len()),
            (ParameterKind::Texts, Value::Array(items)) => (items.iter().all(Value::is_string), items.len()),
            (ParameterKind::Flag, Value::Bool(_)) => (true, 0),
            (ParameterKind::Object, Value::Object(fields)) => (true, fields.len()),
            _ => (false, 0),
        };
        if !fits {
            return Err(format!("{name}(): {label} has the wrong type"));
        }
        if parameter.kind == ParameterKind::Text && parameter.is_required() && length == 0 {
            return Err(format!("{name}(): {label} is empty"));
        }
        if length > parameter.length_max {
            return Err(format!("{name}(): {label} is longer than {}", parameter.length_max));
        }
    }
    Ok(())
}

/// The arguments without those that say nothing: `None` and `False` are as good as left out, so that they name the
/// same call in the journal.
pub(super) fn said(arguments: Map<String, Value>) -> Map<String, Value> {
    arguments.into_iter().filter(|(_, value)| !matches!(value, Value::Null | Value::Bool(false))).collect()
}

/// A text that was checked to be there.
pub(super) fn text(arguments: &Map<String, Value>, name: &str) -> String {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Ids, when some were given.
pub(super) fn ids(arguments: &Map<String, Value>, name: &str) -> Option<Vec<i64>> {
    Some(arguments.get(name)?.as_array()?.iter().filter_map(Value::as_i64).collect())
}

/// The form a reply of the model was asked to have.
#[derive(Debug)]
pub(crate) enum Form {
    /// Any text.
    Free,
    /// One of these.
    Choice(Vec<String>),
    /// A match of this.
    Pattern(Box<Pattern>),
    /// JSON that follows this.
    Schema(Box<ReplySchema>),
}

impl Form {
    /// Reads it from a call of `chat_completion`; `Err` says what is wrong.
    pub(crate) fn of(arguments: &Map<String, Value>) -> Result<Self, String> {
        let given = |name: &'static str| Some((name, arguments.get(name).filter(|value| !value.is_null())?));
        let mut forms = ["choices", "regex", "schema"].into_iter().filter_map(given);
        let Some((name, value)) = forms.next() else { return Ok(Self::Free) };
        if forms.next().is_some() {
            return Err("chat_completion() takes at most one of choices, regex and schema".to_owned());
        }
        let form = match value {
            Value::Array(items) => choices(items).map(Self::Choice),
            Value::String(source) => Pattern::new(source).map(|pattern| Self::Pattern(Box::new(pattern))),
            Value::Object(schema) => ReplySchema::new(schema).map(|schema| Self::Schema(Box::new(schema))),
            _ => Err("it has the wrong type".to_owned()),
        };
        form.map_err(|why| format!("chat_completion(): {name}: {why}"))
    }

    /// The request to a model.
    pub(crate) fn request(&self, prompt: String) -> Result<ChatRequest, String> {
        let format = match self {
            Self::Free => ReplyFormat::Text,
            Self::Choice(choices) => ReplyFormat::Choice(choices.clone()),
            Self::Pattern(pattern) => ReplyFormat::Pattern(pattern.as_ref().clone()),
            Self::Schema(schema) => {
                ReplyFormat::Json(schema.to_output().map_err(|_| "the schema is not JSON".to_owned())?)
            }
        };
        Ok(ChatRequest { format, ..ChatRequest::text(prompt, limits::CHAT_OUTPUT_TOKENS_MAX) })
    }

    /// Whether a reply has the form. Providers enforce it where they can; programs rely on it.
    pub(crate) fn admits(&self, reply: &str) -> bool {
        match self {
            Self::Free => true,
            Self::Choice(choices) => choices.iter().any(|choice| choice == reply),
            Self::Pattern(pattern) => pattern.admits(reply),
            Self::Schema(schema) => schema.admits(reply),
        }
    }
}

fn choices(items: &[Value]) -> Result<Vec<String>, String> {
    let choices: Vec<String> = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if choices.is_empty() || choices.iter().any(|choice| choice.trim().is_empty()) {
        return Err("there has to be at least one choice, and none may be empty".to_owned());
    }
    Ok(choices)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(tool: &str, arguments: &Value) -> ToolCall {
        let arguments = arguments.as_object().unwrap().clone();
        ToolCall { id: 1, tool: tool.to_owned(), arguments, step: None }
    }

    #[test]
    fn every_argument_is_checked_by_name_type_and_length() {
        let fine = [
            ("paradigm_search", json!({"query": "a"})),
            (
                "paradigm_search",
                json!({"query": "a", "workspace_ids": [1], "file_ids": null, "vision": true}),
            ),
            ("paradigm_analyze", json!({"query": "a", "document_ids": [1, 2]})),
            ("paradigm_analyze", json!({"query": "a"})),
            ("chat_completion", json!({"prompt": "a", "choices": ["b"]})),
            ("chat_completion", json!({"prompt": "a", "schema": {"type": "object"}})),
        ];
        for (tool, arguments) in fine {
            assert_eq!(check(&call(tool, &arguments)), Ok(()), "{tool} {arguments}");
        }
        let wrong = [
            ("paradigm_search", json!({}), "needs query"),
            ("paradigm_search", json!({"query": ""}), "empty"),
            ("paradigm_search", json!({"query": "a", "file_ids": ["1"]}), "wrong type"),
            ("paradigm_search", json!({"query": "a", "file_ids": 1}), "wrong type"),
            ("paradigm_search", json!({"query": "a", "vision": "yes"}), "wrong type"),
            ("paradigm_search", json!({"query": "a", "company_scope": true}), "no argument"),
            ("paradigm_search", json!({"query": "a", "file_ids": vec![1; 101]}), "longer"),
            ("paradigm_analyze", json!({"query": "a", "document_ids": vec![1; 51]}), "longer"),
            ("chat_completion", json!({"prompt": "a", "choices": [1]}), "wrong type"),
            ("chat_completion", json!({"prompt": "a", "regex": "a".repeat(501)}), "longer"),
            ("shell", json!({}), "no tool"),
        ];
        for (tool, arguments, told) in wrong {
            let mistake = check(&call(tool, &arguments)).unwrap_err();
            assert!(mistake.contains(told), "{tool} {arguments}: {mistake}");
        }
    }

    #[test]
    fn what_says_nothing_does_not_name_another_call() {
        let given = json!({"query": "a", "vision": false, "file_ids": null});
        assert_eq!(Value::Object(said(given.as_object().unwrap().clone())), json!({"query": "a"}));
    }

    #[test]
    fn a_reply_has_one_form_at_most_and_keeps_to_it() {
        let form = |arguments: &Value| Form::of(arguments.as_object().unwrap());
        assert!(form(&json!({"prompt": "a"})).unwrap().admits("anything"));
        let choice = form(&json!({"choices": ["OUI", "NON"], "regex": null})).unwrap();
        assert!(choice.admits("OUI") && !choice.admits("oui"));
        let pattern = form(&json!({"regex": r"\d{3}"})).unwrap();
        assert!(pattern.admits("123") && !pattern.admits("1234"));
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let schema = form(&json!({"schema": schema})).unwrap();
        assert!(schema.admits(r#"{"n":1}"#) && !schema.admits("1"));
        for wrong in [
            json!({"choices": ["a"], "regex": "a"}),
            json!({"choices": []}),
            json!({"choices": [" "]}),
            json!({"regex": "("}),
            json!({"schema": {"type": "array"}}),
        ] {
            assert!(form(&wrong).unwrap_err().starts_with("chat_completion()"), "{wrong}");
        }
    }
}
