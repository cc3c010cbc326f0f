//! `/api/v2/files`: documents of one's own, uploaded through. Nothing of their content is kept here: an upload is a
//! stream from the caller to the provider.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::chunks::{Chunk, WireChunks};
use super::{PROVIDER, Paradigm, ParadigmConfig, Polling};
use crate::context::CallContext;
use crate::error::{ConfigError, ProviderError};
use crate::http::{Patience, Transport};
use crate::limits::{FRESH_NOT_FOUND_MAX, POLL_INTERVAL, POLL_REQUEST_TIMEOUT, UPLOAD_TIMEOUT};

const PATH: &str = "/api/v2/files";

/// A document on its way.
pub struct Upload {
    /// Its name, with the ending that tells its type.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// Its length, when it is known; then the stream has to keep to it.
    pub length_bytes: Option<u64>,
    /// Its content.
    pub content: BoxStream<'static, Result<Bytes, std::io::Error>>,
}

/// What became of an uploaded document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// Being read and indexed.
    Processing,
    /// Can be searched.
    Ready,
    /// Could not be read or indexed.
    Failed,
}

/// A document at the provider's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The provider's id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its size.
    pub length_bytes: u64,
    /// Whether it can be searched.
    pub status: FileStatus,
}

/// The documents of an installation.
#[derive(Debug, Clone)]
pub struct ParadigmFiles {
    paradigm: Paradigm,
    poll_interval: Duration,
}

#[derive(Debug, Deserialize)]
struct WireFile {
    id: Value,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    bytes: Option<u64>,
    #[serde(default)]
    status: Option<String>,
}

impl WireFile {
    fn read(self) -> Result<StoredFile, ProviderError> {
        let id = self.id.as_i64().or_else(|| self.id.as_str()?.parse().ok());
        Ok(StoredFile {
            id: id.ok_or_else(|| ProviderError::malformed(PROVIDER, "it names no file"))?,
            name: self.filename.unwrap_or_default(),
            length_bytes: self.bytes.unwrap_or(0),
            status: status(self.status.as_deref().unwrap_or_default()),
        })
    }
}

/// `pending`, `parsing`, `embedding`, then `embedded`; or any of them with `_failed`.
fn status(text: &str) -> FileStatus {
    let text = text.to_ascii_lowercase();
    if text == "embedded" {
        FileStatus::Ready
    } else if text.ends_with("failed") || text.ends_with("error") {
        FileStatus::Failed
    } else {
        FileStatus::Processing
    }
}

impl ParadigmFiles {
    /// A client; nothing is sent yet. Clients of one installation share one `transport`.
    pub fn new(config: ParadigmConfig, transport: Transport) -> Result<Self, ConfigError> {
        Ok(Self { paradigm: Paradigm::new(config, transport)?, poll_interval: POLL_INTERVAL })
    }

    /// The same, polling at another pace.
    #[must_use]
    pub fn with_poll_interval(self, poll_interval: Duration) -> Self {
        Self { poll_interval, ..self }
    }

    /// Uploads a document, once: a stream cannot be sent again.
    pub async fn upload(&self, upload: Upload, cx: &CallContext) -> Result<StoredFile, ProviderError> {
        let body = Body::wrap_stream(upload.content);
        let content = match upload.length_bytes {
            Some(length) => Part::stream_with_length(body, length),
            None => Part::stream(body),
        };
        let content = content.file_name(upload.name).mime_str(&upload.content_type).map_err(|_| {
            ProviderError::Rejected {
                provider: PROVIDER,
                status: 415,
                message: "the media type of the file is not one".to_owned(),
            }
        })?;
        let form = Form::new().text("purpose", "documents").part("file", content);
        let http = self.paradigm.endpoint.request(Method::POST, PATH).multipart(form);
        self.paradigm
            .endpoint
            .json_once::<WireFile>(http, Patience::of(UPLOAD_TIMEOUT), cx)
            .await?
            .value
            .read()
    }

    /// How a document is doing.
    pub async fn file(&self, id: i64, cx: &CallContext) -> Result<StoredFile, ProviderError> {
        let http = self.paradigm.endpoint.request(Method::GET, &format!("{PATH}/{id}"));
        self.paradigm
            .endpoint
            .json::<WireFile>(&http, Patience::of(POLL_REQUEST_TIMEOUT), "", cx)
            .await?
            .value
            .read()
    }

    /// Waits until a document just uploaded is ready or has failed, at most until the deadline of `cx`.
    pub async fn settled(&self, id: i64, cx: &CallContext) -> Result<StoredFile, ProviderError> {
        let (begun, mut polling) = (Instant::now(), Polling::every(self.poll_interval));
        loop {
            match self.file(id, cx).await {
                // Just uploaded: not known everywhere yet.
                Err(ProviderError::Rejected { status: 404, .. }) if begun.elapsed() < FRESH_NOT_FOUND_MAX => {
                }
                Ok(StoredFile { status: FileStatus::Processing, .. }) => {}
                settled => return settled,
            }
            polling.wait(cx).await?;
        }
    }

    /// The passages a document was cut into, with what the provider knows of each; none while it is processed.
    pub async fn chunks(&self, id: i64, cx: &CallContext) -> Result<Vec<Chunk>, ProviderError> {
        let http = self.paradigm.endpoint.request(Method::GET, &format!("{PATH}/{id}/chunks"));
        let patience = Patience::of(POLL_REQUEST_TIMEOUT);
        Ok(self.paradigm.endpoint.json::<WireChunks>(&http, patience, "", cx).await?.value.read())
    }

    /// Deletes a document; one that is already gone is deleted.
    pub async fn delete(&self, id: i64, cx: &CallContext) -> Result<(), ProviderError> {
        let http = self.paradigm.endpoint.request(Method::DELETE, &format!("{PATH}/{id}"));
        match self.paradigm.endpoint.done(&http, Patience::of(POLL_REQUEST_TIMEOUT), cx).await {
            Ok(()) | Err(ProviderError::Rejected { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
