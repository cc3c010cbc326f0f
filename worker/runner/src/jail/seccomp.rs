//! The system call filter: what a Python program needs, nothing else, and what nobody needs kills.
//!
//! One program, a binary search over call numbers: the kernel runs it once for every number when it is installed, so a
//! list of comparisons would cost each cell most of a millisecond. The lists are below; [`super::bpf`] turns them
//! into code.

use std::collections::BTreeMap;
use std::io;

use super::bpf::{self, Answer, Check, Rule, Statement};
use crate::kernel;

/// Stands in the compiled filter where the cell's own pid belongs. No process has this number.
const PID_PLACEHOLDER: u32 = 0x7fff_fff1;

/// What `pthread_create` asks `clone` for: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID,
/// CHILD_CLEARTID. Exactly this: no namespaces, no new processes.
const THREAD_FLAGS: u64 = 0x003d_0f00;

/// Compiled once in the zygote.
#[derive(Debug)]
pub struct Filter {
    statements: Vec<Statement>,
    allowed: usize,
    killed: usize,
}

impl Filter {
    /// For the architecture of this build.
    pub fn compile() -> Self {
        let answers = answers();
        let count = |wanted: fn(&Answer) -> bool| answers.values().filter(|answer| wanted(answer)).count();
        Self {
            statements: bpf::compile(&answers, &EPERM),
            allowed: count(|answer| !matches!(answer, Answer::Kill)),
            killed: count(|answer| matches!(answer, Answer::Kill)),
        }
    }

    /// For the calling process and for good.
    pub fn install(&self) -> io::Result<()> {
        kernel::install_filter(&self.for_process(rustix::process::getpid().as_raw_pid().unsigned_abs()))
    }

    fn for_process(&self, pid: u32) -> Vec<Statement> {
        let mut statements = self.statements.clone();
        for statement in &mut statements {
            if statement.k == PID_PLACEHOLDER {
                statement.k = pid;
            }
        }
        statements
    }

    /// For operators.
    pub fn summary(&self) -> String {
        format!(
            "{} calls allowed, some by their arguments, {} kill, the rest fail",
            self.allowed, self.killed
        )
    }
}

/// The answer to what is on no list: libraries that try get an error they can handle.
const EPERM: Answer = Answer::Errno(libc::EPERM.unsigned_abs());

fn answers() -> BTreeMap<u32, Answer> {
    let number = |call: i64| u32::try_from(call).expect("call numbers are small and not negative");
    let mut answers = BTreeMap::new();
    answers.extend(ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (number(*call), Answer::Allow)));
    answers.extend(KILLED.iter().map(|call| (number(*call), Answer::Kill)));
    // glibc falls back to `clone`, whose flags a filter can read; EPERM would end in "can't start new thread".
    answers.insert(number(libc::SYS_clone3), Answer::Errno(libc::ENOSYS.unsigned_abs()));
    // File locks succeed without locking: `/work` has one user, so there is nothing to exclude, and a real lock on a
    // library file could be seen from another cell.
    answers.insert(number(libc::SYS_flock), Answer::Errno(0));
    // What `shutil.copy2` asks on its way: a file system without attributes is nothing strange to it, a refusal is.
    for call in [libc::SYS_listxattr, libc::SYS_llistxattr, libc::SYS_flistxattr] {
        answers.insert(number(call), Answer::Errno(libc::ENOTSUP.unsigned_abs()));
    }
    answers.extend(by_arguments().into_iter().map(|(call, rules)| (number(call), Answer::Rules(rules))));
    answers
}

