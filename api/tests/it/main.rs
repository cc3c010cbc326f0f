//! The api as a client sees it: over real sockets, on a real Redis, with a worker played by the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod accepted;
mod client;
mod credentials;
#[path = "../../../shared/tests/queue/day.rs"]
mod day;
mod edge;
mod events;
mod fixture;
mod isolation;
mod jobs;
mod keys;
mod openapi;
mod problems;
mod process;
mod quotas;
mod rewrites;
mod service;
mod shards;
mod unread;
mod versions;
mod workflows;
