//! The accept loop: connections, what they may take, and how they end.
//!
//! `axum::serve` installs no timer, so a client may send half a header and keep the connection for ever. Here
//! every connection has a deadline for its first bytes and for each header, a limit for each header, and a place
//! among a fixed number; at shutdown idle ones end at once, busy ones after their answer, all by a deadline.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, response::Response};
use hyper::{
    Request,
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use shared::limits;
use tokio::{
    io::{AsyncRead, Join, ReadBuf},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    time::Sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::{
    unparsed::{Answers, Refuse, Refusing},
    unread::Reading,
};

/// 24 bytes: the greeting of HTTP/2, by which the protocol is told; every request of HTTP/1.1 is longer.
const GREETING_BYTES: usize = 24;
/// 100 streams in one HTTP/2 connection, as other servers allow.
const STREAMS_MAX: u32 = 100;
/// 20 s between pings of HTTP/2, and as long for their answer.
const PING: Duration = Duration::from_secs(20);
/// 100 ms to wait after `accept` failed: it fails again at once while there are no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How many there may be.
    connections: usize,
    /// For the first bytes, and for each header.
    header_read: Duration,
    /// To end at shutdown.
    drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS_MAX,
            header_read: limits::HEADER_READ_TIMEOUT,
            drain: limits::HTTP_DRAIN,
        }
    }
}

/// Serves connections until `shutdown`, then lets the open ones end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    refuse: Refuse,
    bounds: Bounds,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let (open, cut) = (TaskTracker::new(), CancellationToken::new());
    let builder = Arc::new(builder(bounds));
    while let Some(stream) = next(&listener, &places, &shutdown).await {
        let (stream, peer, place) = match stream {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (read, written) = stream.into_split();
        let (read, answers) = (Greeted::new(read, bounds.header_read), Answers::default());
        let stream = tokio::io::join(read, Refusing::new(written, answers.clone(), refuse.clone()));
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (mut request, reading) = Reading::watch(request);
            request.extensions_mut().insert(Peer(peer));
            answers.begin();
            let (answering, answers) = (router.clone().call(request), answers.clone());
            async move {
                let answer = answering.await.map(|answer| reading.close_unless_ended(answer));
                answer.map(|answer| answers.until_ended(answer))
            }
        });
        let connection = connection(stream, builder.clone(), service, shutdown.clone(), cut.clone());
        open.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    open.close();
    tracing::info!(connections = open.len(), "Ending {} open connections.", open.len());
    if tokio::time::timeout(bounds.drain, open.wait()).await.is_err() {
        tracing::warn!(connections = open.len(), "Cutting {} connections that did not end.", open.len());
        cut.cancel();
        open.wait().await;
    }
}

type Accepted = (TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit);

/// The address at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The next connection, once there is a place for it. `None` at shutdown.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<io::Result<Accepted>> {
    let accepted = async {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer.ip(), place))
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        accepted = accepted => Some(accepted),
    }
}

