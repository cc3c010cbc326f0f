//! Where CPython's objects lie: side by side, so that huge pages hold them.
//!
//! CPython asks for arenas of 1 MiB (256 KiB before 3.10). The kernel would put them into gaps between libraries, where
//! no huge page fits. Here the first ones come from one stretch; what a program needs beyond it comes from the kernel.

use std::ffi::c_void;
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::kernel;
use crate::memory::HUGE_PAGE_BYTES;

/// 24 MiB: a warm interpreter takes half of it; it is address space, not memory, until it is used.
const STRETCH_BYTES: usize = 12 * HUGE_PAGE_BYTES;

/// CPython's small objects: sizes of whole 16 bytes up to 512, in pools of 16 KiB (4 KiB before 3.10) behind a header.
const BLOCK_BYTES: usize = 16;
const BLOCK_BYTES_MAX: usize = 512;
const POOL_BYTES: usize = 16 * 1024;
const POOL_HEADER_BYTES: usize = 48;
/// A fresh pool gives its blocks in order from the first; one in use hardly ever does four times.
const IN_ORDER: usize = 4;
/// 100,000 of each size: more are not free after a start, and the rest would only stay where it is.
const BLOCKS_MAX: usize = 100_000;

/// The part of the stretch that was not given out yet.
#[derive(Debug)]
struct Stretch {
    next: usize,
    end: usize,
}

/// Must come before the interpreter is initialised. Without address space to be had CPython does as it always does.
pub fn keep_together() {
    let Ok(start) = kernel::map_memory(STRETCH_BYTES + HUGE_PAGE_BYTES) else { return };
    let first = start.next_multiple_of(HUGE_PAGE_BYTES);
    let stretch = Box::new(Stretch { next: first, end: first + STRETCH_BYTES });
    // It lives as long as the interpreter: as long as the process.
    let context = Box::into_raw(stretch).cast::<c_void>();
    let mut allocator =
        ffi::PyObjectArenaAllocator { ctx: context, alloc: Some(allocate), free: Some(release) };
    // SAFETY: Python is not initialised yet, and there is one thread. The functions keep CPython's contract: whole
    // pages of zeroed or unwritten memory, null when there is none.
    unsafe { ffi::PyObject_SetArenaAllocator(&raw mut allocator) };
}

/// Takes for good the free blocks of the pools in use: what the start of the interpreter freed lies all over its arenas, and a
/// cell would copy a page for each block it gets. From a fresh pool it gets them side by side.
pub fn fill_pools(_attached: Python<'_>) {
    for bytes in (BLOCK_BYTES..=BLOCK_BYTES_MAX).step_by(BLOCK_BYTES) {
        let (mut last, mut in_order) = (0, 0);
        for _ in 0..BLOCKS_MAX {
            // SAFETY: the interpreter is held. Nothing is written, and nothing freed.
            let block = unsafe { ffi::PyObject_Malloc(bytes) }.expose_provenance();
            let is_next = block == last + bytes;
            let is_first = block % POOL_BYTES == POOL_HEADER_BYTES;
            in_order = if is_next { in_order + 1 } else { usize::from(is_first) };
            if in_order == IN_ORDER {
                break;
            }
            last = block;
        }
    }
}

extern "C" fn allocate(context: *mut c_void, bytes: usize) -> *mut c_void {
    // SAFETY: the context is the leaked stretch, and CPython calls allocators with its interpreter held: no two at once.
    let stretch = unsafe { &mut *context.cast::<Stretch>() };
    if stretch.end - stretch.next >= bytes {
        let arena = stretch.next;
        stretch.next += bytes;
        return ptr::with_exposed_provenance_mut(arena);
    }
    kernel::map_memory(bytes).map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
}

extern "C" fn release(context: *mut c_void, arena: *mut c_void, bytes: usize) {
    // SAFETY: as in `allocate`.
    let stretch = unsafe { &mut *context.cast::<Stretch>() };
    let start = arena.expose_provenance();
    if stretch.next == start + bytes {
        stretch.next = start; // the last one: it is given out again
        kernel::forget_contents(start..start + bytes);
    } else {
        // SAFETY: CPython gives back what it got, once, and has no pointer into it any more.
        unsafe { kernel::unmap_memory(start..start + bytes) };
    }
}
