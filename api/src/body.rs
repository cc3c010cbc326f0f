//! The body of a request: read whole before the handler runs, within a size, a time and a share of memory.
//!
//! Memory is taken from the process's budget as bytes arrive, so a slow sender holds what it sent and no more.

use std::{mem, sync::Arc};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use shared::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Api,
    fields::Fields,
    problem::{Code, Problem},
};

/// 256 MiB of request bodies in one process at a time.
const BODIES_BYTES_MAX: usize = 256 << 20;
/// 1 KiB: the grain in which the budget is counted.
const GRAIN_BYTES: usize = 1 << 10;
/// 64 KiB are set aside before the first byte has come.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// The budget of a process for bodies.
pub(crate) fn budget() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BODIES_BYTES_MAX / GRAIN_BYTES))
}

/// The bytes of a body, with the place they take in the budget.
#[derive(Debug, Clone)]
pub struct Received {
    /// All of it.
    pub bytes: Bytes,
    _share: Arc<Option<OwnedSemaphorePermit>>,
}

/// Layer around every route that is about a tenant's things: reads the body and leaves it as [`Received`].
pub(crate) async fn receive(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let body = mem::take(request.body_mut());
    let reading = tokio::time::timeout(limits::BODY_READ_TIMEOUT, read(body, &api.bodies));
    let received = match reading.await {
        Ok(Ok(received)) => received,
        Ok(Err(problem)) => return problem.into_response(),
        Err(_) => {
            let detail = format!("The body did not arrive within {} s.", limits::BODY_READ_TIMEOUT.as_secs());
            return Problem::new(Code::RequestTimeout, detail).into_response();
        }
    };
    request.extensions_mut().insert(received);
    next.run(request).await
}

async fn read(mut body: Body, budget: &Arc<Semaphore>) -> Result<Received, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limits::BODY_BYTES_MAX {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(announced.min(READ_AHEAD_BYTES));
    let (mut share, mut counted) = (None::<OwnedSemaphorePermit>, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(Code::BadRequest, "The body broke off.").because(error.to_string())
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limits::BODY_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
        let grains = bytes.len().div_ceil(GRAIN_BYTES);
        let more = budget.clone().try_acquire_many_owned(u32::try_from(grains - counted).unwrap_or(u32::MAX));
        let more = more.map_err(|_| Problem::new(Code::OverCapacity, "Too many large requests at once."))?;
        counted = grains;
        match &mut share {
            Some(share) => share.merge(more),
            None => share = Some(more),
        }
    }
    Ok(Received { bytes: bytes.freeze(), _share: Arc::new(share) })
}

fn too_large() -> Problem {
    let detail = format!("The body is larger than {} bytes.", limits::BODY_BYTES_MAX);
    Problem::new(Code::TooLarge, detail)
}

impl<S: Sync> FromRequestParts<S> for Received {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let received = parts.extensions.get::<Self>().cloned();
        received.ok_or_else(|| Problem::internal("a route that reads a body is outside of `receive`"))
    }
}

/// The members of a JSON body.
#[derive(Debug)]
pub struct JsonBody(pub Fields);

impl<S: Sync> FromRequestParts<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if !is_json(&parts.headers) {
            let detail = "Send the body as `Content-Type: application/json`, in UTF-8.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let received = Received::from_request_parts(parts, state).await?;
        Fields::of_json(&received.bytes).map(Self)
    }
}

/// The members of a JSON body; none when there is no body.
#[derive(Debug)]
pub struct OptionalJson(pub Fields);

impl<S: Sync> FromRequestParts<S> for OptionalJson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let received = Received::from_request_parts(parts, state).await?;
        if matches!(received.bytes.trim_ascii(), b"" | b"null") {
            return Fields::of_json(b"{}").map(Self);
        }
        JsonBody::from_request_parts(parts, state).await.map(|JsonBody(fields)| Self(fields))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(media_type)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else {
        return false;
    };
    let mut parts = media_type.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let utf8 = parts.all(|part| match part.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    let json = name == "application/json" || (name.starts_with("application/") && name.ends_with("+json"));
    json && utf8
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_known_by_its_media_type() {
        let told = |value| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            is_json(&headers)
        };
        for yes in ["application/json", "Application/JSON; charset=\"UTF-8\"", "application/vnd.x+json;v=1"] {
            assert!(told(yes), "{yes}");
        }
        for no in ["text/plain", "application/json; charset=latin-1", "application/jsonp", "", "text/x+json"]
        {
            assert!(!told(no), "{no}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn bodies_share_one_budget_and_give_back_what_they_took() {
        let budget = Arc::new(Semaphore::new(2));
        let first = read(Body::from(vec![0; 1500]), &budget).await.unwrap();
        assert_eq!(budget.available_permits(), 0);
        let refused = read(Body::from("x"), &budget).await.unwrap_err();
        assert_eq!(refused.status(), 503);
        drop(first);
        assert_eq!(budget.available_permits(), 2);
        assert!(read(Body::empty(), &budget).await.unwrap().bytes.is_empty());
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_announced_or_not() {
        let budget = budget();
        let body = vec![0; limits::BODY_BYTES_MAX + 1];
        assert_eq!(read(Body::from(body.clone()), &budget).await.unwrap_err().status(), 413);
        let pieces = body.chunks(1 << 16).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
        let chunked = Body::from_stream(futures_util::stream::iter(pieces.collect::<Vec<_>>()));
        assert_eq!(read(chunked, &budget).await.unwrap_err().status(), 413);
    }
}