fn builder(bounds: Bounds) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read)
        // Twice the limit: a header that is a little over it gets a problem instead of hyper's bare 431.
        .max_buf_size(2 * limits::HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(STREAMS_MAX)
        // The same here, where it is also what clients are told. To a larger one h2 answers by itself, with a 431 that ends
        // the stream: it offers no hook, and frames of our own would need its state of header compression and flow. Only
        // a higher limit would bring more of them to a problem, for as much more memory in each of the streams.
        .max_header_list_size(u32::try_from(2 * limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}

async fn connection<S>(
    stream: Join<Greeted, Refusing<OwnedWriteHalf>>,
    builder: Arc<Builder<TokioExecutor>>,
    service: S,
    shutdown: CancellationToken,
    cut: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send,
    S::Future: Send + 'static,
{
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
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

/// What is read, of which the first bytes have to come in time: hyper's own timers start when it has told the protocol
/// by them.
#[derive(Debug)]
struct Greeted {
    stream: OwnedReadHalf,
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Greeted {
    fn new(stream: OwnedReadHalf, within: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(within));
        Self { stream, missing: GREETING_BYTES, deadline }
    }
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        // What has come counts, however late we are to look.
        if Pin::new(&mut self.stream).poll_read(cx, buf)?.is_ready() {
            self.missing = self.missing.saturating_sub(buf.filled().len() - before);
            return Poll::Ready(Ok(()));
        }
        if self.missing > 0 && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::Notify,
        task::JoinHandle,
        time::{Instant, timeout},
    };

    use super::*;

    /// 10 s: none of these takes one.
    const DEADLINE: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(300);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    struct Server {
        address: std::net::SocketAddr,
        started: Arc<Notify>,
        shutdown: CancellationToken,
        task: JoinHandle<()>,
    }

    /// A server whose one route answers when `gate` opens.
    async fn server(connections: usize, gate: CancellationToken) -> Server {
        draining(SHORT, connections, gate).await
    }

    /// The same, with so much time for open requests at shutdown.
    async fn draining(drain: Duration, connections: usize, gate: CancellationToken) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let bounds = Bounds { connections, header_read: SHORT, drain };
        let started = Arc::new(Notify::new());
        let begun = started.clone();
        let slow = move || async move {
            begun.notify_one();
            gate.cancelled().await;
            "done"
        };
        let router = Router::new().route("/", get(slow)).route("/now", get(|| async { "now" }));
        let refuse: Refuse = Arc::new(|status| format!("refused {status}").into());
        let task = tokio::spawn(serve(listener, router, refuse, bounds, shutdown.clone()));
        Server { address, started, shutdown, task }
    }

    impl Server {
        async fn connect(&self, bytes: &[u8]) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream
        }
    }

    /// Everything until the other side closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        let read = timeout(DEADLINE, stream.read_to_end(&mut text)).await.expect("it is closed in time");
        read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&text).into_owned())
    }

    #[tokio::test]
    async fn who_does_not_send_a_whole_header_in_time_is_cut_off() {
        let server = server(100, CancellationToken::new()).await;
        let half = [
            &b""[..],
            b"G",
            b"P",
            b"PRI * HTTP/2.0\r\n",
            b"GET / HTTP/1.1\r\n",
            &REQUEST[..REQUEST.len() - 2],
        ];
        for sent in half {
            let began = Instant::now();
            let mut stream = server.connect(sent).await;
            assert!(!rest(&mut stream).await.contains("done"), "{sent:?}");
            assert!(began.elapsed() >= SHORT / 2, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed() {
        let server = server(100, CancellationToken::new()).await;
        let mut stream = server.connect(b"GET /now HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let text = rest(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("now"), "{text}");
    }

    #[tokio::test]
    async fn a_connection_over_the_cap_waits_for_a_place() {
        let gate = CancellationToken::new();
        let server = server(1, gate.clone()).await;
        let mut first = server.connect(REQUEST).await;
        let mut second =
            server.connect(b"GET /now HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        let mut byte = [0];
        assert!(timeout(SHORT, second.read(&mut byte)).await.is_err(), "answered without a place");
        gate.cancel();
        assert!(rest(&mut first).await.ends_with("done"));
        assert!(rest(&mut second).await.ends_with("now"));
    }

    #[tokio::test]
    async fn at_shutdown_an_open_request_is_answered_and_nobody_else_is_let_in() {
        let gate = CancellationToken::new();
        let server = draining(DEADLINE, 100, gate.clone()).await;
        let mut open = server.connect(REQUEST).await;
        let mut idle = server.connect(b"").await;
        server.started.notified().await;
        server.shutdown.cancel();
        assert_eq!(rest(&mut idle).await, "");
        assert!(TcpStream::connect(server.address).await.is_err());
        gate.cancel();
        let text = rest(&mut open).await;
        assert!(text.ends_with("done"), "{text}");
        timeout(DEADLINE, server.task).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_does_not_hold_up_the_shutdown() {
        let server = server(100, CancellationToken::new()).await;
        let mut open = server.connect(REQUEST).await;
        server.started.notified().await;
        server.shutdown.cancel();
        timeout(DEADLINE, server.task).await.expect("cut at the deadline").unwrap();
        assert_eq!(rest(&mut open).await, "");
    }
}
