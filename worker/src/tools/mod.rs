//! The tools a program may call, on the host's side: checked, budgeted, recorded, dispatched.
//!
//! The program's arguments are untrusted. What it may call, and with what, is the registry the generation prompt
//! is built from; what it may search and read is the tenant's and the job's (`scope`), whatever it asks for. Keys
//! stay in the providers; a message that goes back into the cell never holds one.

mod arguments;
mod dispatch;
mod scope;

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use providers::generation::tools::{Parameter, ParameterKind, TOOLS, ToolKind};
use serde_json::Value;
use shared::{
    job::{ExecuteInput, JobSpec},
    metrics::Counters,
    queue::Attempt,
    trace::{SpanKind, TraceContext},
};
use tokio::{sync::OnceCell, time::Instant};

use crate::{
    budget,
    cell::{
        FailureCode, RunEnd, RunFailure, RunHost, StepEntered, StepLeft, Stream, ToolCall, ToolDeclaration,
        ToolParameter, ToolVerdict,
    },
    environment::Environment,
    recorder::{Cost, Ended, Recorded, Recorder},
};

pub(crate) use self::arguments::{Form, check};
use self::{dispatch::Means, scope::Scope};

/// The functions a cell finds without import: the registry's, as the cell takes them.
pub fn declarations() -> Arc<[ToolDeclaration]> {
    let parameter = |parameter: &Parameter| ToolParameter {
        name: parameter.name.to_owned(),
        keyword_only: parameter.is_keyword_only(),
        default: match parameter.kind {
            _ if parameter.is_required() => None,
            ParameterKind::Flag => Some(Value::Bool(false)),
            _ => Some(Value::Null),
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
    attempt: Attempt,
    deadline: Instant,
    scope: Scope,
    /// Read from the tenant's record by the first call.
    means: OnceCell<Means>,
    trace: TraceContext,
}

impl ToolHost {
    /// For a run that ends at `deadline` at the latest.
    pub fn new(
        environment: Arc<Environment>,
        recorder: Recorder,
        attempt: &Attempt,
        deadline: Instant,
        job: &JobSpec,
        input: &ExecuteInput,
    ) -> Self {
        let scope = Scope::of_job(job.tenant.clone(), &input.file_ids);
        let (attempt, trace) = (attempt.clone(), TraceContext::new_root());
        Self { environment, recorder, attempt, deadline, scope, means: OnceCell::new(), trace }
    }

    /// What its calls are below in a trace.
    #[must_use]
    pub fn traced(self, trace: TraceContext) -> Self {
        Self { trace, ..self }
    }

    /// For operators. The tool is one of the registry's: [`check`] saw to that.
    fn count(&self, tool: &str, ok: bool, took: Duration, cost: Cost) {
        let counters = self.environment.store.counters();
        let outcome = if ok { "ok" } else { "error" };
        counters.count("wf_tool_calls_total", &[("tool", tool), ("outcome", outcome)]);
        counters.observe("wf_tool_call_seconds", &[("tool", tool)], took);
        count_tokens(counters, "chat", cost.input_tokens, cost.output_tokens);
    }

    async fn carry_out(&self, mut call: ToolCall) -> ToolVerdict {
        let tool_calls_max = self.environment.limits.tool_calls_max;
        if self.recorder.count_call() > tool_calls_max {
            return over_budget(format!(
                "The run made more than {tool_calls_max} tool calls (RUN_TOOL_CALLS_MAX)."
            ));
        }
        if let Err(mistake) = check(&call) {
            return ToolVerdict::Fail(mistake);
        }
        call.arguments = arguments::said(call.arguments);
        let aside = tokens_aside(&call);
        let begun = match self.recorder.begin(&call.tool, &call.arguments, call.step, aside).await {
            Recorded::Begun(begun) => *begun,
            Recorded::Before(Ok(answer)) => return ToolVerdict::Answer(answer),
            Recorded::Before(Err(message)) => return ToolVerdict::Fail(message),
            Recorded::Full => return self.journal_full(),
            Recorded::Spent(message) => return over_budget(message),
            Recorded::Over => return ToolVerdict::End(RunEnd::Stopped),
        };
        let (mut traced, clock) =
            (self.environment.tracer.begin(&*call.tool, SpanKind::Client, self.trace), Instant::now());
        let Some((answer, cost)) = self.dispatch(&call.tool, &call.arguments, begun.seq()).await else {
            return ToolVerdict::End(RunEnd::Stopped);
        };
        self.count(&call.tool, answer.is_ok(), clock.elapsed(), cost);
        traced.set("provider", cost.provider.unwrap_or("none"));
        if answer.is_err() {
            traced.fail("the tool answered with an error");
        }
        drop(traced);
        match self.recorder.end(begun, &answer, cost).await {
            Ended::Recorded => match answer {
                Ok(value) => ToolVerdict::Answer(value),
                Err(message) => ToolVerdict::Fail(message),
            },
            Ended::Full => self.journal_full(),
            Ended::Over => ToolVerdict::End(RunEnd::Stopped),
        }
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

/// What a call that a model answers will need, as far as can be told.
fn tokens_aside(call: &ToolCall) -> u64 {
    let prompt = call.arguments.get("prompt").and_then(Value::as_str).unwrap_or_default();
    if call.tool == "chat_completion" { budget::tokens_aside(prompt.len()) } else { 0 }
}

/// Tokens of models, for operators.
pub(crate) fn count_tokens(counters: &Counters, purpose: &str, input: u64, output: u64) {
    for (direction, tokens) in [("input", input), ("output", output)] {
        if let Ok(tokens @ 1..) = u32::try_from(tokens) {
            counters.add("wf_tokens_total", &[("purpose", purpose), ("direction", direction)], tokens.into());
        }
    }
}

fn over_budget(message: String) -> ToolVerdict {
    ToolVerdict::End(RunEnd::Failed(RunFailure {
        code: FailureCode::BudgetExceeded,
        message,
        line: None,
        traceback: None,
    }))
}
