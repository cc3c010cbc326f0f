//! What `worker` and `runner` say to each other: plain types and their codec, no features, no I/O.
//!
//! Two conversations, never mixed:
//! - [`control`]: worker ↔ zygote, one JSON message per datagram of a `SOCK_SEQPACKET` pair; both ends are ours.
//! - [`frame`]: worker ↔ cell, length-prefixed JSON frames over a stream. What comes *from* the cell is written by an
//!   untrusted program: the [`codec`] never panics, never buffers more than its limit, and every field is a claim.

pub mod codec;
pub mod control;
pub mod frame;

/// Hash of the sources this side was built from; the two sides must agree.
pub const BUILD_ID: &str = env!("WIRE_BUILD_ID");

/// The name under which a program is compiled; only frames of this file appear in tracebacks.
pub const PROGRAM_FILE: &str = "workflow.py";

/// The name of the function a program must define.
pub const ENTRY_POINT: &str = "execute_workflow";
