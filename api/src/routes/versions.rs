//! Versions of a workflow: listed, read, compared, and made from the client's own code.

use std::{str::FromStr, time::Duration};

use axum::{
    Json,
    extract::{FromRequestParts, Path, RawQuery, State},
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use shared::{id::WorkflowId, store::VersionView};
use similar::{Algorithm, TextDiff};

use super::{
    Id, Page, Stretch,
    accepted::{self, Asked, Makes},
    page::Cursor,
    tags::{IfMatch, IfNoneMatch, precondition, tagged},
};
use crate::{
    Api,
    auth::Caller,
    body::JsonBody,
    fields::Fields,
    idempotency::Idempotency,
    problem::{Code, Problem},
    requests::NewCode,
};

/// 500 ms for a comparison; then the rest is shown as replaced instead of searched for what is alike.
const DIFF_TIMEOUT: Duration = Duration::from_millis(500);
/// 3 lines around each change, as everywhere.
const DIFF_CONTEXT_LINES: usize = 3;

/// A version in a path. Whatever is not one is answered as an unknown one.
pub(crate) struct VersionPath {
    workflow: WorkflowId,
    version: u32,
}

impl<S: Sync + Send> FromRequestParts<S> for VersionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = || Problem::no_such("version of this workflow");
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((workflow, version)) = path.map_err(|_| unknown())?;
        let workflow = workflow.parse().map_err(|_| unknown())?;
        Ok(Self { workflow, version: version.parse().map_err(|_| unknown())? })
    }
}

/// The number of a version, as the cursor of a list.
pub(crate) struct Number(u32);

impl FromStr for Number {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.parse() {
            Ok(number @ 1..=999_999_999) => Ok(Self(number)),
            _ => Err(()),
        }
    }
}

impl Cursor for Number {
    const PATTERN: &str = "^[1-9][0-9]{0,8}$";
}

/// List the versions of a workflow, newest first, without programs.
#[utoipa::path(
    get, path = "/workflows/{id}/versions", operation_id = "listVersions", tag = "workflows",
    params(("id" = String, Path, description = "The workflow"), Stretch::<Number>),
    responses((status = 200, description = "A page of versions", body = Page<VersionView>))
)]
pub(crate) async fn list(
    caller: Caller,
    Id(id): Id<WorkflowId>,
    Stretch { limit, after }: Stretch<Number>,
) -> Result<Json<Page<VersionView>>, Problem> {
    let after = after.map(|Number(after)| after);
    let page = caller.store().versions(caller.tenant(), id, after, limit).await?;
    Ok(Json(page.ok_or_else(|| Problem::no_such("workflow"))?.into()))
}

/// One version: its program, where it came from, and what is known about it.
///
/// It does not change any more once its job is final.
#[utoipa::path(
    get, path = "/workflows/{id}/versions/{n}", operation_id = "getVersion", tag = "workflows",
    params(
        ("id" = String, Path, description = "The workflow"),
        ("n" = u32, Path, description = "The version's number", minimum = 1),
        IfNoneMatch
    ),
    responses(
        (status = 200, description = "The version", body = VersionView)
    )
)]
pub(crate) async fn get(caller: Caller, path: VersionPath, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(tagged(&headers, &read(&caller, path.workflow, path.version).await?))
}

async fn read(caller: &Caller, id: WorkflowId, version: u32) -> Result<VersionView, Problem> {
    let found = caller.store().version_view(caller.tenant(), id, version).await?;
    found.ok_or_else(|| Problem::no_such("version of this workflow"))
}

