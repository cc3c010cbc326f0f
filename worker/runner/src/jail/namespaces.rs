//! Namespaces: what a cell cannot name, it cannot reach.
//!
//! Network, ipc and uts are entered once by the zygote and shared by its cells: they are empty, and sockets and SysV
//! ipc are refused by the filter besides. Pid and mount namespaces are each cell's own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use wire::control::{LayerReport, Refusal};

use super::privileges::Identity;
use super::{absent, active, because};
use crate::kernel;

const FIX: &str =
    "run with CAP_SYS_ADMIN, or allow unprivileged user namespaces, or accept tier B (SANDBOX_MIN_TIER=B)";

/// What this process entered, and what its cells enter.
#[derive(Debug)]
pub struct Namespaces {
    entered: bool,
    through_user_namespace: bool,
    /// `CLONE_NEW*` bits of all cells together, and of each.
    shared: libc::c_int,
    of_each: libc::c_int,
    /// The host's `/proc`, kept open to mark cells for the out-of-memory killer; no cell keeps it.
    proc: Option<OwnedFd>,
}

impl Namespaces {
    /// Tier B: none of them.
    pub fn none() -> Self {
        Self { entered: false, through_user_namespace: false, shared: 0, of_each: 0, proc: open_proc().ok() }
    }

    /// Tier A: enters those that all cells share. `off` names what a test build leaves out.
    pub fn enter(identity: Identity, off: impl Fn(&str) -> bool) -> Result<Self, Refusal> {
        let proc = open_proc().ok();
        let through_user_namespace = !identity.can_administrate();
        if through_user_namespace {
            enter_user_namespace().map_err(because("user namespace", FIX))?;
        }
        let without_left_out = |kinds: &[(&str, libc::c_int)]| {
            kinds.iter().filter(|(name, _)| !off(name)).fold(0, |bits, (_, bit)| bits | bit)
        };
        // The zygote's own mount namespace is what its root is built in: there is no tier A without it.
        let shared = libc::CLONE_NEWNS
            | without_left_out(&[
                ("network namespace", libc::CLONE_NEWNET),
                ("ipc namespace", libc::CLONE_NEWIPC),
                ("uts namespace", libc::CLONE_NEWUTS),
            ]);
        let of_each = without_left_out(&[
            ("pid namespace", libc::CLONE_NEWPID),
            ("mount namespace", libc::CLONE_NEWNS),
        ]);
        // SAFETY: the zygote has a single thread.
        unsafe { kernel::unshare(shared) }.map_err(because("namespaces", FIX))?;
        if shared & libc::CLONE_NEWUTS != 0 {
            rustix::system::sethostname(b"cell").map_err(because("uts namespace", FIX))?;
        }
        Ok(Self { entered: true, through_user_namespace, shared, of_each, proc })
    }

    /// The `CLONE_NEW*` bits of each fork.
    pub fn of_each_cell(&self) -> u64 {
        self.of_each.unsigned_abs().into()
    }

    /// The host's `/proc`, where there is one.
    pub fn proc(&self) -> Option<BorrowedFd<'_>> {
        self.proc.as_ref().map(AsFd::as_fd)
    }

    /// In a cell, before it loses sight of `/proc`: the kernel takes cells before anything else of the host.
    pub fn be_first_to_go(&self) {
        let Some(proc) = &self.proc else { return };
        if let Ok(score) = rustix::fs::openat(proc, "self/oom_score_adj", OFlags::WRONLY, Mode::empty()) {
            // Advice only: without it the kernel still has the memory limits to go by.
            let _ = rustix::io::write(&score, b"1000");
        }
    }

    /// For operators.
    pub fn report(&self) -> Vec<LayerReport> {
        if !self.entered {
            return [
                "pid namespace",
                "mount namespace",
                "network namespace",
                "ipc namespace",
                "uts namespace",
            ]
            .map(|name| absent(name, "tier B uses none"))
            .to_vec();
        }
        let user = if self.through_user_namespace {
            active("user namespace", "of the zygote, to build the rest; cells drop all of its capabilities")
        } else {
            absent("user namespace", "not needed with CAP_SYS_ADMIN")
        };
        let layer = |bits: libc::c_int, bit: libc::c_int, name: &str, detail: &str| {
            if bits & bit != 0 { active(name, detail) } else { absent(name, "left out by a test build") }
        };
        vec![
            user,
            layer(self.of_each, libc::CLONE_NEWPID, "pid namespace", "one per cell"),
            layer(self.of_each, libc::CLONE_NEWNS, "mount namespace", "one per cell"),
            layer(
                self.shared,
                libc::CLONE_NEWNET,
                "network namespace",
                "empty, without even a loopback that is up",
            ),
            layer(self.shared, libc::CLONE_NEWIPC, "ipc namespace", "empty"),
            layer(self.shared, libc::CLONE_NEWUTS, "uts namespace", "host name 'cell'"),
        ]
    }
}

fn open_proc() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open("/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Maps this user, and nobody else, to itself. Numbers are read before: afterwards they are 65534.
fn enter_user_namespace() -> io::Result<()> {
    let user = rustix::process::getuid().as_raw();
    let group = rustix::process::getgid().as_raw();
    // SAFETY: the zygote has a single thread.
    unsafe { kernel::unshare(libc::CLONE_NEWUSER)? };
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    Ok(())
}
