//! Namespaces: what a cell cannot name, it cannot reach.
//!
//! Network, ipc and uts are entered once by the zygote and shared by its cells: they are empty, and sockets and SysV
//! ipc are refused by the filter besides. Pid and mount namespaces are each cell's own.

use std::io;
use std::os::fd::OwnedFd;

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
    /// The host's `/proc`, kept open to mark cells for the out-of-memory killer; no cell keeps it.
    proc: Option<OwnedFd>,
}

impl Namespaces {
    /// Tier B: none of them.
    pub fn none() -> Self {
        Self { entered: false, through_user_namespace: false, proc: open_proc().ok() }
    }

    /// Tier A: enters those that all cells share.
    pub fn enter(identity: Identity) -> Result<Self, Refusal> {
        let proc = open_proc().ok();
        let through_user_namespace = !identity.can_administrate();
        if through_user_namespace {
            enter_user_namespace().map_err(because("user namespace", FIX))?;
        }
        let shared = libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWNS;
        // SAFETY: the zygote has a single thread.
        unsafe { kernel::unshare(shared) }.map_err(because("namespaces", FIX))?;
        rustix::system::sethostname(b"cell").map_err(because("uts namespace", FIX))?;
        Ok(Self { entered: true, through_user_namespace, proc })
    }

    /// The `CLONE_NEW*` bits of each fork.
    #[expect(clippy::unused_self, reason = "the set belongs to what was entered")]
    pub fn of_each_cell(&self) -> u64 {
        (libc::CLONE_NEWPID | libc::CLONE_NEWNS).unsigned_abs().into()
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
        vec![
            user,
            active("pid namespace", "one per cell"),
            active("mount namespace", "one per cell"),
            active("network namespace", "empty, without even a loopback that is up"),
            active("ipc namespace", "empty"),
            active("uts namespace", "host name 'cell'"),
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
