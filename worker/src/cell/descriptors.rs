//! How many cells this process can hold: each takes some of its open files, and when those are used up no cell comes any more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wire::control::CELL_DESCRIPTORS_MAX;

/// 1,024 for everything else: connections to Redis, providers and receivers, the runtime, logs.
const OTHERS_MAX: u64 = 1024;

/// Raises the limit of open files to what this process may have, and tells how many cells that is.
pub(super) fn cells_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    // A soft limit is there for programs that use `select`; this one does not. It stays as it is when it cannot be raised.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let cells = files.saturating_sub(OTHERS_MAX) / CELL_DESCRIPTORS_MAX as u64;
    usize::try_from(cells).unwrap_or(usize::MAX).max(1)
}
