//! The queue and the store against a real Redis: each script in every state it can meet, the apalis backend, and
//! random interleavings against a model.
//!
//! One server serves all tests of the process; each test has a shard of its own. Time is not waited for: leases
//! and due times are moved into the past by writing their scores, except where waiting is what is tested.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends, and says where")]

mod attempt;
mod cancel;
mod claim;
mod clock;
mod crash;
mod day;
mod events;
mod fairness;
mod finish;
mod floor;
mod ground;
mod machine;
mod memory;
mod model;
mod outage;
mod preload;
mod proxy;
mod redis_server;
mod replicas;
mod retry_later;
mod shards;
mod sharing;
mod soundness;
mod submit;
mod tenants;
mod together;
mod trouble;
mod worker;
mod world;
