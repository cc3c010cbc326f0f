//! End-to-end tests: one binary, one module per promise, each test on a stack of its own.
