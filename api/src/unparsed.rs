//! What does not read as a request: hyper refuses it by itself, with a bare status and before any of our layers. Here that
//! answer is replaced by a problem, as on every other path.
//!
//! Only what is written while no answer of ours is open is hyper's own: an answer is open from the moment its request is
//! handed over until it was flushed after the end of its body. So nothing that a client put into a body can be taken for one.
//! Nor is a refusal missed: hyper reads the next head only when the answer before it was flushed, or never when that one
//! ends the connection, so what is pipelined behind an answer is refused after it.
//!
//! What ends without any answer stays so: a header that does not come in time. HTTP/2 is not read here; see `server`.

use std::{
    fmt, io,
    io::IoSlice,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use bytes::{Buf as _, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::AsyncWrite;

/// Writes out the whole answer to what was refused with a status.
pub(crate) type Refuse = Arc<dyn Fn(StatusCode) -> Bytes + Send + Sync>;

/// How far the answers of one connection are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
    sent: AtomicUsize,
}

impl Answers {
    /// A request was handed over: what is written from now on is an answer of ours.
    pub(crate) fn begin(&self) {
        self.0.begun.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes when the answer has ended.
    pub(crate) fn until_ended(&self, answer: Response<Body>) -> Response<Body> {
        let answers = self.clone();
        answer.map(|body| Body::new(Ending { body, answers }))
    }

    fn are_sent(&self) -> bool {
        self.0.begun.load(Ordering::Acquire) == self.0.sent.load(Ordering::Acquire)
    }

    /// All that was to be written has been.
    fn flushed(&self) {
        self.0.sent.store(self.0.ended.load(Ordering::Acquire), Ordering::Release);
    }
}

/// A body that tells when it is over.
struct Ending {
    body: Body,
    answers: Answers,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.answers.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is written, with problems in the place of refusals.
pub(crate) struct Refusing<S> {
    stream: S,
    answers: Answers,
    refuse: Refuse,
    /// What is left of an answer that is written in place of hyper's.
    own: Option<Bytes>,
}

impl<S: fmt::Debug> fmt::Debug for Refusing<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusing").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<S: AsyncWrite + Unpin> Refusing<S> {
    pub(crate) fn new(stream: S, answers: Answers, refuse: Refuse) -> Self {
        Self { stream, answers, refuse, own: None }
    }

    /// Takes `written`, when it is a refusal of hyper's, for written once the problem in its place is.
    fn poll_own(&mut self, cx: &mut Context<'_>, written: &[IoSlice<'_>]) -> Option<Poll<io::Result<usize>>> {
        if self.own.is_none() {
            if !self.answers.are_sent() {
                return None;
            }
            self.own = Some((self.refuse)(refusal(written.first()?)?));
        }
        let length = written.iter().map(|part| part.len()).sum();
        Some(self.poll_rest(cx).map_ok(|()| length))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(own) = self.own.as_mut().filter(|own| !own.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, own))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => own.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The status of a refusal in HTTP/1.
fn refusal(head: &[u8]) -> Option<StatusCode> {
    let status = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    StatusCode::from_bytes(status).ok().filter(StatusCode::is_client_error)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Refusing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_own(cx, &[IoSlice::new(buf)]) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // It is called when everything before it was taken by the stream.
        self.answers.flushed();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.poll_own(cx, slices) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