/// Calls of which some forms are needed and others are not.
fn by_arguments() -> Vec<(i64, Vec<Rule>)> {
    let allow = |checks: &[Check]| Rule { checks: checks.to_vec(), answer: Answer::Allow };
    let one_of = |argument: u8, values: &[u64]| -> Vec<Rule> {
        values.iter().map(|value| allow(&[Check::low_is(argument, low(*value))])).collect()
    };
    let pretend =
        |command: i32| Rule { checks: vec![Check::low_is(1, unsigned(command))], answer: Answer::Errno(0) };
    let mut fcntl = one_of(1, &FCNTL_COMMANDS.map(|command| command.unsigned_abs().into()));
    fcntl.extend(LOCK_COMMANDS.map(pretend));
    let execute = unsigned(libc::PROT_EXEC);
    let write = unsigned(libc::PROT_WRITE);
    let anonymous = unsigned(libc::MAP_ANONYMOUS);
    let tgkill = [
        Check::low_is(0, PID_PLACEHOLDER),
        // SIGKILL stays the worker's word, so that it always means "from outside".
        Check::low_is_not(2, unsigned(libc::SIGKILL)),
        Check::low_is_not(2, unsigned(libc::SIGSTOP)),
    ];
    vec![
        (libc::SYS_clone, vec![allow(&Check::is(0, THREAD_FLAGS))]),
        (libc::SYS_fcntl, fcntl),
        (libc::SYS_socketpair, one_of(0, &[u64::from(unsigned(libc::AF_UNIX))])),
        // With an address they could reach a name; without one, only the other end of a pair.
        (libc::SYS_sendto, vec![allow(&Check::is(4, 0))]),
        (libc::SYS_recvfrom, vec![allow(&Check::is(4, 0))]),
        // Threads signal each other (abort, raise).
        (libc::SYS_tgkill, vec![allow(&tgkill)]),
        // A number would name other processes: on tier B the host's, and whether they are there.
        (libc::SYS_prlimit64, one_of(0, &[0])),
        (libc::SYS_getpgid, one_of(0, &[0])),
        (libc::SYS_sched_getaffinity, one_of(0, &[0])),
        (libc::SYS_clock_gettime, own_clocks()),
        (libc::SYS_clock_getres, own_clocks()),
        (libc::SYS_clock_nanosleep, own_clocks()),
        (libc::SYS_futex, own_futexes()),
        // By descriptor only: Landlock guards what is opened, but neither modes nor times of what is named.
        (libc::SYS_utimensat, vec![allow(&Check::is(1, 0))]),
        (
            libc::SYS_prctl,
            one_of(0, &[libc::PR_SET_NAME, libc::PR_GET_NAME].map(|name| name.unsigned_abs().into())),
        ),
        (libc::SYS_ioctl, one_of(1, &IOCTLS)),
        (libc::SYS_mprotect, vec![allow(&[Check::masked(2, execute, 0)])]),
        (
            libc::SYS_mmap,
            vec![
                allow(&[Check::masked(2, execute, 0)]),
                // Code of libraries that are loaded late: from a file, never writable.
                allow(&[Check::masked(2, execute | write, execute), Check::masked(3, anonymous, 0)]),
            ],
        ),
    ]
}

/// Fixed clocks, and those of the program's own threads: a negative number can name the processor time of any process.
fn own_clocks() -> Vec<Rule> {
    let (negative, of_a_thread) = (1 << 31, 1 << 2);
    let named = |value| Rule {
        checks: vec![Check::masked(0, negative | if value == 0 { 0 } else { of_a_thread }, value)],
        answer: Answer::Allow,
    };
    vec![named(0), named(negative | of_a_thread)]
}

/// Private to the process, as threads use them. A shared one lies in the page of a file, and all cells map the same
/// library: waiting there is what joining a thread does (the kernel wakes it), waking could be heard next door.
fn own_futexes() -> Vec<Rule> {
    let command = 0x7f;
    let rule = |mask, value| Rule { checks: vec![Check::masked(1, mask, value)], answer: Answer::Allow };
    vec![
        rule(unsigned(libc::FUTEX_PRIVATE_FLAG), unsigned(libc::FUTEX_PRIVATE_FLAG)),
        rule(command, unsigned(libc::FUTEX_WAIT)),
        rule(command, unsigned(libc::FUTEX_WAIT_BITSET)),
    ]
}

fn unsigned(number: i32) -> u32 {
    number.unsigned_abs()
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("masked")
}

const FCNTL_COMMANDS: [i32; 6] =
    [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];
const LOCK_COMMANDS: [i32; 6] =
    [libc::F_SETLK, libc::F_SETLKW, libc::F_GETLK, libc::F_OFD_SETLK, libc::F_OFD_SETLKW, libc::F_OFD_GETLK];
const IOCTLS: [u64; 6] =
    [libc::TCGETS, libc::FIONBIO, libc::FIONREAD, libc::FIOCLEX, libc::FIONCLEX, libc::TIOCGWINSZ];

/// Without conditions, on every architecture.
const ALLOWED: &[i64] = &[
    // descriptors and data
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_sendfile,
    libc::SYS_copy_file_range,
    libc::SYS_pipe2,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    // files, where Landlock and the mounts allow them
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmod,
    libc::SYS_umask,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_fadvise64,
    // memory
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_msync,
    // threads, signals, identity
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_sched_yield,
    libc::SYS_membarrier,
    libc::SYS_getcpu,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // time and the machine
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    libc::SYS_uname,
    libc::SYS_sysinfo,
];

/// The older forms that x86_64 still has.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_unlink,
    libc::SYS_symlink,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
    libc::SYS_alarm,
    libc::SYS_getpgrp,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

