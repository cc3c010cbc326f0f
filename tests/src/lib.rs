//! The end-to-end harness: a whole stack of real processes, and strict fakes of the outside world.
//!
//! Real here: Redis, `api`, `worker`, `runner`, CPython, sockets, signals. Fake here: Anthropic, Paradigm and the
//! receiver of webhooks, each an HTTP server on port 0 which is as strict as the original, so that our clients are
//! under test too. Nothing in this crate sleeps to synchronise and nothing retries a test: every wait is for an
//! event, with one deadline.
//!
//! Start reading at [`stack::Stack`].

pub mod binaries;
pub mod canary;
pub mod cases;
pub mod chaos;
pub mod client;
pub mod cluster;
#[path = "../../shared/tests/queue/day.rs"]
mod day;
pub mod events;
pub mod fakes;
#[path = "../../shared/tests/queue/ports.rs"]
mod ports;
pub mod process;
pub mod proxy;
pub mod published;
pub mod record;
pub mod redis_server;
pub mod stack;
#[path = "../../shared/tests/queue/preload.rs"]
pub mod world;

use std::time::Duration;

/// The one deadline of a wait: far beyond what anything here takes, well below what a person takes to give up.
pub const DEADLINE: Duration = Duration::from_mins(1);
