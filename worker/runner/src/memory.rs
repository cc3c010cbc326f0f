//! Makes the zygote cheap to fork: its memory moves into huge pages.
//!
//! A fork copies one entry per page and its end gives each back; 500 small pages in one huge one are a single entry.
//! A cell that writes to a part of it gets a copy of that part only, 4 KiB. Where the kernel has no huge pages to give,
//! forks take longer and nothing else changes.

use std::fs;
use std::ops::Range;

use crate::kernel;

/// 2 MiB on every architecture we build for (aarch64: with pages of 4 KiB).
const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Collapses what is private, writable and of no file; how many huge pages that made.
pub fn gather() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines()
        .filter_map(anonymous)
        .flat_map(huge_pages)
        .filter(|page| kernel::collapse(page.clone()).is_ok())
        .count()
}

/// The addresses of a line of `maps`, when it is memory that a program allocated.
fn anonymous(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_whitespace();
    let (first, last) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let name = fields.nth(3).unwrap_or_default();
    let range = usize::from_str_radix(first, 16).ok()?..usize::from_str_radix(last, 16).ok()?;
    (permissions == "rw-p" && (name.is_empty() || name == "[heap]")).then_some(range)
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
