//! Works without any key: a small compiler from English and French descriptions to programs, a full-text index over a
//! folder of documents, and extractive answers.
//!
//! Everything here is deterministic and says honestly what it cannot do: the compiler names the part of a description
//! it could not read, the index answers `NOT_FOUND` rather than nonsense, and extraction only ever quotes its prompt.

mod compile;
mod extract;
mod index;
mod text;

pub use compile::{Language, NotUnderstood, Program, compile};
pub use extract::extract;
pub use index::{Answer, DocumentIndex, NOT_FOUND};