/// No Python program calls these by accident: each is a step of a known attack on the kernel or on a neighbour.
const KILLED: &[i64] = &[
    // other processes' memory and descriptors
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_process_madvise,
    // programs and rings that run in the kernel
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    // storage shared between cells
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // namespaces and mounts
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    // page cache writes by pipe (Dirty Pipe, Copy Fail)
    libc::SYS_splice,
    libc::SYS_vmsplice,
    libc::SYS_tee,
    // the machine
    libc::SYS_personality,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // other ways to execute, other walls
    libc::SYS_execveat,
    libc::SYS_memfd_secret,
    libc::SYS_seccomp,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

#[cfg(test)]
mod tests {
    use super::bpf::tests::run;
    use super::*;

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

    fn errno(number: i32) -> u32 {
        libc::SECCOMP_RET_ERRNO | number.unsigned_abs()
    }

    fn answer(call: i64, arguments: [u64; 6]) -> u32 {
        let filter = Filter::compile().for_process(42);
        run(&filter, bpf::ARCHITECTURE, u32::try_from(call).expect("a call"), arguments)
    }

    #[test]
    fn every_number_there_can_be_has_the_answer_of_its_list() {
        let filter = Filter::compile().for_process(42);
        let answers = answers();
        for number in 0..2_000 {
            let expected = match answers.get(&number) {
                Some(Answer::Allow) => ALLOW,
                Some(Answer::Kill) => KILL,
                Some(Answer::Errno(number)) => libc::SECCOMP_RET_ERRNO | number,
                Some(Answer::Rules(_)) => continue,
                None => errno(libc::EPERM),
            };
            assert_eq!(run(&filter, bpf::ARCHITECTURE, number, [0; 6]), expected, "call {number}");
        }
    }

    #[test]
    fn no_call_is_on_two_lists() {
        let all: Vec<_> = ALLOWED.iter().chain(ALLOWED_HERE).chain(KILLED).copied().collect();
        let rules = by_arguments();
        for call in &all {
            assert_eq!(all.iter().filter(|other| *other == call).count(), 1, "call {call}");
            assert!(rules.iter().all(|(ruled, _)| ruled != call), "call {call}");
        }
    }

    #[test]
    fn arguments_decide_where_they_must() {
        let execute = 4;
        let cases = [
            (libc::SYS_clone, [THREAD_FLAGS, 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_clone, [THREAD_FLAGS | 0x1000_0000, 0, 0, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_clone, [THREAD_FLAGS | 1 << 33, 0, 0, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_clone3, [0; 6], errno(libc::ENOSYS)),
            (libc::SYS_fcntl, [3, 6, 0, 0, 0, 0], errno(0)),
            (libc::SYS_fcntl, [3, 1, 0, 0, 0, 0], ALLOW),
            (libc::SYS_fcntl, [3, 1024, 0, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_mmap, [0, 4096, 3, 0x22, 0, 0], ALLOW),
            (libc::SYS_mmap, [0, 4096, 5, 0x02, 9, 0], ALLOW),
            (libc::SYS_mmap, [0, 4096, 5, 0x22, 0, 0], errno(libc::EPERM)),
            (libc::SYS_mmap, [0, 4096, 7, 0x02, 9, 0], errno(libc::EPERM)),
            (libc::SYS_mprotect, [0, 4096, execute, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_sendto, [3, 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_sendto, [3, 0, 0, 0, 1 << 40, 0], errno(libc::EPERM)),
            (libc::SYS_tgkill, [42, 42, 6, 0, 0, 0], ALLOW),
            (libc::SYS_tgkill, [42, 42, 9, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_tgkill, [43, 43, 6, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_clock_gettime, [1, 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_clock_gettime, [u64::from(!42_u32 << 3 | 6), 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_clock_gettime, [u64::from(!42_u32 << 3 | 2), 0, 0, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_futex, [0, 128 | 1, 1, 0, 0, 0], ALLOW),
            (libc::SYS_futex, [0, 256 | 9, 1, 0, 0, 0], ALLOW),
            (libc::SYS_futex, [0, 1, 1, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_utimensat, [3, 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_utimensat, [3, 1, 0, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_getpgid, [1, 0, 0, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_prlimit64, [0, 7, 0, 0, 0, 0], ALLOW),
            (libc::SYS_prlimit64, [1, 7, 0, 0, 0, 0], errno(libc::EPERM)),
            (libc::SYS_prctl, [4, 1, 0, 0, 0, 0], errno(libc::EPERM)),
        ];
        for (call, arguments, expected) in cases {
            assert_eq!(answer(call, arguments), expected, "{call} {arguments:?}");
        }
    }

    #[test]
    fn another_architecture_is_killed_and_x32_fails() {
        let filter = Filter::compile().for_process(42);
        assert_eq!(run(&filter, 0x4000_0003, 0, [0; 6]), KILL);
        let read_as_x32 = 0x4000_0000;
        assert_ne!(run(&filter, bpf::ARCHITECTURE, read_as_x32, [0; 6]), ALLOW);
    }
}
