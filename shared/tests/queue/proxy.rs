//! Carries TCP connections to a Redis on a unix socket, and does to them what networks do.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Carried,
    /// Bytes are taken and go nowhere, as after a firewall forgot the connection.
    Swallowed,
    Cut,
}

pub struct Proxy {
    address: SocketAddr,
    socket: Arc<Mutex<String>>,
    /// Of the connections there are; new ones begin to be carried.
    fate: Arc<Mutex<watch::Sender<Fate>>>,
    /// Bytes that reached Redis.
    carried: Arc<AtomicU64>,
}

impl Proxy {
    pub async fn to(socket: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let socket = Arc::new(Mutex::new(socket));
        let fate = Arc::new(Mutex::new(watch::channel(Fate::Carried).0));
        let carried = Arc::new(AtomicU64::new(0));
        let (leads_to, fates, counter) = (socket.clone(), fate.clone(), carried.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let socket = leads_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let fate = fates.lock().unwrap_or_else(PoisonError::into_inner).subscribe();
                let counter = counter.clone();
                tokio::spawn(async move {
                    let Ok(server) = UnixStream::connect(&socket).await else { return };
                    let ((from, to), (from_server, to_server)) = (client.into_split(), server.into_split());
                    let (there, back) = (fate.clone(), fate);
                    let answers = AtomicU64::new(0);
                    tokio::join!(
                        carry(from, to_server, there, &counter),
                        carry(from_server, to, back, &answers)
                    );
                });
            }
        });
        Self { address, socket, fate, carried }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::SeqCst)
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// New connections lead elsewhere.
    pub fn lead_to(&self, socket: String) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }

    /// Ends the connections there are.
    pub fn cut(&self) {
        self.seal(Fate::Cut);
    }

    /// Lets the connections there are live on, deaf and dumb.
    pub fn swallow(&self) {
        self.seal(Fate::Swallowed);
    }

    fn seal(&self, fate: Fate) {
        let mut present = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
        present.send_replace(fate);
        // The sender goes: what it said last stays with the connections that heard it.
        *present = watch::channel(Fate::Carried).0;
    }
}

/// Until one side ends or the connection is cut.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut fate: watch::Receiver<Fate>,
    carried: &AtomicU64,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let cut = async {
            if fate.wait_for(|fate| *fate == Fate::Cut).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let read = tokio::select! {
            () = cut => return,
            read = from.read(&mut bytes) => read,
        };
        let Ok(read @ 1..) = read else { return };
        let swallowed = *fate.borrow() == Fate::Swallowed;
        if !swallowed && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
        carried.fetch_add(read as u64, Ordering::SeqCst);
    }
}
