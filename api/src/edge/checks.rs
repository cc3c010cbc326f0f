//! What has to be right with a request before any route sees it: a header within its limit, one `Host` that may be asked
//! for, no page of another site, no compressed body.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, Version, header, uri::Authority},
};
use shared::limits;

use crate::problem::{Code, Problem};

/// What is wrong with the request, whatever it asks for.
pub(super) fn check(request: &Request, keys_required: bool) -> Result<(), Problem> {
    check_header_size(request)?;
    check_host(request, keys_required)?;
    check_encoding(request.headers())
}

fn check_header_size(request: &Request) -> Result<(), Problem> {
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let fields: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if path + fields <= limits::HEADER_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("Path and header fields are larger than {} bytes.", limits::HEADER_BYTES_MAX);
    Err(Problem::new(Code::HeaderTooLarge, detail))
}

/// One well-formed host; and where no key protects the api, only a name of this machine: a page of another site can
/// make a browser connect here (DNS rebinding), but not under our name.
fn check_host(request: &Request, keys_required: bool) -> Result<(), Problem> {
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(Problem::new(Code::InvalidHost, "There are several Host headers."));
    }
    let field = field.map(|value| value.to_str().ok().and_then(|text| text.parse::<Authority>().ok()));
    if matches!(field, Some(None)) {
        return Err(Problem::new(Code::InvalidHost, "The Host header is not a host."));
    }
    let line = request.uri().authority().cloned();
    let hosts: Vec<Authority> = field.flatten().into_iter().chain(line).collect();
    if hosts.is_empty() && (request.version() != Version::HTTP_10 || !keys_required) {
        return Err(Problem::new(Code::InvalidHost, "There is no Host header."));
    }
    if keys_required {
        return Ok(());
    }
    if !hosts.iter().all(is_loopback_name) {
        let detail = "Without API keys the api answers to localhost, 127.0.0.1 and [::1] only.";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    check_same_site(request)
}

fn is_loopback_name(host: &Authority) -> bool {
    let own = ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| host.host().eq_ignore_ascii_case(own));
    own && !host.as_str().contains('@')
}

/// A browser says when another site's page made it ask; such a page may look at nothing and must change nothing.
fn check_same_site(request: &Request) -> Result<(), Problem> {
    let field = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    let foreign = match field("sec-fetch-site") {
        Some(site) => site != b"same-origin" && site != b"none",
        // Older browsers say at least where the page is from.
        None => field("origin").is_some_and(|origin| {
            let host = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
            host.is_none() || host != field("host")
        }),
    };
    if foreign && !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::new(Code::Forbidden, "A page of another site asked for this."));
    }
    Ok(())
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    Err(Problem::new(
        Code::UnsupportedMediaType,
        "Compressed bodies are not taken; send it without Content-Encoding.",
    ))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::request, *};

    #[test]
    fn only_names_of_this_machine_are_answered_to_without_keys() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:80"] {
            assert!(check_host(&request(&[("host", host)]), false).is_ok(), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "127.0.0.2", "0.0.0.0", "evil@localhost"] {
            assert_eq!(check_host(&request(&[("host", host)]), false).unwrap_err().status(), 403, "{host}");
        }
        assert!(check_host(&request(&[("host", "example.com")]), true).is_ok());
    }

    #[test]
    fn there_is_exactly_one_well_formed_host() {
        for hosts in
            [&[][..], &[("host", "localhost"), ("host", "localhost")], &[("host", "a b")], &[("host", "")]]
        {
            for keys_required in [true, false] {
                let refused = check_host(&request(hosts), keys_required).unwrap_err();
                assert_eq!(refused.status(), 400, "{hosts:?}");
            }
        }
    }

    #[test]
    fn an_absolute_request_line_cannot_contradict_the_host() {
        let mut absolute = request(&[("host", "localhost")]);
        *absolute.uri_mut() = "http://example.com/jobs".parse().unwrap();
        assert!(check_host(&absolute, false).is_err());
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let mut cross = request(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]);
        assert!(check_host(&cross, false).is_ok());
        *cross.method_mut() = Method::POST;
        assert!(check_host(&cross, false).is_err());
    }
}
