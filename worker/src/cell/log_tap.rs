//! What a program prints, passed on up to a limit and then thrown away: it may go on printing for ever.

use super::types::{RunHost, Stream};

#[derive(Debug)]
pub(super) struct LogTap {
    bytes_left: u64,
    truncated: bool,
}

impl LogTap {
    pub(super) fn new(log_bytes_max: u64) -> Self {
        Self { bytes_left: log_bytes_max, truncated: false }
    }

    pub(super) fn pass(&mut self, host: &dyn RunHost, stream: Stream, chunk: &[u8]) {
        let fits = usize::try_from(self.bytes_left).unwrap_or(usize::MAX).min(chunk.len());
        self.bytes_left -= fits as u64;
        self.truncated |= fits < chunk.len();
        if fits > 0 {
            host.printed(stream, &chunk[..fits]);
        }
    }

    pub(super) fn truncated(&self) -> bool {
        self.truncated
    }
}
