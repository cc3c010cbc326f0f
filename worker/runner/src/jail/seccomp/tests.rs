//! The filter, as the kernel would carry it out, on this architecture and on the other.

use super::rules::THREAD_FLAGS;
use super::*;
use crate::jail::bpf::tests::run;

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
    let answers = answers(ALLOWED.iter().chain(ALLOWED_HERE), |call| call.number);
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
        assert_eq!(all.iter().filter(|other| *other == call).count(), 1, "{call:?}");
        assert!(rules.iter().all(|(ruled, _)| ruled != call), "{call:?}");
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

/// The numbers of the generic table, which aarch64 has: `name number`, as the kernel's headers give them.
const AARCH64_NUMBERS: &str = include_str!("aarch64.txt");
const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;

fn on_aarch64(call: Call) -> i64 {
    let name = call.name.strip_prefix("SYS_").expect("a call");
    let mut numbers = AARCH64_NUMBERS.lines().filter_map(|line| line.split_once(' '));
    let number = numbers.find_map(|(known, number)| (known == name).then_some(number));
    number.unwrap_or_else(|| panic!("{name} does not exist on aarch64")).parse().expect("a number")
}

/// The list of this build without what only older architectures have, by the other's numbers.
#[test]
fn aarch64_answers_every_call_as_its_list_says() {
    let all = ALLOWED.iter().chain(KILLED).copied();
    let filter = Filter::compile_for(AUDIT_ARCH_AARCH64, ALLOWED.iter(), on_aarch64).for_process(42);
    let answer = |call| {
        let number = u32::try_from(on_aarch64(call)).expect("a call");
        run(&filter, AUDIT_ARCH_AARCH64, number, [0; 6])
    };
    let killed: Vec<i64> = KILLED.iter().map(|call| on_aarch64(*call)).collect();
    for call in all {
        let expected = if killed.contains(&on_aarch64(call)) { KILL } else { ALLOW };
        assert_eq!(answer(call), expected, "{}", call.name);
    }
    assert_eq!(answer(NOT_THERE), errno(libc::ENOSYS));
    assert_eq!(answer(PRETENDED), errno(0));
    let ruled: Vec<i64> = by_arguments().iter().map(|(call, _)| on_aarch64(*call)).collect();
    let named: Vec<i64> = ALLOWED
        .iter()
        .chain(KILLED)
        .chain(&NOT_SUPPORTED)
        .chain(&[NOT_THERE, PRETENDED])
        .map(|call| on_aarch64(*call))
        .chain(ruled)
        .collect();
    for number in (0..2_000).filter(|number| !named.contains(&i64::from(*number))) {
        assert_eq!(run(&filter, AUDIT_ARCH_AARCH64, number, [0; 6]), errno(libc::EPERM), "call {number}");
    }
    // Arguments decide there as well: `clone` as threads use it, and no other.
    let clone = u32::try_from(on_aarch64(call!(SYS_clone))).expect("a call");
    assert_eq!(run(&filter, AUDIT_ARCH_AARCH64, clone, [THREAD_FLAGS, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(run(&filter, AUDIT_ARCH_AARCH64, clone, [17, 0, 0, 0, 0, 0]), errno(libc::EPERM));
    assert_eq!(run(&filter, 0xc000_003e, 0, [0; 6]), KILL, "another architecture");
}

/// What stands in the table for this architecture alone must not be wanted on the other: `libc` has no name for it there.
#[test]
fn no_call_of_this_architecture_alone_exists_on_aarch64() {
    let known: Vec<&str> = AARCH64_NUMBERS.lines().filter_map(|line| line.split(' ').next()).collect();
    for Call { name, .. } in ALLOWED_HERE {
        assert!(!known.contains(&name.trim_start_matches("SYS_")), "{name} belongs to the list of all");
    }
}
