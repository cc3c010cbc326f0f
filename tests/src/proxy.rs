//! A wire that can be cut: a proxy between two parties that knows nothing of what they say.
//!
//! Three ways in which a connection goes wrong: it is [cut](Proxy::cut) (both sides see its end, new ones are refused),
//! it falls [silent](Proxy::silence) (nobody sees anything, what was sent waits), or its far end moves
//! ([`Proxy::retarget`]).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// 16 KiB: what is passed on at once.
const PIECE_BYTES: usize = 16 * 1024;

/// Where the wire leads.
#[derive(Debug, Clone)]
pub enum Target {
    /// `host:port`.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

/// How the wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    Silent,
    Cut,
}

/// The proxy: listens on a free port of the loopback until dropped.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    wire: watch::Sender<Wire>,
    target: Arc<Mutex<Target>>,
    accepting: AbortHandle,
}

impl Proxy {
    /// A whole wire to `target`.
    pub async fn start(target: Target) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let wire = watch::Sender::new(Wire::Whole);
        let target = Arc::new(Mutex::new(target));
        let accepting = tokio::spawn(accept(listener, wire.subscribe(), Arc::clone(&target)));
        Self { address, wire, target, accepting: accepting.abort_handle() }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// New connections lead there.
    pub fn retarget(&self, target: Target) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Ends all connections, and every new one at once, until [`Self::mend`].
    pub fn cut(&self) {
        self.wire.send_replace(Wire::Cut);
    }

    /// Passes nothing on until [`Self::mend`]; what was sent meanwhile arrives then.
    pub fn silence(&self) {
        self.wire.send_replace(Wire::Silent);
    }

    /// The wire is whole again.
    pub fn mend(&self) {
        self.wire.send_replace(Wire::Whole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.wire.send_replace(Wire::Cut);
    }
}

async fn accept(listener: TcpListener, wire: watch::Receiver<Wire>, target: Arc<Mutex<Target>>) {
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        if *wire.borrow() == Wire::Cut {
            continue;
        }
        let target = target.lock().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::spawn(connect(near, target, wire.clone()));
    }
}

/// One connection, until either side ends it or the wire is cut.
async fn connect(near: TcpStream, target: Target, wire: watch::Receiver<Wire>) {
    // Requests leave at once, as they would without us.
    let _ = near.set_nodelay(true);
    let (near_read, near_write) = near.into_split();
    let cut = wire.clone();
    let passing = async {
        match target {
            Target::Tcp(address) => {
                let Ok(far) = TcpStream::connect(address).await else { return };
                let _ = far.set_nodelay(true);
                let (far_read, far_write) = far.into_split();
                tokio::join!(pass(near_read, far_write, wire.clone()), pass(far_read, near_write, wire));
            }
            Target::Unix(path) => {
                let Ok(far) = UnixStream::connect(path).await else { return };
                let (far_read, far_write) = far.into_split();
                tokio::join!(pass(near_read, far_write, wire.clone()), pass(far_read, near_write, wire));
            }
        }
    };
    tokio::select! {
        () = passing => {}
        () = until(cut, |wire| wire == Wire::Cut) => {}
    }
}

/// Passes bytes on in one direction until their end; while the wire is silent, they wait.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    wire: watch::Receiver<Wire>,
) {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = from.read(&mut piece).await.unwrap_or(0);
        until(wire.clone(), |wire| wire != Wire::Silent).await;
        if count == 0 || to.write_all(&piece[..count]).await.is_err() {
            break;
        }
    }
    // The other direction may still have something to say.
    let _ = to.shutdown().await;
}

async fn until(mut wire: watch::Receiver<Wire>, is: impl Fn(Wire) -> bool) {
    // An error: the proxy was dropped, and its connections end with it.
    let _ = wire.wait_for(|wire| is(*wire)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that repeats what it hears.
    async fn echo() -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn repeats(stream: &mut TcpStream) -> bool {
        let mut heard = [0; 4];
        stream.write_all(b"word").await.is_ok()
            && stream.read_exact(&mut heard).await.is_ok()
            && &heard == b"word"
    }

    #[tokio::test]
    async fn a_cut_ends_connections_and_refuses_new_ones_until_it_is_mended() {
        let proxy = Proxy::start(Target::Tcp(echo().await)).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(repeats(&mut stream).await);
        proxy.cut();
        assert!(!repeats(&mut stream).await);
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(!repeats(&mut refused).await);
        proxy.mend();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(repeats(&mut stream).await);
    }

    #[tokio::test]
    async fn what_is_said_into_silence_arrives_later() {
        let proxy = Proxy::start(Target::Tcp(echo().await)).await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(repeats(&mut stream).await);
        proxy.silence();
        stream.write_all(b"word").await.unwrap();
        let mut heard = [0; 4];
        let waited =
            tokio::time::timeout(std::time::Duration::from_millis(100), stream.read_exact(&mut heard));
        assert!(waited.await.is_err());
        proxy.mend();
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"word");
    }
}
