//! What every run writes to is copied into its cell by the fork, not fault by fault.
//!
//! A cell shares its zygote's memory until it writes to it. Each page that it writes to is a fault and a copy, and most are the same
//! in every run: counted references, the heap's first free pieces, the event loop. Memory that is pinned for a device may not be
//! shared this way, so a fork copies it at once; here the device is an `io_uring` that is never used. Measured beside each other on one
//! machine, for 300 pages of 18 MB: 650 µs for fork, writes and end, 340 µs with pinned pages.
//!
//! Which pages: those that a child without walls has written to at the end of a typical run. They are taken out of their huge
//! pages first, because a pin counts for the whole. The `io_uring` has no memory that is shared with the kernel, nothing is ever
//! submitted to it, and cells close it with everything else; their filter knows none of its calls.
//!
//! Where the kernel does not help (container profiles refuse `io_uring`) each cell copies what it writes to, and nothing else changes.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use pyo3::prelude::*;
use rustix::process::WaitOptions;

use crate::cell;
use crate::interpreter::Glue;
use crate::kernel::{self, Forked};
use crate::memory;
use crate::zygote::socket_pair;

/// 4 MiB: more than twice what a typical run writes to. Beyond it something is not as it should be, and a copy for each cell would
/// be dear.
const PINNED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// 256 living cells: more than run at once on any machine, so most of them wait for a tool, and what they would have copied and never
/// written to is memory that counts by then.
const CROWD: usize = 256;

/// Pages that each fork copies, while they are pinned.
#[derive(Debug)]
pub struct HotPages {
    ranges: Vec<Range<usize>>,
    pinned_by: Option<OwnedFd>,
}

impl HotPages {
    /// Finds them and pins them. Before the walls: it looks into `/proc`.
    pub fn pin(py: Python<'_>, glue: &Glue) -> io::Result<Self> {
        let ranges = joined(&pages_of_a_typical_run(py, glue)?);
        let pinned_by = Some(kernel::pin(&ranges)?);
        Ok(Self { ranges, pinned_by })
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.ranges.iter().map(|range| range.len() / page_bytes()).sum()
    }

    /// Before a fork: a crowd shares again what it does not write to.
    pub fn follow(&mut self, living_cells: usize) {
        if !pays_off(self.pinned_by.is_some(), living_cells) {
            self.pinned_by = None;
        } else if self.pinned_by.is_none() {
            // What worked once works again; if not, cells are as they are everywhere else.
            self.pinned_by = kernel::pin(&self.ranges).ok();
        }
    }
}

/// Between half a crowd and a crowd it stays as it is.
fn pays_off(is_pinned: bool, living_cells: usize) -> bool {
    living_cells <= if is_pinned { CROWD } else { CROWD / 2 }
}

/// Of a child without walls, at its last frame.
fn pages_of_a_typical_run(py: Python<'_>, glue: &Glue) -> io::Result<Vec<usize>> {
    let (ours, theirs) = socket_pair()?;
    // SAFETY: Python was initialised on this thread and is attached; there is no other thread.
    unsafe { pyo3::ffi::PyOS_BeforeFork() };
    // SAFETY: the zygote has a single thread.
    let forked = unsafe { kernel::fork() };
    if let Ok(Forked::Child) = forked {
        cell::rehearse_only(py, glue, &theirs);
    }
    // SAFETY: the counterpart of PyOS_BeforeFork, in the parent.
    unsafe { pyo3::ffi::PyOS_AfterFork_Parent() };
    let Forked::Parent { pid, pidfd } = forked? else { unreachable!("it never comes back") };
    drop(theirs);
    // While it lives: what it has not written to is shared, the rest is its own.
    let pages = cell::wait_for_rehearsal(&ours).and_then(|()| written_by(pid));
    let owned = pages.and_then(|pages| own(&pages).map(|()| pages));
    let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
    let _ = rustix::process::waitpid(rustix::process::Pid::from_raw(pid), WaitOptions::empty());
    owned
}

/// Addresses of the pages of this process that a child of it has copies of.
fn written_by(pid: i32) -> io::Result<Vec<usize>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let pagemap = File::open(format!("/proc/{pid}/pagemap"))?;
    let mut pages = Vec::new();
    for range in maps.lines().filter_map(memory::writable) {
        pages.extend(own_pages(&pagemap, range)?);
    }
    if pages.len() * page_bytes() > PINNED_BYTES_MAX {
        return Err(io::Error::other(format!("{} pages are too many", pages.len())));
    }
    Ok(pages)
}

/// Of the kernel's `pagemap`: a word per page. Bit 63: it is there; 61: it is a file's; 56: nobody else has it.
fn own_pages(pagemap: &File, range: Range<usize>) -> io::Result<Vec<usize>> {
    const THERE: u64 = 1 << 63;
    const FILE: u64 = 1 << 61;
    const EXCLUSIVE: u64 = 1 << 56;
    let count = range.len() / page_bytes();
    let mut words = vec![0; count * size_of::<u64>()];
    pagemap.read_exact_at(&mut words, (range.start / page_bytes() * size_of::<u64>()) as u64)?;
    let words = words
        .chunks_exact(size_of::<u64>())
        .map(|word| u64::from_ne_bytes(word.try_into().expect("the chunks have this size")));
    let own = words.enumerate().filter(|(_, word)| word & (THERE | FILE | EXCLUSIVE) == THERE | EXCLUSIVE);
    Ok(own.map(|(index, _)| range.start + index * page_bytes()).collect())
}

/// Makes the pages this process's own, small ones, by writing to each what stands there, as a debugger would.
fn own(pages: &[usize]) -> io::Result<()> {
    let memory = File::options().read(true).write(true).open("/proc/self/mem")?;
    for page in pages {
        let mut byte = [0];
        memory.read_exact_at(&mut byte, *page as u64)?;
        memory.write_all_at(&byte, *page as u64)?;
    }
    Ok(())
}

/// Neighbours together.
fn joined(pages: &[usize]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for &page in pages {
        match ranges.last_mut() {
            Some(last) if last.end == page => last.end += page_bytes(),
            _ => ranges.push(page..page + page_bytes()),
        }
    }
    ranges
}

fn page_bytes() -> usize {
    rustix::param::page_size()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_pinned_together() {
        let page = page_bytes();
        assert_eq!(joined(&[page, 2 * page, 5 * page]), [page..3 * page, 5 * page..6 * page]);
        assert_eq!(joined(&[]), []);
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
