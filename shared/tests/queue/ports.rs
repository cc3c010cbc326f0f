//! Ports for servers that cannot be told to take any, as the nodes of a cluster cannot.
//!
//! Below those that the kernel gives to whoever asks for any, and to every connection that is made: one of those, found
//! free and let go for the server, is somebody else's now and then before the server has it.

use std::{
    net::TcpListener,
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
};

/// The kernel's own begin at 32,768.
const PORTS: Range<u32> = 16_000..32_000;

/// How many were tried: no two in this process get the same.
static TRIED: AtomicU32 = AtomicU32::new(0);

/// A port nobody listens on.
pub fn free_port() -> u16 {
    let count = PORTS.end - PORTS.start;
    // Processes that run side by side begin in different places.
    let first = std::process::id().wrapping_mul(101);
    for _ in 0..count {
        let place = first.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % count;
        let port = u16::try_from(PORTS.start + place).expect("a port has sixteen bits");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}
