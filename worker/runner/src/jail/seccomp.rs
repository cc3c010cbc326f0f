//! The system call filter: what a Python program needs, nothing else, and what nobody needs kills.
//!
//! Several filters, because each can answer a match in one way; the kernel takes the strictest answer, and of equally
//! strict ones that of the filter installed last. So a call that must be answered mildly (`clone3`: "not implemented")
//! is allowed in the last filter and answered in an earlier one.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use crate::kernel;

/// Stands in the compiled filter where the cell's own pid belongs. No process has this number.
const PID_PLACEHOLDER: u32 = 0x7fff_fff1;

/// What `pthread_create` asks `clone` for: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID,
/// CHILD_CLEARTID. Exactly this: no namespaces, no new processes.
const THREAD_FLAGS: u64 = 0x003d_0f00;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Compiled once in the zygote.
#[derive(Debug)]
pub struct Filters {
    not_implemented: BpfProgram,
    pretended: BpfProgram,
    killing: BpfProgram,
    allowing: BpfProgram,
    allowed: usize,
    killed: usize,
}

impl Filters {
    /// For the architecture of this build.
    pub fn compile() -> Result<Self, seccompiler::BackendError> {
        let allowed = allowed()?;
        let killed = unconditional(KILLED);
        let (allowed_count, killed_count) = (allowed.len(), killed.len());
        let not_implemented = unconditional(&[libc::SYS_clone3]);
        let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
        Ok(Self {
            // glibc falls back to `clone`, whose flags a filter can read; EPERM would end in "can't start new thread".
            not_implemented: program(not_implemented, SeccompAction::Allow, errno(libc::ENOSYS))?,
            pretended: program(pretended()?, SeccompAction::Allow, errno(0))?,
            killing: program(killed, SeccompAction::Allow, SeccompAction::KillProcess)?,
            allowing: program(allowed, errno(libc::EPERM), SeccompAction::Allow)?,
            allowed: allowed_count,
            killed: killed_count,
        })
    }

    /// For the calling process and for good.
    pub fn install(&self) -> io::Result<()> {
        let own_pid = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
        let mut allowing = self.allowing.clone();
        for statement in &mut allowing {
            if statement.k == PID_PLACEHOLDER {
                statement.k = own_pid;
            }
        }
        // The killing one last: installing a filter is among what it kills.
        for filter in [&self.not_implemented, &self.pretended, &allowing, &self.killing] {
            kernel::install_filter(filter)?;
        }
        Ok(())
    }

    /// For operators.
    pub fn summary(&self) -> String {
        format!("{} calls allowed, {} kill, the rest fail", self.allowed, self.killed)
    }
}

fn program(
    rules: Rules,
    otherwise: SeccompAction,
    on_match: SeccompAction,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let architecture: TargetArch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, on_match, architecture)?.try_into()
}

