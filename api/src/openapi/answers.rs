//! What holds for the answers of every operation: the problems that any request of its kind may meet, described once and
//! referred to, and the headers that answers of a status have.

use axum::http::StatusCode;
use utoipa::openapi::{
    Content, Header, HeaderBuilder, Object, Ref, RefOr, Response,
    path::{Operation, Parameter},
    schema::{SchemaType, Type},
};

use super::{examples, seconds, text_header};

/// Which operations may meet a problem.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    All,
    /// Those that need a key.
    Keyed,
    /// Those with a body.
    Sending,
    /// Those whose path names a thing.
    Naming,
}

const PROBLEMS: [(StatusCode, Of, &str); 12] = [
    (StatusCode::BAD_REQUEST, Of::All, "Malformed"),
    (StatusCode::UNAUTHORIZED, Of::Keyed, "No valid API key"),
    (StatusCode::FORBIDDEN, Of::All, "Not allowed from there, or not with this key"),
    (StatusCode::NOT_FOUND, Of::Naming, "There is no such thing"),
    (StatusCode::REQUEST_TIMEOUT, Of::Keyed, "The body did not arrive in time"),
    (StatusCode::PAYLOAD_TOO_LARGE, Of::Keyed, "The body, or a field of it, is too large"),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, Of::Sending, "The body is not `application/json`, or is compressed"),
    (StatusCode::UNPROCESSABLE_ENTITY, Of::Keyed, "Fields or parameters are missing, unknown or wrong"),
    (
        StatusCode::TOO_MANY_REQUESTS,
        Of::Keyed,
        "Too many requests in a minute, or too many jobs are waiting; see `Retry-After`",
    ),
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Of::All, "Path and header are too large"),
    (StatusCode::INTERNAL_SERVER_ERROR, Of::All, "A fault of ours"),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Of::All,
        "The store is away, or there are too many requests; see `Retry-After`",
    ),
];

/// Every problem of [`PROBLEMS`], where keys are asked for and where not.
pub(super) fn shared() -> impl Iterator<Item = (String, Response)> {
    let both = PROBLEMS.into_iter().flat_map(|(status, of, text)| {
        [true, false].map(|keyed| (keyed || of != Of::Keyed).then_some((status, keyed, text)))
    });
    both.flatten().map(|(status, keyed, text)| {
        let mut response = problem(text);
        add_headers(status.as_str(), keyed, &mut response);
        examples::add_to_problem(status.as_str(), &mut response);
        (name(status, keyed), response)
    })
}

/// `NotFound`, and `NotFoundPublic` where no key is asked for.
fn name(status: StatusCode, keyed: bool) -> String {
    let words = status.canonical_reason().unwrap_or_default().replace([' ', '-'], "");
    if keyed { words } else { words + "Public" }
}

/// Adds what the operation's own description leaves out.
pub(super) fn complete(path: &str, operation: &mut Operation) {
    let keyed = operation.security.is_none();
    let (sends, names) = (operation.request_body.is_some(), path.contains('{'));
    let takes_tags =
        |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(it) if it.name == "If-None-Match");
    let tagged = operation.parameters.iter().flatten().any(takes_tags);
    let responses = &mut operation.responses.responses;
    for (status, of, _) in PROBLEMS {
        let may = match of {
            Of::All => true,
            Of::Keyed => keyed,
            Of::Sending => sends,
            Of::Naming => names,
        };
        if may {
            let described = || RefOr::Ref(Ref::from_response_name(name(status, keyed)));
            responses.entry(status.as_str().to_owned()).or_insert_with(described);
        }
    }
    if tagged {
        responses.insert("304".to_owned(), RefOr::T(Response::new("Unchanged")));
    }
    for (status, response) in responses.iter_mut() {
        let RefOr::T(response) = response else { continue };
        if status.as_str() >= "400" && response.content.is_empty() {
            response.content = problem("").content;
        }
        add_headers(status, keyed, response);
        if tagged && matches!(status.as_str(), "200" | "304") {
            add(response, "ETag", text_header("Its entity tag"));
        }
    }
}

fn problem(description: &str) -> Response {
    let mut response = Response::new(description);
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    response.content.insert("application/problem+json".to_owned(), RefOr::T(body));
    response
}

/// Headers of nearly every answer, by name.
pub(super) fn shared_headers() -> [(String, Header); 3] {
    let policy = perhaps("What may be asked in a minute, when that is limited", r#""requests";q=6000;w=60"#);
    let left = perhaps("What is left of it, and in how many seconds all is", r#""requests";r=5999;t=1"#);
    let request = text_header("Names the request in our logs");
    [(POLICY, policy), (LEFT, left), (REQUEST, request)].map(|(name, header)| (name.to_owned(), header))
}

const POLICY: &str = "RateLimit-Policy";
const LEFT: &str = "RateLimit";
const REQUEST: &str = "X-Request-Id";

fn add_headers(status: &str, keyed: bool, response: &mut Response) {
    let known = |name: &str| (name.to_owned(), RefOr::Ref(Ref::new(format!("#/components/headers/{name}"))));
    response.headers.extend([known(REQUEST)]);
    if matches!(status, "429" | "503") {
        add(response, "Retry-After", seconds("Seconds until it is worth trying again"));
    }
    if !keyed {
        return;
    }
    match status {
        "401" => add(response, "WWW-Authenticate", text_header("What kind of key is missing")),
        "403" => {
            let scope = r#"Bearer realm="api", error="insufficient_scope", scope="write""#;
            add(response, "WWW-Authenticate", perhaps("Which scope the key lacks", scope));
        }
        _ => {}
    }
    if status != "401" {
        response.headers.extend([known(POLICY), known(LEFT)]);
    }
}

fn add(response: &mut Response, name: &str, header: Header) {
    response.headers.entry(name.to_owned()).or_insert(RefOr::T(header));
}

/// A header that is not in every answer.
fn perhaps(description: &str, example: &str) -> Header {
    let either: SchemaType = [Type::String, Type::Null].into_iter().collect();
    let schema = Object::builder().schema_type(either).examples([example]).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}
