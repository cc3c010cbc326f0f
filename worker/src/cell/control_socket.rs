//! The worker's end of the control socket: whole datagrams, with descriptors.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, SocketFlags,
    SocketType,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use wire::control::{CELL_DESCRIPTORS_MAX, DATAGRAM_BYTES_MAX, FromZygote, ToZygote};

/// One message and the descriptors that came with it.
pub(super) type Received = (FromZygote, Vec<OwnedFd>);

#[derive(Debug)]
pub(super) struct ControlSocket {
    /// Of type `SOCK_SEQPACKET`; tokio's type is used for its readiness only.
    socket: UnixStream,
}

impl ControlSocket {
    /// Our end, and the zygote's.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self { socket: UnixStream::from_std(ours.into())? }, theirs))
    }

    pub(super) async fn send(&self, message: &ToZygote) -> io::Result<()> {
        let body = serde_json::to_vec(message)?;
        let send = || Ok(rustix::net::send(&self.socket, &body, SendFlags::NOSIGNAL)?);
        self.socket.async_io(Interest::WRITABLE, send).await.map(drop)
    }

    /// The next message, `None` when the zygote is gone.
    pub(super) async fn receive(&self) -> io::Result<Option<Received>> {
        self.socket.async_io(Interest::READABLE, || receive_now(&self.socket)).await
    }

    /// Ends the conversation; the zygote hears it and ends itself and its cells.
    pub(super) fn close(&self) {
        // It fails when the zygote was faster.
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

fn receive_now(socket: &UnixStream) -> io::Result<Option<Received>> {
    let mut body = vec![0; DATAGRAM_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CELL_DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = {
        let mut parts = [IoSliceMut::new(&mut body)];
        rustix::net::recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("a control message was cut"));
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        // Descriptors that do not fit our own limit are lost here: better no cell than half of one.
        descriptors.clear();
    }
    Ok(Some((serde_json::from_slice(&body[..received.bytes])?, descriptors)))
}
