//! (being written)
pub mod cell;