/// How a version differs from another, as a unified diff; from the one before it when nothing else is asked for.
#[utoipa::path(
    get, path = "/workflows/{id}/versions/{n}/diff", operation_id = "diffVersions", tag = "workflows",
    params(
        ("id" = String, Path, description = "The workflow"),
        ("n" = u32, Path, description = "The version's number", minimum = 1),
        ("against" = Option<u32>, Query, description = "The version it is compared with; 0 for an empty program", minimum = 0)
    ),
    responses(
        (status = 200, description = "The changes; empty when there are none", body = String, content_type = "text/x-diff"),
        (status = 409, description = "`workflow_not_ready`: one of the versions has no program")
    )
)]
pub(crate) async fn diff(
    caller: Caller,
    path: VersionPath,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_query(query.as_deref());
    let against = fields.integer("against", 0..=u64::from(u32::MAX));
    let against = fields.finish(against.and_then(|against| u32::try_from(against).ok()))?;
    let new = program(read(&caller, path.workflow, path.version).await?)?;
    let against = against.unwrap_or(path.version - 1);
    let old = match against {
        0 => String::new(),
        against => program(read(&caller, path.workflow, against).await?)?,
    };
    let names = (format!("version {against}"), format!("version {}", path.version));
    let comparing = tokio::task::spawn_blocking(move || unified(&old, &new, &names));
    let text = comparing.await.map_err(|error| Problem::internal(format!("comparing versions: {error}")))?;
    Ok(([(header::CONTENT_TYPE, "text/x-diff; charset=utf-8")], text).into_response())
}

fn program(version: VersionView) -> Result<String, Problem> {
    let detail = format!("Version {} of the workflow has no program.", version.version);
    version.code.ok_or_else(|| Problem::new(Code::WorkflowNotReady, detail))
}

fn unified(old: &str, new: &str, (old_name, new_name): &(String, String)) -> String {
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).timeout(DIFF_TIMEOUT).diff_lines(old, new);
    diff.unified_diff().context_radius(DIFF_CONTEXT_LINES).header(old_name, new_name).to_string()
}

/// Replace the program of a workflow by your own.
///
/// It becomes a new version once a worker has checked it; until then, and if it cannot be started, the current one
/// stays. With `If-Match` only if nobody has changed the workflow since it was read.
#[utoipa::path(
    put, path = "/workflows/{id}/code", operation_id = "replaceCode", tag = "workflows", request_body = NewCode,
    params(
        ("id" = String, Path, description = "The workflow"),
        IfMatch::<WorkflowId>,
        Makes::<accepted::CodeCheck>
    ),
    responses(
        Makes<accepted::CodeCheck>,
        (status = 409, description = "`too_many_versions`: the workflow has 1,000 versions"),
        IfMatch<WorkflowId>
    )
)]
pub(crate) async fn replace_code(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    idempotency: Idempotency,
    asked: Asked,
    headers: HeaderMap,
    JsonBody(fields): JsonBody,
) -> Result<Response, Problem> {
    let request = NewCode::read(fields, &api.config)?;
    // In this order: a version that comes after this one is noticed by the submission.
    let newest = caller.store().newest_version(caller.tenant(), id).await?;
    let workflow = caller.store().workflow(caller.tenant(), id).await?;
    let workflow = workflow.ok_or_else(|| Problem::no_such("workflow"))?;
    let after = match precondition(&headers, &workflow) {
        Ok(false) => None,
        Ok(true) => newest,
        // Accepted before under the same key, it is answered again; else no version is newer than none.
        Err(_) if idempotency.0.is_some() => Some(0),
        Err(problem) => return Err(problem),
    };
    let (tenant, description) = (caller.tenant(), workflow.description);
    let submission = request.submission(tenant, id, description, after, idempotency, &api.config.jobs);
    let submitted = asked.submit(&api, caller.home(), submission).await?;
    asked.workflow(&api, caller.home(), submitted).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_is_one_that_patch_understands_and_ends_in_time() {
        let names = ("version 1".to_owned(), "version 2".to_owned());
        let text = unified("a\nb\nc\n", "a\nB\nc\n", &names);
        assert_eq!(text, "--- version 1\n+++ version 2\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert_eq!(unified("a\n", "a\n", &names), "");
        assert!(unified("a", "a\n", &names).contains("\\ No newline at end of file"));
        let began = std::time::Instant::now();
        let line = |n: u64, seed: u64| ((n * seed) % 59_999).to_string() + "\n";
        let lines = |seed| (0..60_000).map(|n| line(n, seed)).collect::<String>();
        assert!(!unified(&lines(7), &lines(11), &names).is_empty());
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
}