fn unconditional(calls: &[i64]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn rule(conditions: &[(u8, SeccompCmpArgLen, SeccompCmpOp, u64)]) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = conditions.iter().map(|(argument, length, operator, value)| {
        SeccompCondition::new(*argument, length.clone(), operator.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

/// One rule per value: the argument is one of them.
fn one_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    values.iter().map(|value| rule(&[(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value)])).collect()
}

fn unsigned(number: i32) -> u64 {
    number.unsigned_abs().into()
}

/// File locks succeed without locking: `/work` has one user, so there is nothing to exclude, and a real lock on a
/// library file could be seen from another cell.
fn pretended() -> Result<Rules, seccompiler::BackendError> {
    Ok(BTreeMap::from([(libc::SYS_flock, Vec::new()), (libc::SYS_fcntl, one_of(1, &lock_commands())?)]))
}

fn lock_commands() -> Vec<u64> {
    [libc::F_SETLK, libc::F_SETLKW, libc::F_GETLK, libc::F_OFD_SETLK, libc::F_OFD_SETLKW, libc::F_OFD_GETLK]
        .map(unsigned)
        .to_vec()
}

fn allowed() -> Result<Rules, seccompiler::BackendError> {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let mut rules = unconditional(ALLOWED);
    rules.extend(unconditional(ALLOWED_HERE));
    // Answered by the other filters.
    rules.extend(unconditional(&[libc::SYS_clone3, libc::SYS_flock, libc::SYS_seccomp]));
    rules.insert(libc::SYS_clone, vec![rule(&[(0, Qword, Eq, THREAD_FLAGS)])?]);
    let mut fcntl = vec![libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL]
        .into_iter()
        .map(unsigned)
        .collect::<Vec<_>>();
    fcntl.extend(lock_commands());
    rules.insert(libc::SYS_fcntl, one_of(1, &fcntl)?);
    rules.insert(libc::SYS_socketpair, one_of(0, &[unsigned(libc::AF_UNIX)])?);
    // With an address they could reach a name; without one, only the other end of a pair.
    rules.insert(libc::SYS_sendto, vec![rule(&[(4, Qword, Eq, 0)])?]);
    rules.insert(libc::SYS_recvfrom, vec![rule(&[(4, Qword, Eq, 0)])?]);
    // Threads signal each other (abort, raise); SIGKILL stays the worker's word, so that it always means "from outside".
    let own = u64::from(PID_PLACEHOLDER);
    let not_killing = [
        (0, Dword, Eq, own),
        (2, Dword, Ne, unsigned(libc::SIGKILL)),
        (2, Dword, Ne, unsigned(libc::SIGSTOP)),
    ];
    rules.insert(libc::SYS_tgkill, vec![rule(&not_killing)?]);
    rules.insert(libc::SYS_prlimit64, one_of(0, &[0])?);
    rules.insert(libc::SYS_prctl, one_of(0, &[unsigned(libc::PR_SET_NAME), unsigned(libc::PR_GET_NAME)])?);
    let ioctl = [libc::TCGETS, libc::FIONBIO, libc::FIONREAD, libc::FIOCLEX, libc::FIONCLEX, libc::TIOCGWINSZ];
    rules.insert(libc::SYS_ioctl, one_of(1, &ioctl)?);
    let execute = unsigned(libc::PROT_EXEC);
    let write = unsigned(libc::PROT_WRITE);
    let anonymous = unsigned(libc::MAP_ANONYMOUS);
    rules.insert(libc::SYS_mprotect, vec![rule(&[(2, Dword, MaskedEq(execute), 0)])?]);
    rules.insert(
        libc::SYS_mmap,
        vec![
            rule(&[(2, Dword, MaskedEq(execute), 0)])?,
            // Code of libraries that are loaded late: from a file, never writable.
            rule(&[(2, Dword, MaskedEq(execute | write), execute), (3, Dword, MaskedEq(anonymous), 0)])?,
        ],
    );
    Ok(rules)
}

/// Without conditions, on every architecture.
const ALLOWED: &[i64] = &[
    // descriptors and data
    libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64, libc::SYS_pwrite64,
    libc::SYS_lseek, libc::SYS_close, libc::SYS_close_range, libc::SYS_dup, libc::SYS_dup3, libc::SYS_sendfile,
    libc::SYS_copy_file_range, libc::SYS_pipe2, libc::SYS_shutdown, libc::SYS_getsockname, libc::SYS_getpeername,
    libc::SYS_getsockopt, libc::SYS_eventfd2, libc::SYS_timerfd_create, libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2, libc::SYS_ppoll, libc::SYS_pselect6,
    // files, where Landlock and the mounts allow them
    libc::SYS_openat, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_getcwd, libc::SYS_chdir, libc::SYS_fchdir, libc::SYS_getdents64,
    libc::SYS_readlinkat, libc::SYS_mkdirat, libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_unlinkat,
    libc::SYS_symlinkat, libc::SYS_fchmod, libc::SYS_fchmodat, libc::SYS_utimensat, libc::SYS_umask,
    libc::SYS_ftruncate, libc::SYS_truncate, libc::SYS_fallocate, libc::SYS_fsync, libc::SYS_fdatasync,
    libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_fadvise64,
    // memory
    libc::SYS_munmap, libc::SYS_mremap, libc::SYS_brk, libc::SYS_madvise, libc::SYS_mincore, libc::SYS_msync,
    // threads, signals, identity
    libc::SYS_futex, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending, libc::SYS_rt_sigtimedwait, libc::SYS_sigaltstack, libc::SYS_set_robust_list,
    libc::SYS_get_robust_list, libc::SYS_rseq, libc::SYS_gettid, libc::SYS_getpid, libc::SYS_getppid,
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getgroups,
    libc::SYS_getpgid, libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_membarrier, libc::SYS_getcpu,
    libc::SYS_restart_syscall, libc::SYS_exit, libc::SYS_exit_group,
    // time and the machine
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep,
    libc::SYS_gettimeofday, libc::SYS_times, libc::SYS_getrusage, libc::SYS_getrandom, libc::SYS_getitimer,
    libc::SYS_setitimer, libc::SYS_uname, libc::SYS_sysinfo,
];

/// The older forms that x86_64 still has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_mkdir,
    libc::SYS_rmdir, libc::SYS_rename, libc::SYS_unlink, libc::SYS_symlink, libc::SYS_chmod, libc::SYS_dup2,
    libc::SYS_pipe, libc::SYS_poll, libc::SYS_select, libc::SYS_epoll_wait, libc::SYS_time, libc::SYS_alarm,
    libc::SYS_getpgrp, libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

/// No Python program calls these by accident: each is a step of a known attack on the kernel or on a neighbour.
const KILLED: &[i64] = &[
    // other processes' memory and descriptors
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_getfd, libc::SYS_kcmp,
    libc::SYS_process_madvise,
    // programs and rings that run in the kernel
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register, libc::SYS_userfaultfd,
    // storage shared between cells
    libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key, libc::SYS_shmget, libc::SYS_shmat, libc::SYS_shmctl,
    libc::SYS_semget, libc::SYS_semop, libc::SYS_semctl, libc::SYS_msgget, libc::SYS_msgsnd, libc::SYS_msgrcv,
    libc::SYS_msgctl, libc::SYS_mq_open, libc::SYS_mq_unlink,
    // namespaces and mounts
    libc::SYS_unshare, libc::SYS_setns, libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot,
    libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_fsopen, libc::SYS_fsconfig, libc::SYS_fsmount,
    libc::SYS_fspick, libc::SYS_mount_setattr, libc::SYS_name_to_handle_at, libc::SYS_open_by_handle_at,
    // page cache writes by pipe (Dirty Pipe, Copy Fail)
    libc::SYS_splice, libc::SYS_vmsplice, libc::SYS_tee,
    // the machine
    libc::SYS_personality, libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
    libc::SYS_kexec_load, libc::SYS_reboot, libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_acct, libc::SYS_quotactl,
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_adjtimex, libc::SYS_clock_adjtime,
    // other ways to execute, other walls
    libc::SYS_execveat, libc::SYS_memfd_secret, libc::SYS_seccomp, libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_killed() {
        let allowed = allowed().expect("the rules are well formed");
        let by_both: Vec<_> = KILLED.iter().filter(|call| allowed.contains_key(call)).collect();
        assert_eq!(by_both, [&libc::SYS_seccomp], "the last filter is still to be installed");
    }

    #[test]
    fn the_filters_compile_for_this_architecture() {
        Filters::compile().expect("the rules are well formed");
    }
}
