//! From a description to a program that has run, in real cells, with generators that behave in every way they can.

#[path = "generation/checks.rs"]
mod checks;
#[path = "generation/proof.rs"]
mod proof;
#[path = "generation/support.rs"]
mod support;
