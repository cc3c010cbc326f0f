//! Which calls are allowed whatever their arguments, and which kill: by name, as each architecture numbers them.

/// A system call, as the headers of this architecture know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// "SYS_read".
    pub name: &'static str,
    /// Of this build's architecture.
    pub number: i64,
}

/// What glibc makes of `rename` on aarch64, where `libc` has no name for it.
#[cfg(target_arch = "aarch64")]
pub const RENAMEAT: i64 = 38;
/// As everywhere else.
#[cfg(not(target_arch = "aarch64"))]
pub const RENAMEAT: i64 = libc::SYS_renameat;

macro_rules! call {
    (SYS_renameat) => {
        $crate::jail::seccomp::lists::Call {
            name: "SYS_renameat",
            number: $crate::jail::seccomp::lists::RENAMEAT,
        }
    };
    ($name:ident) => {
        $crate::jail::seccomp::lists::Call { name: stringify!($name), number: libc::$name }
    };
}
pub(super) use call;

macro_rules! calls {
    ($($name:ident),* $(,)?) => { &[$(call!($name)),*] };
}

/// Without conditions, on every architecture.
pub const ALLOWED: &[Call] = calls![
    // descriptors and data
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_lseek,
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup3,
    SYS_sendfile,
    SYS_copy_file_range,
    SYS_pipe2,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_ppoll,
    SYS_pselect6,
    // files, where Landlock and the mounts allow them
    SYS_openat,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_getcwd,
    SYS_chdir,
    SYS_fchdir,
    SYS_getdents64,
    SYS_readlinkat,
    SYS_mkdirat,
    SYS_renameat,
    SYS_renameat2,
    SYS_unlinkat,
    SYS_symlinkat,
    SYS_fchmod,
    SYS_umask,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_statfs,
    SYS_fstatfs,
    SYS_fadvise64,
    // memory
    SYS_munmap,
    SYS_mremap,
    SYS_brk,
    SYS_madvise,
    SYS_mincore,
    SYS_msync,
    // threads, signals, identity
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getgroups,
    SYS_sched_yield,
    SYS_membarrier,
    SYS_getcpu,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
    // time and the machine
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_times,
    SYS_getrusage,
    SYS_getrandom,
    SYS_getitimer,
    SYS_setitimer,
    SYS_uname,
    SYS_sysinfo,
];

/// The older forms that x86_64 still has.
#[cfg(target_arch = "x86_64")]
pub const ALLOWED_HERE: &[Call] = calls![
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_rename,
    SYS_unlink,
    SYS_symlink,
    SYS_dup2,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_time,
    SYS_alarm,
    SYS_getpgrp,
    SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
pub const ALLOWED_HERE: &[Call] = &[];

/// No Python program calls these by accident: each is a step of a known attack on the kernel or on a neighbour.
pub const KILLED: &[Call] = calls![
    // other processes' memory and descriptors
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    SYS_process_madvise,
    // programs and rings that run in the kernel
    SYS_bpf,
    SYS_perf_event_open,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_userfaultfd,
    // storage shared between cells
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_shmget,
    SYS_shmat,
    SYS_shmctl,
    SYS_semget,
    SYS_semop,
    SYS_semctl,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
    SYS_mq_open,
    SYS_mq_unlink,
    // namespaces and mounts
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    // page cache writes by pipe (Dirty Pipe, Copy Fail)
    SYS_splice,
    SYS_vmsplice,
    SYS_tee,
    // the machine
    SYS_personality,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    // other ways to execute, other walls
    SYS_execveat,
    SYS_memfd_secret,
    SYS_seccomp,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
];
