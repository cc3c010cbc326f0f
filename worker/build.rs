//! Gives `BUILD_ID` to the compiler: see `build_id.rs` in the workspace root.
include!("../build_id.rs");
