//! The clients against real HTTP servers on a free port: what is sent, and what is made of every kind of answer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod anthropic;
mod generation;
mod offline;
mod openai_compatible;
mod paradigm;
mod paradigm_files;
mod streaming;
mod traffic;
mod upstream;
