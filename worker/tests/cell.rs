//! The cell, through its door: real runner, real interpreter, real walls.
//!
//! Each test starts a room of its own and ends it; what it asserts is what a program, or its user, would see.

#[path = "cell/elsewhere.rs"]
mod elsewhere;
#[path = "cell/fidelity.rs"]
mod fidelity;
#[path = "cell/groups.rs"]
mod groups;
#[path = "cell/isolation.rs"]
mod isolation;
#[path = "cell/limits.rs"]
mod limits;
#[path = "cell/memory.rs"]
mod memory;
#[path = "cell/programs_and_ends.rs"]
mod programs_and_ends;
#[path = "cell/starting.rs"]
mod starting;
#[path = "cell/support.rs"]
mod support;
#[path = "cell/tiers.rs"]
mod tiers;
#[path = "cell/tools.rs"]
mod tools;
#[path = "cell/zygotes.rs"]
mod zygotes;
