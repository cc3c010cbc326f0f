//! Calls of which some forms are needed and others are not.

use super::lists::{Call, call};
use crate::jail::bpf::{Answer, Check, Rule};

/// Stands in the compiled filter where the cell's own pid belongs. No process has this number.
pub const PID_PLACEHOLDER: u32 = 0x7fff_fff1;

/// What `pthread_create` asks `clone` for: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID,
/// CHILD_CLEARTID. Exactly this: no namespaces, no new processes.
pub const THREAD_FLAGS: u64 = 0x003d_0f00;

/// The first rule that fits decides; none: the call fails.
pub fn by_arguments() -> Vec<(Call, Vec<Rule>)> {
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
        (call!(SYS_clone), vec![allow(&Check::is(0, THREAD_FLAGS))]),
        (call!(SYS_fcntl), fcntl),
        (call!(SYS_socketpair), one_of(0, &[u64::from(unsigned(libc::AF_UNIX))])),
        // With an address they could reach a name; without one, only the other end of a pair.
        (call!(SYS_sendto), vec![allow(&Check::is(4, 0))]),
        (call!(SYS_recvfrom), vec![allow(&Check::is(4, 0))]),
        // Threads signal each other (abort, raise).
        (call!(SYS_tgkill), vec![allow(&tgkill)]),
        // A number would name other processes: on tier B the host's, and whether they are there.
        (call!(SYS_prlimit64), one_of(0, &[0])),
        (call!(SYS_getpgid), one_of(0, &[0])),
        (call!(SYS_sched_getaffinity), one_of(0, &[0])),
        (call!(SYS_clock_gettime), own_clocks()),
        (call!(SYS_clock_getres), own_clocks()),
        (call!(SYS_clock_nanosleep), own_clocks()),
        (call!(SYS_futex), own_futexes()),
        // By descriptor only: Landlock guards what is opened, but neither modes nor times of what is named.
        (call!(SYS_utimensat), vec![allow(&Check::is(1, 0))]),
        (
            call!(SYS_prctl),
            one_of(0, &[libc::PR_SET_NAME, libc::PR_GET_NAME].map(|name| name.unsigned_abs().into())),
        ),
        (call!(SYS_ioctl), one_of(1, &IOCTLS)),
        (call!(SYS_mprotect), vec![allow(&[Check::masked(2, execute, 0)])]),
        (
            call!(SYS_mmap),
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
