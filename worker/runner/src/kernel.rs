//! The system calls that have no safe wrapper elsewhere, one function each, nothing else.
//!
//! Invariant: every function checks its result; none decides policy.

mod memory;

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub use self::memory::*;
use crate::jail::Statement;

/// Linux 5.7; wider than the type that `libc` has for flags of `clone`.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a fork one is on.
#[derive(Debug)]
pub enum Forked {
    /// The new process.
    Child,
    /// The old one.
    Parent {
        /// The child, in the parent's pid namespace.
        pid: i32,
        /// A handle to the child that no reuse of its number can confuse.
        pidfd: OwnedFd,
    },
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn checked_long(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Where glibc keeps the calling thread's cached tid, so that the kernel can refresh it in a child.
fn tid_address() -> io::Result<u64> {
    let mut address: *mut c_int = std::ptr::null_mut();
    // SAFETY: PR_GET_TID_ADDRESS writes one pointer to the given place, which is a live local of that type.
    checked(unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut address) })?;
    Ok(address as u64)
}

/// `clone3` without an exec to follow, into new namespaces (`CLONE_NEW*` bits) and a control group.
///
/// # Safety
/// The process must have one thread: the child has only this one, and locks that others hold would stay locked.
pub unsafe fn fork_into(namespaces: u64, group: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is the documented default of every field of clone_args.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags =
        namespaces | (libc::CLONE_PIDFD | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
    arguments.pidfd = (&raw mut pidfd) as u64;
    // glibc's cached tid would be the parent's otherwise: fork() refreshes it, a bare clone3 does not.
    arguments.child_tid = tid_address()?;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(group) = group {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(group.as_raw_fd().unsigned_abs());
    }
    // SAFETY: the arguments are valid for their size, no new stack is given (fork semantics), and the caller promises
    // that no other thread exists whose locks the child would inherit.
    let pid = checked_long(unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>())
    })?;
    if pid == 0 {
        return Ok(Forked::Child);
    }
    // SAFETY: the kernel stored a new descriptor there because CLONE_PIDFD was asked for; nobody else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Forked::Parent { pid: i32::try_from(pid).unwrap_or(i32::MAX), pidfd })
}

/// Plain `fork`, for places where `clone3` is not to be had (container profiles answer ENOSYS).
///
/// # Safety
/// As [`fork_into`].
pub unsafe fn fork() -> io::Result<Forked> {
    // SAFETY: the caller promises a single thread.
    let pid = checked(unsafe { libc::fork() })?;
    if pid == 0 {
        return Ok(Forked::Child);
    }
    let handle = rustix::process::Pid::from_raw(pid).expect("fork returns a positive pid");
    let pidfd = rustix::process::pidfd_open(handle, rustix::process::PidfdFlags::empty())?;
    Ok(Forked::Parent { pid, pidfd })
}

/// A descriptor that becomes readable when a child ends; the signal itself is blocked.
pub fn child_signal_descriptor() -> io::Result<OwnedFd> {
    let set = child_signal_set();
    // SAFETY: the set is initialised and lives across both calls.
    checked(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) })?;
    // SAFETY: as above; -1 asks for a new descriptor.
    let fd = checked(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
    // SAFETY: the descriptor is new and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn child_signal_set() -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the set before it is read.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        set
    }
}

/// Undoes what [`child_signal_descriptor`] did to the signal mask.
pub fn unblock_child_signal() {
    let set = child_signal_set();
    // SAFETY: the set is initialised; unblocking a signal cannot fail.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Ignores a signal: writes to closed pipes and to full files become errors a program can see.
pub fn ignore_signal(signal: c_int) {
    // SAFETY: SIG_IGN is a valid disposition for the signals named by the callers.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// A child that ended.
#[derive(Debug)]
pub struct Reaped {
    /// Which.
    pub pid: i32,
    /// The raw wait status.
    pub status: c_int,
    /// What it used.
    pub usage: libc::rusage,
}

/// The next ended child, if any.
pub fn reap() -> Option<Reaped> {
    let mut status = 0;
    // SAFETY: all-zero is a valid rusage; the kernel overwrites it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live locals of the right type.
    let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage) };
    (pid > 0).then_some(Reaped { pid, status, usage })
}

/// Makes `fd` known under exactly `target`, inherited by nobody in particular (there is no exec here).
pub fn place_descriptor(fd: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    if fd.as_raw_fd() == target {
        return Ok(());
    }
    // SAFETY: dup2 replaces `target`, which the callers own by convention (0 to 3 of a fresh child).
    checked(unsafe { libc::dup2(fd.as_raw_fd(), target) }).map(drop)
}

