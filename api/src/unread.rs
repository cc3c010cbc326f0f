//! Request bodies that were answered before they were read to their end.
//!
//! HTTP/1.1 has no other way to say "stop sending": the answer carries `Connection: close`, so that nobody sends the next
//! request after half a body; and what is already under way is read for a while and thrown away, because a connection
//! that is closed over unread data is reset, and the answer lost with it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, http::HeaderMap};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Request, Response, Version,
    body::{Body as HttpBody, Frame, SizeHint},
    header::{CONNECTION, EXPECT, HeaderValue},
};

/// 8 MiB of the rest of a body are read and thrown away.
const DISCARD_BYTES_MAX: usize = 8 << 20;
/// 5 s are spent on it.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// What became of the body of one request.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    ended: Arc<AtomicBool>,
    http1: bool,
}

impl Reading {
    /// A request whose body is watched, and what will be known of it.
    pub(crate) fn watch<B>(request: Request<B>) -> (Request<Body>, Self)
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let http1 = request.version() < Version::HTTP_2;
        let ended = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let reading = Self { ended, http1 };
        let held_back = http1 && request.headers().contains_key(EXPECT);
        let noted = reading.clone();
        let watched = |inner| Body::new(Watched { inner: Some(inner), reading: noted, held_back });
        (request.map(watched), reading)
    }

    /// Says in the answer that the connection ends with it, when the body was not read to its end.
    pub(crate) fn close_unless_ended<B>(&self, mut response: Response<B>) -> Response<B> {
        if self.http1 && !self.ended.load(Ordering::Acquire) {
            say_close(response.headers_mut());
        }
        response
    }
}

fn say_close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// A body that notes its end.
struct Watched<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    inner: Option<B>,
    reading: Reading,
    /// The client sends nothing before it is asked to, and it was not.
    held_back: bool,
}

impl<B> HttpBody for Watched<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.held_back = false;
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *inner).poll_frame(cx));
        let over = inner.is_end_stream() || frame.is_none();
        if over {
            self.reading.ended.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl<B> Drop for Watched<B>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    fn drop(&mut self) {
        let ended = self.reading.ended.load(Ordering::Acquire);
        let Some(inner) = self.inner.take().filter(|_| self.reading.http1 && !ended && !self.held_back)
        else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(DISCARD_TIME, discard(inner)));
        }
    }
}

/// Reads on, for a while.
async fn discard<B>(mut body: B)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > DISCARD_BYTES_MAX {
            return;
        }
    }
}
