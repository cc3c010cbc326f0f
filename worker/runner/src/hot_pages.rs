//! What every run writes to is copied into its cell by the fork, not fault by fault.
//!
//! A cell shares its zygote's memory until it writes to it. Each page that it writes to is a fault and a copy, and most are the same
//! in every run: counted references, the heap's first free pieces, the event loop. Memory that is pinned for a device may not be
//! shared this way, so a fork copies it at once; here the device is an `io_uring` that is never used. Measured beside each other on one
//! machine, for 300 pages of 18 MB: 650 µs for fork, writes and end, 340 µs with pinned pages.
//!
//! Which pages: those that a child without walls has written to at the end of a typical run. They are pinned while it lives, because
//! a pin counts for the whole of a huge page: the pin has to copy what is shared, and copies a small one. The `io_uring` has no
//! memory that is shared with the kernel, nothing is ever submitted to it, and cells close it with everything else; their filter
//! knows none of its calls.
//!
//! Where the kernel does not help (container profiles refuse `io_uring`) each cell copies what it writes to, and nothing else
//! changes: the huge pages are put together again.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use pyo3::prelude::*;
use rustix::fs::OFlags;
use rustix::process::WaitOptions;

use crate::cell;
use crate::interpreter::{self, Glue};
use crate::kernel::{self, Aside};
use crate::memory::{self, Maps};
use crate::zygote::socket_pair;

/// 4 MiB: more than twice what a typical run writes to. Beyond it something is not as it should be, and a copy for each cell would
/// be dear.
const PINNED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// 1,024 stretches: three times what is usual.
const RANGES_MAX: usize = 1024;
/// 64 living cells: far more than compute at once on most machines. The others wait for a tool, and what was copied for them before
/// they write to it is memory that counts by then.
const CROWD: usize = 64;

/// Pages that each fork copies, while they are pinned.
#[derive(Debug)]
pub struct HotPages {
    /// Empty when they could not be pinned again.
    ranges: Vec<Range<usize>>,
    pinned_by: Option<OwnedFd>,
}

impl HotPages {
    /// Finds them and pins them. The allocator holds what it held before, so that cells find the heap as the child did. `maps` are of
    /// before the child: what is mapped later may lie where it maps something else. `proc` is the host's `/proc`.
    pub fn pin(py: Python<'_>, glue: &Glue, (maps, proc): (&Maps, BorrowedFd<'_>)) -> io::Result<Self> {
        let mut ranges = Vec::with_capacity(RANGES_MAX);
        let (ours, theirs) = socket_pair()?;
        // SAFETY: the zygote has a single thread.
        let fork = || unsafe { kernel::fork() };
        let (pid, pidfd) = interpreter::fork(py, fork, || cell::rehearse_only(py, glue, &theirs))?;
        drop(theirs);
        // While it lives: what it has not written to is shared, the rest is its own; and a pin takes a page out of what is shared.
        let pinned_by = cell::wait_for_rehearsal(&ours)
            .and_then(|()| find_written_by(pid, (maps, proc), &mut ranges))
            .and_then(|of_no_file| pin_what_may_be(&mut ranges, of_no_file));
        let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
        let _ = rustix::process::waitpid(rustix::process::Pid::from_raw(pid), WaitOptions::empty());
        Ok(Self { ranges, pinned_by: Some(pinned_by?) })
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.ranges.iter().map(|range| range.len() / page_bytes()).sum()
    }

    /// Before a fork: a crowd shares again what it does not write to.
    pub fn follow(&mut self, living_cells: usize) {
        if !pays_off(self.pinned_by.is_some(), living_cells) {
            self.pinned_by = None;
        } else if self.pinned_by.is_none() && !self.ranges.is_empty() {
            self.pinned_by = kernel::pin(&self.ranges).ok();
            if self.pinned_by.is_none() {
                // Not at every fork again: cells are as they are everywhere else.
                self.ranges = Vec::new();
            }
        }
    }
}

