//! Makes the zygote cheap to fork. Where the kernel does not help, forks take longer and nothing else changes.
//!
//! Memory moves into huge pages: a fork copies one entry per page and the cell's end gives each back, and 500 small
//! pages in one huge one are a single entry. A cell that writes to a part of it gets a copy of that part only, 4 KiB.
//! Code is inherited: the kernel leaves the pages of a file to be found again, fault by fault, unless a page of the
//! mapping is the process's own. What the start of the interpreter freed lies in gaps all over the heap: filled up, so that what
//! a cell allocates lies side by side in new memory, and not each piece in a page to be copied.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};

use crate::kernel::{self, Aside};

/// 2 MiB on every architecture we build for (aarch64: with pages of 4 KiB).
pub const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// What a cell runs whatever its program does: its code is inherited. Of other libraries most is never run.
const COMMON_CODE: [&str; 4] = ["libpython", "libc.", "ld-linux", "runner"];

/// Sizes of what is taken, largest first: what a large piece leaves over, the smaller ones take.
const GAPS_BYTES: [usize; 12] =
    [131_072 - 4096, 65_536, 32_768, 16_384, 8_192, 6_144, 4_096, 3_072, 2_560, 2_048, 1_536, 1_280];
/// Below that, every size there is: multiples of 16.
const SMALL_GAP_BYTES_MAX: usize = 1_040;

/// 256 KiB: the mappings of a process, a line of a hundred characters each.
const MAPS_BYTES_MAX: usize = 256 * 1024;

/// The last of the above; it comes first, because the heap may grow by it.
pub fn fill_gaps() {
    kernel::fill_gaps(
        GAPS_BYTES.into_iter().chain((1..=SMALL_GAP_BYTES_MAX / 16).rev().map(|units| units * 16 + 8)),
    );
}

/// The rest. `proc` is the host's `/proc`.
pub fn gather(maps: &Maps, proc: BorrowedFd<'_>) {
    collapse(maps);
    let _ = own_a_page_of_each(maps, proc);
}

/// The mappings of this process, kept aside: the allocator holds what it held before.
#[derive(Debug)]
pub struct Maps {
    text: Aside,
    bytes: usize,
}

impl Maps {
    /// As they are now.
    pub fn read(proc: BorrowedFd<'_>) -> io::Result<Self> {
        let mut text = Aside::new(MAPS_BYTES_MAX)?;
        let mut file = open(proc, "self/maps", OFlags::RDONLY)?;
        let mut bytes = 0;
        loop {
            match file.read(&mut text[bytes..])? {
                0 => return Ok(Self { text, bytes }),
                count => bytes += count,
            }
        }
    }

    /// One for each. None when a file's name is no text.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        std::str::from_utf8(&self.text[..self.bytes]).unwrap_or_default().lines()
    }
}

/// A file below `/proc`, which this process may see through a descriptor only.
pub fn open(proc: BorrowedFd<'_>, path: &str, flags: OFlags) -> io::Result<File> {
    Ok(rustix::fs::openat(proc, path, flags | OFlags::CLOEXEC, Mode::empty())?.into())
}

/// Writes to the first byte of each mapping of common code what stands there, as a debugger would. Nobody else writes to it.
fn own_a_page_of_each(maps: &Maps, proc: BorrowedFd<'_>) -> io::Result<()> {
    let memory = open(proc, "self/mem", OFlags::RDWR)?;
    for start in maps.lines().filter_map(common_code) {
        let mut byte = [0];
        memory.read_exact_at(&mut byte, start)?;
        memory.write_all_at(&byte, start)?;
    }
    Ok(())
}

/// Collapses what is private, writable and of no file.
pub fn collapse(maps: &Maps) {
    for page in maps.lines().filter_map(anonymous).flat_map(huge_pages) {
        // A part that is not there or is pinned stays as it is.
        let _ = kernel::collapse(page);
    }
}

/// The first address of a line of `maps`, when it is code or constants that every cell uses.
fn common_code(line: &str) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let first = fields.next()?.split_once('-')?.0;
    let permissions = fields.next()?;
    let file = fields.nth(3)?.rsplit('/').next()?;
    let common = COMMON_CODE.iter().any(|name| file.starts_with(name));
    (matches!(permissions, "r-xp" | "r--p") && common).then(|| u64::from_str_radix(first, 16).ok())?
}

/// The addresses of a line of `maps`, when it is memory that a program allocated.
fn anonymous(line: &str) -> Option<Range<usize>> {
    let name = line.split_whitespace().nth(5).unwrap_or_default();
    if name.is_empty() || name == "[heap]" { writable(line) } else { None }
}

/// The addresses of a line of `maps`, when it is private memory that may be written to.
pub fn writable(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_whitespace();
    let (first, last) = fields.next()?.split_once('-')?;
    let range = usize::from_str_radix(first, 16).ok()?..usize::from_str_radix(last, 16).ok()?;
    (fields.next()? == "rw-p").then_some(range)
}

/// The huge pages that fit into a range whole.
fn huge_pages(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let first = range.start.next_multiple_of(HUGE_PAGE_BYTES);
    (first..range.end)
        .step_by(HUGE_PAGE_BYTES)
        .map(|start| start..start + HUGE_PAGE_BYTES)
        .filter(move |page| page.end <= range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allocated_memory_is_gathered() {
        let heap = "55d0c8a00000-55d0c8f21000 rw-p 00000000 00:00 0                          [heap]";
        assert_eq!(anonymous(heap), Some(0x55d0_c8a0_0000..0x55d0_c8f2_1000));
        for other in [
            "7f16868bc000-7f16868be000 rw-p 00036000 fe:00 1572 /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            "7f16868bc000-7f16868be000 r--p 00000000 00:00 0",
            "7ffca5900000-7ffca5921000 rw-p 00000000 00:00 0                          [stack]",
            "",
        ] {
            assert_eq!(anonymous(other), None, "{other}");
        }
    }

    #[test]
    fn huge_pages_lie_inside_and_on_their_own_borders() {
        let mib = 1024 * 1024;
        assert_eq!(huge_pages(mib..7 * mib).collect::<Vec<_>>(), [2 * mib..4 * mib, 4 * mib..6 * mib]);
        assert_eq!(huge_pages(mib..3 * mib).count(), 0);
    }
}
