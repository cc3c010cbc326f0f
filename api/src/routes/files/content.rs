//! The file in a multipart form, as it streams by: its type is looked at before anything is passed on, its size while
//! it is, and a digest is taken for idempotency. No more of it is held than what is on its way.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures_util::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use multer::{Constraints, Field, Multipart, SizeLimit};
use sha2::{Digest as _, Sha256};
use shared::limits;

use super::piecewise::Piecewise;
use crate::{
    idempotency::hex,
    problem::{Code, Problem},
};

/// 8 KiB: enough of a file to see that it is what its name says.
const HEAD_BYTES: usize = 8 << 10;

/// The types Paradigm reads: endings, media type, and how such a file begins.
const TYPES: &[(&[&str], &str, Begins)] = &[
    (&["pdf"], "application/pdf", Begins::With(&[b"%PDF-"])),
    (&["docx"], "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ZIP),
    (&["pptx"], "application/vnd.openxmlformats-officedocument.presentationml.presentation", ZIP),
    (&["xlsx"], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ZIP),
    (&["odt"], "application/vnd.oasis.opendocument.text", ZIP),
    (&["doc"], "application/msword", OLE),
    (&["ppt"], "application/vnd.ms-powerpoint", OLE),
    (&["xls"], "application/vnd.ms-excel", OLE),
    (&["txt"], "text/plain", Begins::AsText),
    (&["md"], "text/markdown", Begins::AsText),
    (&["csv"], "text/csv", Begins::AsText),
    (&["html", "htm"], "text/html", Begins::AsText),
    (&["png"], "image/png", Begins::With(&[b"\x89PNG\r\n\x1a\n"])),
    (&["jpg", "jpeg"], "image/jpeg", Begins::With(&[b"\xff\xd8\xff"])),
    (&["tif", "tiff"], "image/tiff", Begins::With(&[b"II*\0", b"MM\0*"])),
];

const ZIP: Begins = Begins::With(&[b"PK\x03\x04"]);
const OLE: Begins = Begins::With(&[b"\xd0\xcf\x11\xe0"]);

#[derive(Debug, Clone, Copy)]
enum Begins {
    With(&'static [&'static [u8]]),
    /// Without the bytes that no text has.
    AsText,
}

impl Begins {
    fn fits(self, head: &[u8]) -> bool {
        match self {
            Self::With(beginnings) => beginnings.iter().any(|beginning| head.starts_with(beginning)),
            Self::AsText => !head.contains(&0),
        }
    }
}

/// A file whose type was checked, at its beginning.
pub(super) struct Content {
    name: String,
    media_type: &'static str,
    head: Vec<Bytes>,
    rest: Field<'static>,
    /// The parser: the rest of the form is read through it.
    form: Multipart<'static>,
}

/// What is known of a file that has gone by.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed(Arc<Mutex<Going>>);

#[derive(Debug, Default)]
struct Going {
    bytes: u64,
    digest: Sha256,
    refusal: Option<Problem>,
}

impl Content {
    /// Finds the file in a form and looks at its beginning.
    pub(super) async fn open(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let kind =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let boundary = multer::parse_boundary(kind).map_err(|_| {
            Problem::new(
                Code::UnsupportedMediaType,
                "Send the file as `multipart/form-data`, in a part named `file`.",
            )
        })?;
        let whole = SizeLimit::new().whole_stream(limits::FILE_BYTES_MAX + limits::FORM_BYTES_MAX);
        let constraints = Constraints::new().size_limit(whole);
        let mut form =
            Multipart::with_constraints(Piecewise::new(body.into_data_stream()), boundary, constraints);
        let mut rest = loop {
            match form.next_field().await.map_err(|error| broken(&error))? {
                Some(field) if field.name() == Some("file") => break field,
                Some(_) => {} // `purpose` and the like, as other upload interfaces want them
                None => return Err(Problem::field("file", "is required")),
            }
        };
        let name = rest.file_name().map(plain_name).unwrap_or_default();
        if name.is_empty() || name.len() > limits::NAME_BYTES_MAX {
            let detail = format!("needs a file name of at most {} bytes", limits::NAME_BYTES_MAX);
            return Err(Problem::field("file", detail));
        }
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        let known = TYPES.iter().find(|(endings, ..)| endings.contains(&ending.as_str()));
        let (_, media_type, begins) = known.ok_or_else(|| unsupported("Its name has to end in one of: "))?;
        let (mut head, mut seen) = (Vec::new(), Vec::new());
        while seen.len() < HEAD_BYTES
            && let Some(piece) = rest.chunk().await.map_err(|error| broken(&error))?
        {
            seen.extend_from_slice(&piece[..piece.len().min(HEAD_BYTES)]);
            head.push(piece);
        }
        if seen.is_empty() {
            return Err(Problem::field("file", "is empty"));
        }
        if !begins.fits(&seen) {
            return Err(unsupported("Its content is not what its name says. Types: "));
        }
        Ok(Self { name, media_type, head, rest, form })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Reads all of it for its fingerprint, and passes nothing on.
    pub(super) async fn fingerprint(self) -> Result<String, Problem> {
        let (mut stream, passed) = self.into_stream();
        while let Some(piece) = stream.next().await {
            if piece.is_err() {
                break;
            }
        }
        match passed.refusal() {
            Some(problem) => Err(problem),
            None => Ok(passed.fingerprint()),
        }
    }

    /// The content, to be passed on piece by piece; it ends with an error where the client breaks off or sends too much.
    pub(super) fn into_stream(self) -> (BoxStream<'static, Result<Bytes, io::Error>>, Passed) {
        let passed = Passed::default();
        let noted = passed.clone();
        noted.lock().digest.update(self.name.as_bytes());
        let form = self.form;
        let head = stream::iter(self.head.into_iter().map(Ok));
        let pieces = head.chain(Pieces { field: self.rest, _form: form });
        let stream = pieces.map(move |piece| noted.note(piece));
        (stream.boxed(), passed)
    }
}

/// The rest of the file; the form it is in lives as long.
struct Pieces {
    field: Field<'static>,
    _form: Multipart<'static>,
}

impl Stream for Pieces {
    type Item = Result<Bytes, multer::Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.field.poll_next_unpin(cx)
    }
}

