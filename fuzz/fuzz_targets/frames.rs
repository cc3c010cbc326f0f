//! Frames from a cell, as the worker reads them: any bytes, cut anywhere.
#![no_main]

include!("../frames.rs");

libfuzzer_sys::fuzz_target!(|data: &[u8]| read_as_the_worker_does(data));
