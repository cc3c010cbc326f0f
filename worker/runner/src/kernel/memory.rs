//! The system calls that change how this process holds its memory.

use std::ffi::c_int;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{checked, checked_long};

/// One allocation arena: threads would otherwise reserve 64 MiB of address space each.
pub fn use_one_arena() {
    // SAFETY: mallopt takes numbers.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

/// Takes for good what the allocator holds free below the top of its heap, in pieces of these sizes.
pub fn fill_gaps(sizes: impl Iterator<Item = usize>) {
    // SAFETY: both only tell something.
    let (top_bytes, end) = unsafe { (libc::mallinfo2().keepcost, libc::sbrk(0)) };
    let gaps = 1..end.expose_provenance().saturating_sub(top_bytes);
    for bytes in sizes {
        // SAFETY: nothing is written, and nothing freed: what is taken stays with the allocator as in use.
        while gaps.contains(&unsafe { libc::malloc(bytes) }.expose_provenance()) {}
    }
}

/// The address of fresh, private, writable memory.
pub fn map_memory(bytes: usize) -> io::Result<usize> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: no address is asked for, so nothing that exists is replaced.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0) };
    if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(start.expose_provenance()) }
}

/// Gives memory back.
///
/// # Safety
/// It came from [`map_memory`], and nothing points into it any more.
pub unsafe fn unmap_memory(range: Range<usize>) {
    // SAFETY: the caller's promise. It cannot fail for a range that is mapped.
    unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(range.start), range.len()) };
}

/// Gives the pages of private memory back and keeps the addresses: zeroes are read there next.
pub fn forget_contents(range: Range<usize>) {
    let first = std::ptr::with_exposed_provenance_mut::<libc::c_void>(range.start);
    // SAFETY: the callers own the range and read nothing of it before they write. When it fails the pages stay.
    unsafe { libc::madvise(first, range.len(), libc::MADV_DONTNEED) };
}

/// Room that the allocator knows nothing of: what is read into it leaves no gap in a heap that is about to be shared.
#[derive(Debug)]
pub struct Aside(Range<usize>);

impl Aside {
    /// Zeroed.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let start = map_memory(bytes)?;
        Ok(Self(start..start + bytes))
    }
}

impl Deref for Aside {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let first = std::ptr::with_exposed_provenance(self.0.start);
        // SAFETY: the mapping is this value's own, readable, zeroed, and lives as long as it.
        unsafe { std::slice::from_raw_parts(first, self.0.len()) }
    }
}

impl DerefMut for Aside {
    fn deref_mut(&mut self) -> &mut [u8] {
        let first = std::ptr::with_exposed_provenance_mut(self.0.start);
        // SAFETY: as above, and writable; `self` is borrowed for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(first, self.0.len()) }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // SAFETY: it came from `map_memory`, and every slice of it borrowed the value.
        unsafe { unmap_memory(self.0.clone()) };
    }
}

/// `MADV_COLLAPSE`, Linux 6.1.
const MADV_COLLAPSE: c_int = 25;

/// Moves memory of this process into huge pages. The whole range must be one readable mapping.
pub fn collapse(range: Range<usize>) -> io::Result<()> {
    let first = std::ptr::without_provenance_mut::<libc::c_void>(range.start);
    // SAFETY: the advice changes where the bytes lie in physical memory and nothing that a program can see; a range
    // that is not mapped is an error.
    checked(unsafe { libc::madvise(first, range.len(), MADV_COLLAPSE) }).map(drop)
}

/// Pins pages of this process as the buffers of an `io_uring` that is never used: they stay where they are, and a fork copies them at
/// once. Until the descriptor is closed.
pub fn pin(ranges: &[Range<usize>]) -> io::Result<OwnedFd> {
    /// `struct io_uring_params`: 120 bytes, nothing asked for.
    const PARAMETERS: [u32; 30] = [0; 30];
    const REGISTER_BUFFERS: libc::c_uint = 0;
    let mut parameters = PARAMETERS;
    let entries: libc::c_uint = 1;
    // SAFETY: the kernel reads and writes the parameters, which have its size and live across the call.
    let ring =
        checked_long(unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, parameters.as_mut_ptr()) })
            .map_err(said_by("io_uring_setup"))?;
    // SAFETY: a new descriptor (always close-on-exec) that nobody else owns.
    let ring = unsafe { OwnedFd::from_raw_fd(i32::try_from(ring).expect("a descriptor is small")) };
    let buffers: Vec<libc::iovec> = ranges
        .iter()
        .map(|range| libc::iovec {
            iov_base: std::ptr::with_exposed_provenance_mut(range.start),
            iov_len: range.len(),
        })
        .collect();
    let count =
        libc::c_uint::try_from(buffers.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    // SAFETY: the kernel reads `count` entries of a slice that has as many. It touches no byte of the ranges: nothing is ever
    // submitted to the ring.
    checked_long(unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring.as_raw_fd(),
            REGISTER_BUFFERS,
            buffers.as_ptr(),
            count,
        )
    })
    .map_err(said_by("io_uring_register"))?;
    Ok(ring)
}

fn said_by(call: &'static str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{call}: {error}"))
}
