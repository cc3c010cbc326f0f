//! The tools a program may call, on the host's side: checked, budgeted, recorded, dispatched.
//!
//! The program's arguments are untrusted. What it may call, and with what, is the registry the generation prompt
//! is built from. Keys stay in the providers; a message that goes back into the cell never holds one.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::BoxFuture};
use providers::{
    CallContext, ChatRequest, ProviderError, SearchRequest,
    generation::tools::{Parameter, ParameterKind, TOOLS, ToolKind, ToolSpec},
};
use serde_json::{Map, Value};
use shared::{job::ExecuteInput, limits};
use tokio::time::Instant;

use crate::{
    cell::{
        FailureCode, RunEnd, RunFailure, RunHost, StepEntered, StepLeft, Stream, ToolCall, ToolDeclaration,
        ToolParameter, ToolVerdict,
    },
    environment::Environment,
    recorder::{Cost, Ended, Recorded, Recorder},
};

/// The functions a cell finds without import: the registry's, as the cell takes them.
pub fn declarations() -> Arc<[ToolDeclaration]> {
    let parameter = |parameter: &Parameter| ToolParameter {
        name: parameter.name.to_owned(),
        keyword_only: !parameter.required,
        default: match (parameter.required, parameter.kind) {
            (true, _) => None,
            (false, ParameterKind::Flag) => Some(Value::Bool(false)),
            (false, _) => Some(Value::Null),
        },
    };
    let called = TOOLS.iter().filter(|tool| tool.kind == ToolKind::Call);
    called
        .map(|tool| ToolDeclaration {
            name: tool.name.to_owned(),
            parameters: tool.parameters.iter().map(parameter).collect(),
        })
        .collect()
}

/// The tools as one run sees them.
pub struct ToolHost {
    environment: Arc<Environment>,
    recorder: Recorder,
    deadline: Instant,
    file_ids: Option<Vec<i64>>,
}

impl ToolHost {
    /// For a run that ends at `deadline` at the latest.
    pub fn new(
        environment: Arc<Environment>,
        recorder: Recorder,
        deadline: Instant,
        input: &ExecuteInput,
    ) -> Self {
        let ids: Vec<i64> = input.file_ids.iter().filter_map(|id| id.parse().ok()).collect();
        let file_ids = (!input.file_ids.is_empty()).then_some(ids);
        Self { environment, recorder, deadline, file_ids }
    }

    async fn carry_out(&self, call: ToolCall) -> ToolVerdict {
        let tool_calls_max = self.environment.limits.tool_calls_max;
        if self.recorder.count_call() > tool_calls_max {
            return over_budget(format!(
                "The run made more than {tool_calls_max} tool calls (RUN_TOOL_CALLS_MAX)."
            ));
        }
        if let Err(mistake) = check(&call) {
            return ToolVerdict::Fail(mistake);
        }
        let begun = match self.recorder.begin(&call.tool, &call.arguments, call.step).await {
            Recorded::Begun(begun) => *begun,
            Recorded::Before(Ok(answer)) => return ToolVerdict::Answer(answer),
            Recorded::Before(Err(message)) => return ToolVerdict::Fail(message),
            Recorded::Full => return self.journal_full(),
            Recorded::Over => return ToolVerdict::End(RunEnd::Stopped),
        };
        let (answer, cost) = self.dispatch(&call.tool, &call.arguments).await;
        match self.recorder.end(begun, &answer, cost).await {
            Ended::Recorded => match answer {
                Ok(value) => ToolVerdict::Answer(value),
                Err(message) => ToolVerdict::Fail(message),
            },
            Ended::Full => self.journal_full(),
            Ended::Over => ToolVerdict::End(RunEnd::Stopped),
        }
    }

    async fn dispatch(&self, tool: &str, arguments: &Map<String, Value>) -> (Result<Value, String>, Cost) {
        let cx = CallContext::until(self.deadline);
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let told = |error: ProviderError| error.to_string();
        let (answer, provider) = match tool {
            "paradigm_search" => {
                let search = &self.environment.search;
                let request =
                    SearchRequest { file_ids: self.file_ids.clone(), ..SearchRequest::new(text("query")) };
                (
                    search.search(&request, &cx).await.map(|found| found.answer).map_err(told),
                    Some(search.provider()),
                )
            }
            "chat_completion" => {
                let chat = &self.environment.chat;
                let request = ChatRequest::text(text("prompt"), limits::CHAT_OUTPUT_TOKENS_MAX);
                (
                    chat.complete(&request, &cx).await.map(|reply| reply.text).map_err(told),
                    Some(chat.provider()),
                )
            }
            other => (Err(format!("{other} cannot be called in this installation")), None),
        };
        let spent = cx.meter.spent();
        let is_model = tool == "chat_completion";
        let cost = Cost {
            input_tokens: spent.usage.input_tokens_total(),
            output_tokens: spent.usage.output_tokens,
            llm_requests: if is_model { u64::from(spent.requests) } else { 0 },
            provider,
        };
        (answer.map(|text| bounded(&text)), cost)
    }

    fn journal_full(&self) -> ToolVerdict {
        let bytes = self.environment.limits.journal_bytes_max;
        over_budget(format!(
            "The run's tool calls and answers are larger than {bytes} bytes (JOURNAL_BYTES_MAX)."
        ))
    }
}

impl RunHost for ToolHost {
    fn call_tool(&self, call: ToolCall) -> BoxFuture<'_, ToolVerdict> {
        self.carry_out(call).boxed()
    }

    fn step_entered(&self, step: StepEntered) {
        self.recorder.step_entered(step.id, &step.title, step.parent);
    }

    fn step_left(&self, step: StepLeft) {
        self.recorder.step_left(step.id, step.ok);
    }

    fn printed(&self, _: Stream, chunk: &[u8]) {
        self.recorder.printed(chunk);
    }
}

/// Longer answers are cut where the next character would not fit.
fn bounded(text: &str) -> Value {
    let mut end = text.len().min(limits::TOOL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Value::from(&text[..end])
}

fn over_budget(message: String) -> ToolVerdict {
    ToolVerdict::End(RunEnd::Failed(RunFailure {
        code: FailureCode::BudgetExceeded,
        message,
        line: None,
        traceback: None,
    }))
}

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
            None | Some(Value::Null) if parameter.required => return Err(format!("{name}() needs {label}")),
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
        if parameter.kind == ParameterKind::Text && parameter.required && length == 0 {
            return Err(format!("{name}(): {label} is empty"));
        }
        if length > parameter.length_max {
            return Err(format!("{name}(): {label} is longer than {}", parameter.length_max));
        }
    }
    Ok(())
}