/// Closes every descriptor from `first` on.
///
/// # Safety
/// No `OwnedFd` above `first` may be used or dropped afterwards.
pub unsafe fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: passed on to the caller.
    unsafe { close_between(first, c_int::MAX) }
}

/// Closes every descriptor from `first` to `last`.
///
/// # Safety
/// No `OwnedFd` among them may be used or dropped afterwards.
pub unsafe fn close_between(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: the caller gives up all owners of these descriptors.
    checked_long(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Changes nothing and answers what is.
pub const ASK_PERSONALITY: libc::c_ulong = 0xffff_ffff;

/// Sets what kind of process this and those that it becomes are; what it was.
pub fn personality(kind: libc::c_ulong) -> io::Result<libc::c_ulong> {
    // SAFETY: the call takes a number.
    let was = checked(unsafe { libc::personality(kind) })?;
    Ok(was.unsigned_abs().into())
}

/// `prctl` with plain numbers.
pub fn prctl(option: c_int, first: libc::c_ulong, second: libc::c_ulong) -> io::Result<c_int> {
    let zero: libc::c_ulong = 0;
    // SAFETY: the options used in this crate take numbers, no pointers.
    checked(unsafe { libc::prctl(option, first, second, zero, zero) })
}

/// Sets soft and hard limit to one value.
pub fn limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    limit_softly(resource, value, value)
}

/// Sets a soft limit that the process may raise up to the hard one.
pub fn limit_softly(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let both = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the structure lives across the call.
    checked(unsafe { libc::setrlimit(resource, &raw const both) }).map(drop)
}

/// Takes away all supplementary groups and becomes this user and group for good.
pub fn become_user(id: u32) -> io::Result<()> {
    // The raw calls: the libc wrappers would signal all threads of the process, and there is one.
    // SAFETY: setgroups with a count of zero reads no memory.
    checked_long(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) })?;
    // SAFETY: plain numbers.
    checked_long(unsafe { libc::syscall(libc::SYS_setresgid, id, id, id) })?;
    // SAFETY: plain numbers.
    checked_long(unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) })?;
    Ok(())
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilitySets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words of 32 capabilities.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// The effective capabilities of this process, one bit each.
pub fn effective_capabilities() -> io::Result<u64> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut sets = [CapabilitySets::default(); 2];
    // SAFETY: version 3 fills exactly two sets.
    checked_long(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) })?;
    Ok(u64::from(sets[0].effective) | u64::from(sets[1].effective) << 32)
}

/// Gives up every capability.
pub fn drop_capabilities() -> io::Result<()> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let sets = [CapabilitySets::default(); 2];
    // SAFETY: version 3 reads exactly two sets.
    checked_long(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) }).map(drop)
}

/// Moves this process into new namespaces.
///
/// # Safety
/// The process must have one thread; descriptors are not unshared here.
pub unsafe fn unshare(namespaces: c_int) -> io::Result<()> {
    // SAFETY: the caller promises a single thread and passes CLONE_NEW* bits only.
    checked(unsafe { libc::unshare(namespaces) }).map(drop)
}

/// Adds attributes to a mount, with everything below it when `recursive`.
pub fn restrict_mount(mount: BorrowedFd<'_>, attributes: u64, recursive: bool) -> io::Result<()> {
    let change = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, the structure lives across the call and its size is given.
    checked_long(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Makes the current folder the root, with the old root mounted over it.
pub fn pivot_to_current_folder() -> io::Result<()> {
    let here = c".".as_ptr();
    // SAFETY: both paths are C strings that live for ever.
    checked_long(unsafe { libc::syscall(libc::SYS_pivot_root, here, here) }).map(drop)
}

/// Adds a system call filter to this thread. Needs `no_new_privs`.
pub fn install_filter(program: &[Statement]) -> io::Result<()> {
    #[repr(C)]
    struct FilterProgram {
        statements: u16,
        first: *const Statement,
    }
    let statements = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    let program = FilterProgram { statements, first: program.as_ptr() };
    // SAFETY: the kernel copies `statements` entries from a slice that has as many; Statement has its layout.
    checked_long(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    })
    .map(drop)
}

/// The Landlock ABI of the running kernel, 0 when there is none.
pub fn landlock_abi() -> i32 {
    let ask_version: u32 = 1;
    // SAFETY: with this flag the kernel reads no attributes.
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            ask_version,
        )
    };
    i32::try_from(abi).unwrap_or(0).max(0)
}

/// Ends the process at once: no destructors, no flushes, no Python finalisation.
pub fn exit_now(code: c_int) -> ! {
    // SAFETY: _exit never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}
