//! `POST /api/v2/chat/image-analysis`: a question to pictures and scans among the documents.

use serde::{Deserialize, Serialize};

use super::{PROVIDER, Paradigm, ParadigmConfig};
use crate::analysis::AnalysisRequest;
use crate::context::CallContext;
use crate::error::{ConfigError, ProviderError};
use crate::http::Transport;
use crate::limits::ANALYSIS_IMAGES_MAX;

/// Image analysis of an installation.
#[derive(Debug, Clone)]
pub struct ParadigmImages(Paradigm);

#[derive(Debug, Serialize)]
struct Body<'a> {
    query: &'a str,
    document_ids: &'a [i64],
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    answer: String,
}

impl ParadigmImages {
    /// A client; nothing is sent yet. Clients of one installation share one `transport`.
    pub fn new(config: ParadigmConfig, transport: Transport) -> Result<Self, ConfigError> {
        Paradigm::new(config, transport).map(Self)
    }

    /// Asks about one to five pictures and waits for the answer, at most until the deadline of `cx`.
    pub async fn analyze(
        &self,
        request: &AnalysisRequest,
        cx: &CallContext,
    ) -> Result<String, ProviderError> {
        let images = request.document_ids.len();
        if images == 0 || images > ANALYSIS_IMAGES_MAX {
            let message = format!("one to {ANALYSIS_IMAGES_MAX} images can be analysed at a time");
            return Err(ProviderError::Rejected { provider: PROVIDER, status: 403, message });
        }
        let model = self.0.model.as_deref();
        let body = Body { query: &request.query, document_ids: &request.document_ids, model };
        let reply = self.0.ask::<Reply>("/api/v2/chat/image-analysis", &body, &request.query, cx).await?;
        Ok(reply.value.answer)
    }
}
