//! The cell, seen from the worker: programs go in, their ends come out.
//!
//! [`CellRoom`] keeps a zygote (`runner`, exec'd with an empty environment) and a pool of jailed interpreters forked
//! from it; [`CellRoom::run`] gives one of them one program. A cell runs once and dies.
//!
//! Invariants:
//! - the worker believes nothing a cell says but the bytes of its result: status, time and usage are its own;
//! - every run ends by its wall clock, whatever the cell does or does not do;
//! - a cell that does not read never blocks the worker, one that writes without end never fills it;
//! - a zygote's death costs the runs in its cells (they end as [`RunEnd::Lost`]) and nothing else.

mod attempt;
mod canary;
mod claims;
mod classify;
mod control_socket;
mod conversation;
mod descriptors;
mod error;
mod groups;
mod hierarchy;
mod keeper;
mod log_tap;
mod pool;
mod room;
mod start;
mod types;
mod watch;
mod work_root;
mod zygote;

pub use self::canary::Canary;
pub use self::error::CellError;
pub use self::room::CellRoom;
pub use self::types::{
    CellConfig, CheckedRun, FailureCode, RunEnd, RunFailure, RunHost, RunLimits, RunReport, RunSpec, RunTask,
    RunUsage, SandboxReport, StepEntered, StepLeft, Stream, ToolCall, ToolVerdict, standard_tools,
};
pub use self::watch::MemoryUse;
pub use wire::control::{LayerReport, LayerState, Refusal, Tier};
pub use wire::frame::{CheckReport, Finding, ToolDeclaration, ToolParameter};