/// Between half a crowd and a crowd it stays as it is.
fn pays_off(is_pinned: bool, living_cells: usize) -> bool {
    living_cells <= if is_pinned { CROWD } else { CROWD / 2 }
}

/// Adds the pages of this process that a child of it has copies of, those that belong to no file first; how many ranges these are.
fn find_written_by(
    pid: i32,
    (maps, proc): (&Maps, BorrowedFd<'_>),
    ranges: &mut Vec<Range<usize>>,
) -> io::Result<usize> {
    let pagemap = memory::open(proc, &format!("{pid}/pagemap"), OFlags::RDONLY)
        .map_err(|error| io::Error::new(error.kind(), format!("pagemap: {error}")))?;
    for writable in maps.lines().filter(|line| !is_of_file(line)).filter_map(memory::writable) {
        add_own_pages(&pagemap, writable, ranges)?;
    }
    let of_no_file = ranges.len();
    for writable in maps.lines().filter(|line| is_of_file(line)).filter_map(memory::writable) {
        add_own_pages(&pagemap, writable, ranges)?;
    }
    let bytes: usize = ranges.iter().map(Range::len).sum();
    if bytes > PINNED_BYTES_MAX || ranges.len() > RANGES_MAX {
        return Err(io::Error::other(format!("{bytes} bytes in {} places are too many", ranges.len())));
    }
    Ok(of_no_file)
}

fn is_of_file(line: &str) -> bool {
    line.contains('/')
}

/// Kernels before 6.5 pin no page of a library's data, however private it is.
fn pin_what_may_be(ranges: &mut Vec<Range<usize>>, of_no_file: usize) -> io::Result<OwnedFd> {
    kernel::pin(ranges).or_else(|_| {
        ranges.truncate(of_no_file);
        kernel::pin(ranges)
    })
}

/// Of the kernel's `pagemap`: a word per page. Bit 63: it is there; 61: it is a file's; 56: nobody else has it.
fn add_own_pages(pagemap: &File, writable: Range<usize>, ranges: &mut Vec<Range<usize>>) -> io::Result<()> {
    const THERE: u64 = 1 << 63;
    const FILE: u64 = 1 << 61;
    const EXCLUSIVE: u64 = 1 << 56;
    let first = writable.start / page_bytes();
    let mut words = Aside::new(writable.len() / page_bytes() * size_of::<u64>())?;
    pagemap.read_exact_at(&mut words, (first * size_of::<u64>()) as u64)?;
    for (index, word) in words.chunks_exact(size_of::<u64>()).enumerate() {
        let word = u64::from_ne_bytes(word.try_into().expect("the chunks have this size"));
        if word & (THERE | FILE | EXCLUSIVE) == THERE | EXCLUSIVE {
            join(ranges, writable.start + index * page_bytes());
        }
    }
    Ok(())
}

/// Adds a page: to its neighbour, where it is there.
fn join(ranges: &mut Vec<Range<usize>>, page: usize) {
    match ranges.last_mut() {
        Some(last) if last.end == page => last.end += page_bytes(),
        _ => ranges.push(page..page + page_bytes()),
    }
}

fn page_bytes() -> usize {
    rustix::param::page_size()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_pinned_together() {
        let (page, mut ranges) = (page_bytes(), Vec::new());
        for each in [page, 2 * page, 5 * page] {
            join(&mut ranges, each);
        }
        assert_eq!(ranges, [page..3 * page, 5 * page..6 * page]);
    }

    #[test]
    fn a_crowd_is_not_copied_for_and_the_few_after_it_are_again() {
        let mut is_pinned = true;
        let among = [CROWD, CROWD + 1, CROWD, CROWD / 2 + 1, CROWD / 2, CROWD].map(|living_cells| {
            is_pinned = pays_off(is_pinned, living_cells);
            is_pinned
        });
        assert_eq!(among, [true, false, false, false, true, true]);
    }
}
