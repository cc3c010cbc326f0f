//! What api and worker must agree on.
//!
//! ```text
//! job, workflow, id, time   the domain: plain types, no I/O
//! limits                    every limit of the system, with unit and reason
//! address                   where webhooks may be sent
//! config                    how environment variables are read, all errors at once
//! seal, signing             secrets at rest, webhook signatures
//! tenant, api_key           who uses the system, and how they show it
//! store                     Redis: the only place that knows keys and scripts
//! queue                     the apalis backend over the store
//! telemetry, metrics, trace log output, numbers and traces for operators
//! ```
//!
//! Invariants kept here: a job is one record, changed only by the scripts of [`store`]; every write of a
//! running attempt names its fence; a final state never changes.

pub mod address;
pub mod api_key;
pub mod config;
pub mod id;
pub mod job;
pub mod journal;
pub mod limits;
pub mod metrics;
pub mod queue;
pub mod seal;
pub mod signing;
pub mod store;
pub mod telemetry;
pub mod tenant;
pub mod time;
pub mod trace;
pub mod workflow;
