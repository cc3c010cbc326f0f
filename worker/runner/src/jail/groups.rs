//! A control group for each cell, below a folder that the worker made for this zygote.
//!
//! Limits are written before the cell is there, so no instruction of it runs without them. What they say of a cell's end is
//! read before its group goes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags};
use wire::control::{CellGroups, KernelOom, LayerReport, Refusal, ZygoteSettings};

use super::{absent, active, because};

const FIX: &str = "delegate a cgroup v2 group with memory and pids to the worker, or none at all";
/// Microseconds of each 100 ms: one processor's worth, which is all that Python's own threads can use.
const CPU_MAX: &str = "100000 100000";

/// Where this zygote makes groups, if anywhere.
#[derive(Debug)]
pub enum Groups {
    /// Nowhere, because of this.
    Absent(String),
    /// Below this folder.
    In {
        /// Opened while its path can still be seen.
        folder: OwnedFd,
        /// File and text, the necessary ones first.
        limits: Vec<(&'static str, String)>,
        /// For operators.
        detail: String,
    },
}

/// The group of a cell that is about to be forked.
#[derive(Debug)]
pub struct Group(OwnedFd);

impl Groups {
    /// To be called while the worker's paths are still there.
    pub fn find(settings: &ZygoteSettings) -> Result<Self, Refusal> {
        let (path, memory_bytes_max, controllers) = match &settings.groups {
            CellGroups::Absent { reason } => return Ok(Self::Absent(reason.clone())),
            CellGroups::In { folder, memory_bytes_max, controllers } => {
                (folder, memory_bytes_max, controllers)
            }
        };
        let folder = rustix::fs::open(
            path.as_str(),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(because("cgroup", FIX))?;
        let mut limits = vec![
            ("memory.max", memory_bytes_max.to_string()),
            ("memory.oom.group", "1".to_owned()),
            ("pids.max", settings.threads_max.to_string()),
        ];
        if controllers.split(' ').any(|name| name == "cpu") {
            limits.push(("cpu.max", CPU_MAX.to_owned()));
        }
        let detail = format!(
            "one per cell: {controllers}; {memory_bytes_max} bytes, {} threads",
            settings.threads_max
        );
        Ok(Self::In { folder, limits, detail })
    }

    /// Makes the group of a cell, with its limits.
    pub fn make(&self, cell: u64) -> io::Result<Option<Group>> {
        let Self::In { folder, limits, .. } = self else { return Ok(None) };
        let name = cell.to_string();
        rustix::fs::mkdirat(folder, &name, Mode::from_raw_mode(0o755))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let group = rustix::fs::openat(folder, &name, flags, Mode::empty())?;
        for (file, text) in limits {
            write(group.as_fd(), file, text)?;
        }
        // Only where the kernel counts swap; elsewhere there is none.
        match write(group.as_fd(), "memory.swap.max", "0") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Some(Group(group))),
        }
    }

    /// Whether the kernel ended this cell for memory, and for whose.
    pub fn oom(&self, cell: u64) -> Option<KernelOom> {
        let Self::In { folder, .. } = self else { return None };
        let events =
            rustix::fs::openat(folder, format!("{cell}/memory.events"), OFlags::CLOEXEC, Mode::empty());
        let mut text = [0; 512];
        let length = rustix::io::read(events.ok()?, &mut text[..]).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        let happened = |event: &str| {
            text.lines()
                .any(|line| line.split_once(' ').is_some_and(|(name, count)| name == event && count != "0"))
        };
        // Killed it was by whoever ran out; `oom` is counted where that was.
        happened("oom_kill").then(|| if happened("oom") { KernelOom::OwnLimit } else { KernelOom::Elsewhere })
    }

    /// Its process is reaped, or never came.
    pub fn forget(&self, cell: u64) {
        if let Self::In { folder, .. } = self {
            // What stays is removed by the worker, with the folder.
            let _ = rustix::fs::unlinkat(folder, cell.to_string(), AtFlags::REMOVEDIR);
        }
    }

    /// For operators.
    pub fn report(&self) -> LayerReport {
        match self {
            Self::Absent(reason) => absent(
                "cgroup",
                &format!("{reason}; limits per process and the worker's memory budget stand in"),
            ),
            Self::In { detail, .. } => active("cgroup", detail),
        }
    }
}

impl Group {
    /// For a process that was not born in it: moves the calling one.
    pub fn enter(&self) -> io::Result<()> {
        write(self.0.as_fd(), "cgroup.procs", "0")
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn write(group: BorrowedFd<'_>, file: &str, text: &str) -> io::Result<()> {
    let file = rustix::fs::openat(group, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, text.as_bytes())?;
    Ok(())
}
