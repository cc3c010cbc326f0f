//! The answer to what hyper refuses by itself, written out whole: no request, so no route and no layer.

use std::{fmt::Write as _, sync::Arc, time::SystemTime};

use axum::http::StatusCode;
use bytes::Bytes;
use shared::limits;

use super::{HEADERS, new_request_id};
use crate::{
    Api,
    problem::{self, Code, Problem},
    unparsed::Refuse,
};

/// 100 header fields, hyper's limit: browsers and proxies together send some thirty.
const HEADER_FIELDS_MAX: usize = 100;

/// What is answered, in whole, to bytes that do not read as a request; hyper decides that, and with which status.
pub(crate) fn refusals(api: Api) -> Refuse {
    Arc::new(move |status| {
        let problem = if status == StatusCode::BAD_REQUEST {
            Problem::new(Code::BadRequest, "This does not read as a request of HTTP/1.1.")
        } else {
            let (bytes, fields) = (limits::HEADER_BYTES_MAX, HEADER_FIELDS_MAX);
            let detail =
                format!("Path and header fields are larger than {bytes} bytes, or more than {fields}.");
            Problem::new(Code::HeaderTooLarge, detail)
        };
        let request_id = new_request_id();
        let (status, body) = problem.into_bytes(&request_id);
        let (length, date) = (body.len(), httpdate::fmt_http_date(SystemTime::now()));
        let mut answer = format!("HTTP/1.1 {status}\r\ncontent-type: {}\r\n", problem::MEDIA_TYPE);
        let ours = HEADERS;
        let ours = ours.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let end = [("connection", "close"), ("date", &date), ("x-request-id", &request_id)];
        for (name, value) in ours.chain(end) {
            answer.extend([name, ": ", value, "\r\n"]);
        }
        let _ = write!(answer, "content-length: {length}\r\n\r\n");
        let labels = [("method", "-"), ("route", "-"), ("status", status.as_str())];
        api.shards.counters().count("wf_http_requests_total", &labels);
        let status = status.as_u16();
        tracing::info!(request.id = request_id, status, "What came did not read as a request");
        Bytes::from([answer.into_bytes(), body].concat())
    })
}
