//! The accept loop: connections, what they may take, and how they end.
//!
//! `axum::serve` installs no timer, so a client may send half a header and keep the connection for ever. Here
//! every connection has a deadline for its first bytes and for each header, a limit for each header, and a place
//! among a fixed number; at shutdown idle ones end at once, busy ones after their answer, all by a deadline.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use shared::limits;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::Sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

/// 24 bytes: the greeting of HTTP/2, by which the protocol is told; every request of HTTP/1.1 is longer.
const GREETING_BYTES: usize = 24;
/// 100 streams in one HTTP/2 connection, as other servers allow.
const STREAMS_MAX: u32 = 100;
/// 20 s between pings of HTTP/2, and as long for their answer.
const PING: Duration = Duration::from_secs(20);
/// 100 ms to wait after `accept` failed: it fails again at once while there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until `shutdown`, then lets the open ones end.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let (open, cut) = (TaskTracker::new(), CancellationToken::new());
    let builder = Arc::new(builder());
    while let Some(stream) = next(&listener, &places, &shutdown).await {
        let (stream, place) = match stream {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connection(stream, builder.clone(), router.clone(), shutdown.clone(), cut.clone());
        open.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    open.close();
    tracing::info!(connections = open.len(), "Ending {} open connections.", open.len());
    if tokio::time::timeout(limits::HTTP_DRAIN, open.wait()).await.is_err() {
        tracing::warn!(connections = open.len(), "Cutting {} connections that did not end.", open.len());
        cut.cancel();
        open.wait().await;
    }
}

type Accepted = (TcpStream, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is a place for it. `None` at shutdown.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<io::Result<Accepted>> {
    let accepted = async {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, place))
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        accepted = accepted => Some(accepted),
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_READ_TIMEOUT)
        // Twice the limit: a header that is a little over it gets a problem instead of hyper's bare 431.
        .max_buf_size(2 * limits::HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(2 * limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}

async fn connection(
    stream: TcpStream,
    builder: Arc<Builder<TokioExecutor>>,
    router: Router,
    shutdown: CancellationToken,
    cut: CancellationToken,
) {
    let service = service_fn(move |request: Request<Incoming>| router.clone().call(request.map(Body::new)));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Greeted::new(stream)), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = cut.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection ended badly."); // the client's affair
    }
}

/// A stream whose first bytes have to come in time: hyper's own timers start when it has told the protocol by them.
#[derive(Debug)]
struct Greeted {
    stream: TcpStream,
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Greeted {
    fn new(stream: TcpStream) -> Self {
        let deadline = Box::pin(tokio::time::sleep(limits::HEADER_READ_TIMEOUT));
        Self { stream, missing: GREETING_BYTES, deadline }
    }
}

impl AsyncRead for Greeted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.missing > 0 && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.missing = self.missing.saturating_sub(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
