//! The tests of the scripts and of the backend once more, on a Redis Cluster of three nodes: each test's shard lies on
//! the node that has its slot, and what the tests know of the cluster is the address of its first node.
//!
//! What is tested with the server itself (its death, its clock, its memory) is tested with one server only.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends, and says where")]

mod attempt;
mod cancel;
mod claim;
mod crash;
mod day;
mod events;
mod fairness;
mod finish;
mod floor;
#[expect(dead_code, reason = "some is used by the other tests only")]
mod ground;
mod machine;
mod model;
#[path = "redis_server.rs"]
#[expect(dead_code, reason = "a node is not killed here")]
mod node;
mod ports;
#[path = "cluster_server.rs"]
mod redis_server;
mod retry_later;
mod shards;
mod soundness;
mod submit;
mod tenants;
mod worker;
