//! Entity tags: an object is sent when the client has not its present state (`If-None-Match`), and changed when it has
//! (`If-Match`).

use std::{collections::BTreeMap, marker::PhantomData};

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::{
    IntoParams, IntoResponses,
    openapi::{
        RefOr, Response as Described,
        path::{Parameter, ParameterIn},
    },
};

use super::Named;
use crate::{
    idempotency::hex,
    openapi::header_parameter,
    problem::{Code, Problem},
};

/// The parameter `If-None-Match`; the answers that go with it are described in [`crate::openapi`].
pub(super) struct IfNoneMatch;

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![header_parameter("If-None-Match", "Entity tags the client has", None)]
    }
}

/// The parameter `If-Match` of a route that changes one of these, and the answer that goes with it.
pub(super) struct IfMatch<T>(PhantomData<T>);

impl<T: Named> IntoParams for IfMatch<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = format!("Entity tags of the {}; another state of it is 412", T::THING);
        vec![header_parameter("If-Match", &description, None)]
    }
}

impl<T: Named> IntoResponses for IfMatch<T> {
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let changed = Described::new(format!("The {} has changed since it was read", T::THING));
        BTreeMap::from([("412".to_owned(), RefOr::T(changed))])
    }
}

/// An object with its entity tag, or 304 when the client has it already.
pub(super) fn tagged<T: Serialize>(asked: &HeaderMap, object: &T) -> Response {
    let body = match serde_json::to_vec(object) {
        Ok(body) => body,
        Err(error) => {
            return Problem::internal(format!("an answer does not serialise: {error}")).into_response();
        }
    };
    let tag = tag_of(&body);
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(str::trim);
    let matches = known.map(|known| known.trim_start_matches("W/")).any(|known| known == "*" || known == tag);
    let tag = [(header::ETAG, tag)];
    if matches {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn tag_of(body: &[u8]) -> String {
    format!("\"{}\"", hex(&Sha256::digest(body)[..16]))
}

/// Whether the request is only for an object in the state the client has read (`If-Match`); an error when the object is
/// in another one. Weak tags never match here (RFC 9110, section 13.1.1).
pub(super) fn precondition<T: Serialize>(asked: &HeaderMap, object: &T) -> Result<bool, Problem> {
    let mut known = asked.get_all(header::IF_MATCH).iter().peekable();
    if known.peek().is_none() {
        return Ok(false);
    }
    let body = serde_json::to_vec(object)
        .map_err(|error| Problem::internal(format!("an object does not serialise: {error}")))?;
    let tag = tag_of(&body);
    let mut tags =
        known.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    if tags.any(|known| known == "*" || known == tag) {
        return Ok(true);
    }
    let detail =
        "It has changed since it was read: read it again and look whether the request still makes sense.";
    Err(Problem::new(Code::PreconditionFailed, detail))
}
