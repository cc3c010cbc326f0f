//! The accept loop all fakes share.

use axum::Router;
use axum::body::{Body, Bytes};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A router served on a free port of the loopback until dropped.
#[derive(Debug)]
pub(super) struct Server {
    url: String,
    accepting: AbortHandle,
}

impl Server {
    pub(super) async fn start(router: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let accepting = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the accept loop of a fake never ends");
        });
        Self { url: format!("http://{address}"), accepting: accepting.abort_handle() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A body whose connection breaks after `sent`: the client sees an answer without its end.
pub(super) fn cut_after(sent: Bytes) -> Body {
    let chunks = [Ok(sent), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))];
    Body::from_stream(futures_util::stream::iter(chunks))
}
