//! LightOn's Paradigm: the installation of a company's documents (`/api/v2`, hosted or on premises), and the newer
//! `/api/v3/ask`. Both answer questions; which one is asked is configuration.

mod analysis;
mod ask;
mod document_search;
mod files;

use secrecy::SecretString;
use url::Url;

pub use self::analysis::{AnalysisAnswer, AnalysisProgress, AnalysisRequest, ParadigmAnalysis};
pub use self::ask::LightonAsk;
pub use self::document_search::ParadigmV2;
pub use self::files::{FileStatus, ParadigmFiles, StoredFile, Upload};

use crate::error::ProviderError;
use crate::limits::{EXTRACT_CHARS_MAX, EXTRACTS_PER_SOURCE_MAX, SOURCES_MAX};
use crate::search::{Extract, SearchRequest, Source};

/// The name of this provider.
pub const PROVIDER: &str = "paradigm";

/// What a client is built from.
#[derive(Debug, Clone)]
pub struct ParadigmConfig {
    /// `https://paradigm.lighton.ai`, `https://api.lighton.ai`, or an installation of one's own.
    pub base_url: Url,
    /// Sent as a bearer token.
    pub api_key: SecretString,
    /// `None` leaves it to the installation.
    pub model: Option<String>,
}

/// A scope that allows nothing must not be sent: an empty list means "everything" to some servers.
fn check_scope(request: &SearchRequest) -> Result<(), ProviderError> {
    let is_empty = |ids: &Option<Vec<i64>>| ids.as_ref().is_some_and(Vec::is_empty);
    if is_empty(&request.workspace_ids) || is_empty(&request.file_ids) {
        return Err(ProviderError::Rejected {
            provider: PROVIDER,
            status: 403,
            message: "no workspace or file is left that may be searched".to_owned(),
        });
    }
    Ok(())
}

/// Cuts sources down to what is kept of them.
fn bounded(sources: impl Iterator<Item = Source>) -> Vec<Source> {
    let cut = |extract: Extract| Extract {
        text: extract.text.chars().take(EXTRACT_CHARS_MAX).collect(),
        pages: extract.pages,
    };
    sources
        .take(SOURCES_MAX)
        .map(|source| Source {
            extracts: source.extracts.into_iter().take(EXTRACTS_PER_SOURCE_MAX).map(cut).collect(),
            ..source
        })
        .collect()
}

/// An identifier or page reference that some versions send as a number and some as text.
fn plain(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(plain).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        _ => None,
    }
}
