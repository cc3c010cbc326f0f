//! Files: uploaded through to Paradigm, and what is known of them. Nothing is kept but id, name, size and status.

mod content;
mod once;
mod piecewise;

use std::{num::ParseIntError, str::FromStr};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use providers::paradigm::Upload;
use shared::{
    limits,
    store::{File, FileStatus},
    time::Timestamp,
};
use utoipa::openapi::path::{Parameter, ParameterIn};

use self::{
    content::Content,
    once::{Before, Held},
};
use super::{Id, Named};
use crate::{
    Api,
    auth::Caller,
    idempotency,
    openapi::idempotency_key,
    problem::{Code, Problem},
    uploads,
};

/// A multipart form with one file.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes what `upload` reads")]
pub(crate) struct UploadForm {
    /// The document: PDF, Office, OpenDocument, text, Markdown, CSV, HTML, PNG, JPEG or TIFF; at most 100 MB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// The parameter `Idempotency-Key` of an upload.
struct FileKey;

impl utoipa::IntoParams for FileKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency_key("The same key and file answer the same file")]
    }
}

/// Upload a file.
///
/// It goes straight through to Paradigm, which reads it; when `status` is `ready`, runs can search and analyse it by
/// naming it in `file_ids`.
#[utoipa::path(
    post, path = "/files", operation_id = "uploadFile", tag = "files",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    params(FileKey),
    responses(
        (status = 201, description = "Uploaded; it is being read", body = File, headers(
            ("Location" = String, description = "The file"),
            ("Idempotent-Replayed" = Option<String>, description = "`true`: uploaded before under the same key")
        )),
        (status = 409, description = "`not_configured`: this account has no key for Paradigm yet; `too_many_files`; or \
            `idempotency_key_in_use`: another upload under the key is under way", headers(
                ("Retry-After" = Option<u32>, description = "Seconds until it is worth asking again, when the key is in use")
            )),
        (status = 502, description = "`provider_error`: Paradigm did not take it")
    )
)]
pub(crate) async fn upload(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    check_length(&headers)?;
    let tenant = caller.store().tenant(caller.tenant()).await?;
    let _place = api.uploads.place(caller.tenant())?;
    let opening = tokio::time::timeout(limits::BODY_READ_TIMEOUT, Content::open(&headers, body));
    let content = opening.await.map_err(|_| {
        let detail = format!("The file did not begin within {} s.", limits::BODY_READ_TIMEOUT.as_secs());
        Problem::new(Code::RequestTimeout, detail)
    })??;
    // The form first: what is wrong with it is wrong with any key, and without.
    let account = api.uploads.files_of(&tenant, &api.config)?;
    match Held::take(caller.home(), key.as_deref()).await? {
        Before::Made(made) => {
            let fingerprint = once::fingerprint(content).await?;
            once::replayed(caller.home(), made, &fingerprint).await
        }
        Before::Nothing(held) => make(&caller, &account, content, held).await,
    }
}

/// An upload that announces more than may be is told before it is sent, or waited for.
fn check_length(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > limits::FILE_BYTES_MAX + limits::FORM_BYTES_MAX => Err(content::too_large()),
        Some(_) | None => Ok(()),
    }
}

async fn make(
    caller: &Caller,
    account: &uploads::Account,
    content: Content,
    held: Option<Held>,
) -> Result<Response, Problem> {
    if caller.store().file_count(caller.tenant()).await? >= limits::FILES_MAX {
        let detail = format!("The account has {} files; delete some first.", limits::FILES_MAX);
        return Err(Problem::new(Code::TooManyFiles, detail));
    }
    let (name, content_type) = (content.name().to_owned(), content.media_type().to_owned());
    let (stream, passed) = content.into_stream();
    let upload = Upload { name: name.clone(), content_type, length_bytes: None, content: stream };
    let uploading = uploads::upload(&account.files, upload);
    let stored = match once::while_held(held.as_ref(), uploading).await {
        Ok(stored) => stored,
        Err(error) => return Err(passed.refusal().unwrap_or_else(|| account.problem(error))),
    };
    let file = File {
        id: stored.id.to_string(),
        object: "file".to_owned(),
        name,
        bytes: passed.bytes(),
        status: uploads::status(stored.status),
        created_at: Timestamp::now(),
    };
    let Some(held) = held else {
        caller.store().keep_file(caller.tenant(), &file).await?;
        return Ok((StatusCode::CREATED, [location(&file.id)], Json(file)).into_response());
    };
    let fingerprint = passed.fingerprint();
    let made = caller.store().keep_file_once(caller.tenant(), &file, (held.hold(), &fingerprint)).await?;
    held.kept();
    if let Some(before) = made {
        // This one is nobody's: the other upload was kept, because this one's hold had ended.
        if let Err(error) = account.files.delete(stored.id, &uploads::call()).await {
            tracing::warn!(%error, "A file that was uploaded twice could not be deleted again.");
        }
        return once::replayed(caller.home(), before, &fingerprint).await;
    }
    Ok((StatusCode::CREATED, [location(&file.id)], Json(file)).into_response())
}

/// One file, with its state at Paradigm.
#[utoipa::path(
    get, path = "/files/{id}", operation_id = "getFile", tag = "files",
    params(("id" = String, Path, description = "The file")),
    responses((status = 200, description = "The file", body = File))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<FileId>,
) -> Result<Json<File>, Problem> {
    let mut file = known(&caller, id).await?;
    if file.status == FileStatus::Processing {
        let tenant = caller.store().tenant(caller.tenant()).await?;
        let account = api.uploads.files_of(&tenant, &api.config)?;
        match account.files.file(id.0, &uploads::call()).await {
            Ok(stored) => {
                file.status = uploads::status(stored.status);
                if file.status != FileStatus::Processing {
                    caller.store().keep_file(caller.tenant(), &file).await?;
                }
            }
            // Just uploaded it is not known everywhere yet, and a provider in trouble changes nothing about it.
            Err(error) => tracing::debug!(%error, "The state of a file could not be asked."),
        }
    }
    Ok(Json(file))
}

/// Delete a file, here and at Paradigm.
#[utoipa::path(
    delete, path = "/files/{id}", operation_id = "deleteFile", tag = "files",
    params(("id" = String, Path, description = "The file")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 409, description = "`not_configured`: Paradigm does not take this account's key"),
        (status = 502, description = "`provider_error`: Paradigm did not delete it")
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<FileId>,
) -> Result<StatusCode, Problem> {
    let file = known(&caller, id).await?;
    let tenant = caller.store().tenant(caller.tenant()).await?;
    let account = api.uploads.files_of(&tenant, &api.config)?;
    let deleted = account.files.delete(id.0, &uploads::call()).await;
    deleted.map_err(|error| account.problem(error))?;
    caller.store().forget_file(caller.tenant(), &file.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn known(caller: &Caller, FileId(id): FileId) -> Result<File, Problem> {
    let file = caller.store().file(caller.tenant(), &id.to_string()).await?;
    file.ok_or_else(|| Problem::no_such("file"))
}

/// The provider's number of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileId(i64);

impl FromStr for FileId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl Named for FileId {
    const THING: &'static str = "file";
}

fn location(id: &str) -> (HeaderName, HeaderValue) {
    let path = HeaderValue::try_from(format!("/files/{id}")).expect("digits are a header value");
    (header::LOCATION, path)
}
