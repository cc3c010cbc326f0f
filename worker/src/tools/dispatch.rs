//! A checked call is carried out: with the tenant's means, within the job's scope.

use std::sync::Arc;

use providers::{AnalysisProgress, AnalysisRequest, CallContext, ProviderError, SearchRequest};
use serde_json::{Map, Value};
use shared::limits;

use super::{
    Form, ToolHost,
    arguments::{ids, text},
    scope::{self, Denied},
};
use crate::{outside::Clients, patience, recorder::Cost};

/// What a tenant's runs are carried out with.
pub(super) struct Means {
    /// Its own clients, or the operator's.
    clients: Arc<Clients>,
    /// The workspaces it may search; none for all its key sees.
    workspaces: Option<Vec<i64>>,
}

/// Why a call gave nothing.
enum Failure {
    /// The program is told.
    Told(String),
    /// The attempt is over: nothing counts any more.
    Over,
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Told(error.to_string())
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Nothing(why) => Self::Told(why.to_owned()),
            Denied::Over => Self::Over,
        }
    }
}

impl ToolHost {
    /// The answer of a call and what it cost. `None`: the attempt is over.
    pub(super) async fn dispatch(
        &self,
        tool: &str,
        arguments: &Map<String, Value>,
        seq: u64,
    ) -> Option<(Result<Value, String>, Cost)> {
        let means = match self.means.get_or_try_init(|| self.find_means()).await {
            Ok(means) => means,
            Err(Failure::Told(why)) => return Some((Err(why), Cost::default())),
            Err(Failure::Over) => return None,
        };
        let Clients { search, analysis, chat, .. } = means.clients.as_ref();
        let cx = CallContext::until(self.deadline);
        let (answer, provider) = match tool {
            "paradigm_search" => (self.search(means, arguments, &cx).await, Some(search.provider())),
            "paradigm_analyze" => (self.analyze(means, arguments, seq, &cx).await, Some(analysis.provider())),
            "chat_completion" => (complete(means, arguments, &cx).await, Some(chat.provider())),
            other => (Err(Failure::Told(format!("{other} cannot be called in this installation"))), None),
        };
        let answer = match answer {
            Ok(text) => Ok(bounded(&text)),
            Err(Failure::Told(why)) => Err(why),
            Err(Failure::Over) => return None,
        };
        let spent = cx.meter.spent();
        let is_model = tool == "chat_completion";
        let cost = Cost {
            input_tokens: spent.usage.input_tokens_total(),
            output_tokens: spent.usage.output_tokens,
            llm_requests: if is_model { u64::from(spent.requests) } else { 0 },
            provider,
        };
        Some((answer, cost))
    }

    async fn find_means(&self) -> Result<Means, Failure> {
        let environment = &self.environment;
        let read = || environment.store.tenant(self.scope.tenant());
        let tenant = patience::until_stored(&self.attempt, read).await.ok_or(Failure::Over)?;
        let clients = environment.outside.clients_of(&tenant, &environment.sealer);
        let clients = clients.map_err(|error| Failure::Told(error.to_string()))?;
        Ok(Means { clients, workspaces: tenant.workspaces })
    }

    async fn search(
        &self,
        means: &Means,
        arguments: &Map<String, Value>,
        cx: &CallContext,
    ) -> Result<String, Failure> {
        let files = ids(arguments, "file_ids");
        let file_ids = self.scope.files(&self.environment.store, &self.attempt, files).await?;
        let workspaces = ids(arguments, "workspace_ids");
        let workspace_ids = scope::workspaces(means.workspaces.as_deref(), workspaces, file_ids.is_some())?;
        let vision = arguments.get("vision") == Some(&Value::Bool(true));
        let request = SearchRequest { query: text(arguments, "query"), workspace_ids, file_ids, vision };
        Ok(means.clients.search.search(&request, cx).await?.answer)
    }

    async fn analyze(
        &self,
        means: &Means,
        arguments: &Map<String, Value>,
        seq: u64,
        cx: &CallContext,
    ) -> Result<String, Failure> {
        let asked = ids(arguments, "document_ids");
        let document_ids = self.scope.documents(&self.environment.store, &self.attempt, asked).await?;
        let request = AnalysisRequest { query: text(arguments, "query"), document_ids };
        let progress = |progress: AnalysisProgress| self.recorder.progressed(seq, &progress);
        Ok(means.clients.analysis.analyze(&request, &progress, cx).await?.answer)
    }
}

async fn complete(
    means: &Means,
    arguments: &Map<String, Value>,
    cx: &CallContext,
) -> Result<String, Failure> {
    let form = Form::of(arguments).map_err(Failure::Told)?;
    let request = form.request(text(arguments, "prompt")).map_err(Failure::Told)?;
    let reply = means.clients.chat.complete(&request, cx).await?.text;
    if form.admits(&reply) {
        return Ok(reply);
    }
    Err(Failure::Told("the model's reply does not have the form it was asked for".to_owned()))
}

/// Longer answers are cut where the next character would not fit.
fn bounded(text: &str) -> Value {
    let mut end = text.len().min(limits::TOOL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Value::from(&text[..end])
}