impl Passed {
    /// How large it is.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// The same for the same name and content.
    pub(super) fn fingerprint(&self) -> String {
        hex(&self.lock().digest.clone().finalize())
    }

    /// Why it did not go by whole, when that is the client's doing.
    pub(super) fn refusal(&self) -> Option<Problem> {
        self.lock().refusal.clone()
    }

    fn note(&self, piece: Result<Bytes, multer::Error>) -> Result<Bytes, io::Error> {
        let mut going = self.lock();
        match piece {
            Ok(piece) => {
                going.bytes += piece.len() as u64;
                going.digest.update(&piece);
                if going.bytes > limits::FILE_BYTES_MAX {
                    going.refusal = Some(too_large());
                    return Err(io::Error::other("the file is too large"));
                }
                Ok(piece)
            }
            Err(error) => {
                going.refusal = Some(broken(&error));
                Err(io::Error::other("the upload broke off"))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Going> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name without a path, and without what has no place in a header.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control() && *c != '"').collect::<String>().trim().to_owned()
}

pub(super) fn too_large() -> Problem {
    Problem::new(Code::TooLarge, format!("The file is larger than {} bytes.", limits::FILE_BYTES_MAX))
}

fn broken(error: &multer::Error) -> Problem {
    match error {
        multer::Error::StreamSizeExceeded { .. } | multer::Error::FieldSizeExceeded { .. } => too_large(),
        _ => {
            Problem::new(Code::BadRequest, "The form does not read, or broke off.").because(error.to_string())
        }
    }
}

fn unsupported(why: &str) -> Problem {
    let endings: Vec<&str> = TYPES.iter().flat_map(|(endings, ..)| endings.iter().copied()).collect();
    Problem::new(
        Code::UnsupportedMediaType,
        format!("Files of this type are not read. {why}{}.", endings.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(name: &str, content: &[u8]) -> (HeaderMap, Body) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "multipart/form-data; boundary=xyz".parse().unwrap());
        let head =
            format!("--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        (headers, Body::from([head.as_bytes(), content, b"\r\n--xyz--\r\n"].concat()))
    }

    async fn opened(name: &str, content: &[u8]) -> Result<Content, Problem> {
        let (headers, body) = form(name, content);
        Content::open(&headers, body).await
    }

    #[tokio::test]
    async fn a_file_is_what_its_name_says_or_is_refused() {
        assert!(opened("été.pdf", b"%PDF-1.7 ...").await.is_ok());
        assert!(opened("notes.MD", "# Été".as_bytes()).await.is_ok());
        for (name, content, status) in [
            ("a.exe", b"MZ".as_slice(), 415),
            ("a", b"text", 415),
            ("a.pdf", b"MZ", 415),
            ("a.txt", b"a\0b", 415),
            ("a.txt", b"", 422),
            ("", b"text", 422),
        ] {
            let refused = opened(name, content).await.err().map(|problem| problem.status().as_u16());
            assert_eq!(refused, Some(status), "{name}");
        }
    }

    #[tokio::test]
    async fn content_goes_by_unchanged_with_its_size_and_a_fingerprint() {
        let content = opened("../../dir/a.txt", &vec![b'x'; 100_000]).await.unwrap();
        assert_eq!((content.name(), content.media_type()), ("a.txt", "text/plain"));
        let (stream, passed) = content.into_stream();
        let bytes: usize =
            stream.map(|piece| piece.unwrap().len()).fold(0, |sum, len| async move { sum + len }).await;
        assert_eq!((bytes, passed.bytes()), (100_000, 100_000));
        let again = opened("a.txt", &vec![b'x'; 100_000]).await.unwrap().fingerprint().await.unwrap();
        assert_eq!(again, passed.fingerprint());
        let other = opened("a.txt", &vec![b'y'; 100_000]).await.unwrap().fingerprint().await.unwrap();
        assert_ne!(other, again);
    }
}
