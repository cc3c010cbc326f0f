//! End-to-end tests: one binary, one module per promise, each test a sentence on a stack of its own.

mod browser;
mod budgets;
mod cancelling;
mod cases;
mod chaos;
mod clarification;
mod clock;
mod cluster;
mod command_line;
mod connections;
mod creation;
mod documents;
mod durability;
mod fairness;
mod faults;
mod files;
mod generation;
mod listing;
mod offline;
mod origins;
mod peers;
mod problems;
mod programs;
mod proving;
mod receivers;
mod recording;
mod recovery;
mod replay;
mod schemathesis;
mod secrets;
mod slow_clients;
mod streams;
mod tenants;
mod tools;
mod tracing;
mod waiting;
mod walls;
mod webhook_schedule;
mod webhooks;

/// Returns its input.
const ECHO: &str = "async def execute_workflow(user_input: str) -> str:\n    return user_input\n";

/// Searches for its input and returns the answer.
const SEARCH: &str =
    "async def execute_workflow(user_input: str) -> str:\n    return await paradigm_search(user_input)\n";

/// Never ends by itself.
const ENDLESS: &str = "def execute_workflow(user_input: str) -> str:\n    while True:\n        pass\n";
