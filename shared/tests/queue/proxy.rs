//! Carries TCP connections to a Redis on a unix socket, and does to them what networks do.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
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
}

impl Proxy {
    pub async fn to(socket: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let socket = Arc::new(Mutex::new(socket));
        let fate = Arc::new(Mutex::new(watch::channel(Fate::Carried).0));
        let (leads_to, fates) = (socket.clone(), fate.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let socket = leads_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let fate = fates.lock().unwrap_or_else(PoisonError::into_inner).subscribe();
                tokio::spawn(async move {
                    let Ok(server) = UnixStream::connect(&socket).await else { return };
                    let ((from, to), (from_server, to_server)) = (client.into_split(), server.into_split());
                    let (there, back) = (fate.clone(), fate);
                    tokio::join!(carry(from, to_server, there), carry(from_server, to, back));
                });
            }
        });
        Self { address, socket, fate }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
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
    }
}
