//! Children's log files, read from outside. They write to files, not to pipes of ours, so that their last words
//! survive our own death.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// 64 MiB of log in one `wf dev`, then the file starts again: a loop that logs must not fill the disk.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// 1 MiB of new log in one look; what is more is not searched for warnings, it stays in the file.
const LOOK_BYTES_MAX: u64 = 1 << 20;
/// 64 KiB at the end of a log hold the lines worth showing.
const TAIL_BYTES_MAX: u64 = 64 << 10;

/// Follows one log file.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    /// Just after the last line seen.
    offset: u64,
}

impl Follower {
    /// From the start of the file.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), offset: 0 }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The warnings and errors among the lines completed since the last look. A log that cannot be read now is
    /// read next time: it is a courtesy, not a promise.
    pub(super) fn new_warnings(&mut self) -> Vec<String> {
        let Ok(length) = std::fs::metadata(&self.path).map(|metadata| metadata.len()) else {
            return Vec::new();
        };
        self.offset = self.offset.max(length.saturating_sub(LOOK_BYTES_MAX));
        if length < self.offset {
            self.offset = 0;
        }
        let Ok(text) = read(&self.path, self.offset, length - self.offset) else { return Vec::new() };
        let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.offset += complete as u64;
        if length > LOG_BYTES_MAX {
            // The child appends, so its next line is the first of the file.
            let _ = File::options().write(true).open(&self.path).and_then(|file| file.set_len(0));
            self.offset = 0;
        }
        let lines = String::from_utf8_lossy(&text[..complete]);
        lines.lines().filter(|line| is_warning(line)).map(str::to_owned).collect()
    }
}

/// The last lines of a log.
pub(super) fn tail(path: &Path, lines: usize) -> String {
    let length = std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default();
    let text = read(path, length.saturating_sub(TAIL_BYTES_MAX), TAIL_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<_> = text.lines().collect();
    match all.len() {
        0 => "(empty)".to_owned(),
        count => all[count.saturating_sub(lines)..].join("\n"),
    }
}

fn read(path: &Path, offset: u64, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Both log formats, and a panic.
fn is_warning(line: &str) -> bool {
    let level = line.split_whitespace().take(2).any(|word| matches!(word, "WARN" | "ERROR"));
    level
        || line.contains(r#""level":"WARN""#)
        || line.contains(r#""level":"ERROR""#)
        || line.contains("' panicked at ")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn warnings_are_told_once_and_only_when_their_line_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.log");
        let mut file = File::options().append(true).create(true).open(&path).unwrap();
        let mut follower = Follower::new(&path);
        assert!(follower.new_warnings().is_empty());
        write!(file, "2026-01-01T00:00:00Z  INFO api: fine\n2026-01-01T00:00:00Z  WARN api: ha").unwrap();
        assert!(follower.new_warnings().is_empty());
        write!(file, "lf\n{{\"level\":\"ERROR\",\"message\":\"no\"}}\nthe word ERROR is in the text\n")
            .unwrap();
        let expected = ["2026-01-01T00:00:00Z  WARN api: half", r#"{"level":"ERROR","message":"no"}"#];
        assert_eq!(follower.new_warnings(), expected);
        assert!(follower.new_warnings().is_empty());
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.log");
        assert_eq!(tail(&path, 2), "(empty)");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        assert_eq!(tail(&path, 2), "b\nc");
        assert_eq!(tail(&path, 9), "a\nb\nc");
    }

    #[test]
    fn a_log_over_its_limit_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.log");
        let mut file = File::options().append(true).create(true).open(&path).unwrap();
        let mut follower = Follower::new(&path);
        file.set_len(LOG_BYTES_MAX).unwrap();
        file.write_all(b"\nz ERROR last\n").unwrap();
        assert_eq!(follower.new_warnings(), ["z ERROR last"]);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        file.write_all(b"z ERROR first\n").unwrap();
        assert_eq!(follower.new_warnings(), ["z ERROR first"]);
    }
}
