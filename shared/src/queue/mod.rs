//! The queue as apalis sees it: a complete `Backend` with its push side, over the store's scripts.
//!
//! ```text
//! api ──push_task──▶ backend ──submit──▶ Redis ◀──claim── fetcher ──▶ backend ──poll_next──▶ apalis worker
//!                                          ▲──────────────renew── leases ──stop──▶ running attempts
//! ```
//!
//! * The fetcher claims exactly as many jobs as there are free slots, and blocks on a wake list when there is
//!   nothing: no polling, no prefetch.
//! * A worker serves several shards side by side: each queue of each shard has its own fetcher, and they share the
//!   queue's slots.
//! * The renewer is a task of its own, never behind a busy worker.
//! * Redis going away ends none of them: they wait and go on.

mod backend;
mod fetch;
mod inbox;
mod leases;
mod slots;
mod wake;

pub use self::{
    backend::{JobQueue, enqueue},
    fetch::Consumer,
    leases::{Attempt, Leases, StopReason},
    slots::{Slot, Slots},
};
