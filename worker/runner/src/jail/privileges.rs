//! Who a cell is and what it may still do as such: nobody, nothing.

use std::io;

use wire::control::LayerReport;

use super::{absent, active};
use crate::kernel;

/// First of the numbers that are never given to a person or a service (systemd's range for short-lived users).
const FIRST_CELL_USER: u32 = 61_184;
/// Cells alive at once have different numbers as long as they are fewer.
const CELL_USERS: u64 = 4_096;

const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;
const CAP_SETPCAP: u64 = 1 << 8;
const CAP_SYS_ADMIN: u64 = 1 << 21;
/// More than the kernel will have for long; the first unknown number ends the loop.
const CAPABILITIES_MAX: libc::c_ulong = 64;

/// `PR_SET_MDWE`, Linux 6.3.
const PR_SET_MDWE: libc::c_int = 65;
const PR_GET_MDWE: libc::c_int = 66;
const MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;

/// `SECBIT_*`: uid 0 means nothing, keeps nothing, raises nothing, and none of this can be taken back.
const SECURE_BITS: libc::c_ulong = 0b1110_1111;

/// What the zygote may do about users.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    capabilities: u64,
}

impl Identity {
    /// Looks at the zygote itself.
    pub fn find() -> io::Result<Self> {
        Ok(Self { capabilities: kernel::effective_capabilities()? })
    }

    /// Whether namespaces can be entered without a user namespace.
    pub fn can_administrate(self) -> bool {
        self.has(CAP_SYS_ADMIN)
    }

    /// Whether each cell gets a user of its own.
    pub fn is_own_per_cell(self) -> bool {
        self.has(CAP_SETUID | CAP_SETGID)
    }

    /// The user of a cell, `None` when it stays the worker's.
    pub fn of_cell(self, cell: u64) -> Option<u32> {
        let slot = u32::try_from(cell % CELL_USERS).unwrap_or(0);
        self.is_own_per_cell().then_some(FIRST_CELL_USER + slot)
    }

    /// Changes user and group for good.
    pub fn drop_to_cell(self, cell: u64) -> io::Result<()> {
        match self.of_cell(cell) {
            Some(user) => kernel::become_user(user),
            None => Ok(()),
        }
    }

    /// Without an exec nothing takes capabilities away by itself, not even a change of user inside a user namespace.
    #[expect(clippy::unused_self, reason = "reads as a sentence where it is called")]
    pub fn drop_capabilities(self) -> io::Result<()> {
        kernel::drop_capabilities()
    }

    fn has(self, capabilities: u64) -> bool {
        self.capabilities & capabilities == capabilities
    }

    /// For operators.
    pub fn report(self) -> LayerReport {
        if self.is_own_per_cell() {
            let last = FIRST_CELL_USER + u32::try_from(CELL_USERS).unwrap_or(0) - 1;
            active("user", &format!("one of {FIRST_CELL_USER}..={last} per cell"))
        } else {
            absent("user", "the worker is not root: its cells have its user, without capabilities")
        }
    }
}

/// In the zygote, once: what it still has, nothing can give it again, and no change of user gives or takes any.
pub fn drop_bounding_set() -> io::Result<()> {
    if kernel::effective_capabilities()? & CAP_SETPCAP == 0 {
        return Ok(()); // an ordinary user: there is nothing to give up, and no exec that could regain it
    }
    for capability in 0..CAPABILITIES_MAX {
        match kernel::prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    kernel::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL.unsigned_abs().into(), 0)?;
    kernel::prctl(libc::PR_SET_SECUREBITS, SECURE_BITS, 0).map(drop)
}

/// Whether the kernel knows memory-deny-write-execute.
pub fn write_xor_execute_is_known() -> bool {
    kernel::prctl(PR_GET_MDWE, 0, 0).is_ok()
}

/// No memory becomes executable any more, so no machine code comes in.
pub fn forbid_new_code() -> io::Result<()> {
    kernel::prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0).map(drop)
}
