//! A compiler from a table of answers to a seccomp filter: classic BPF, a binary search over ranges of call numbers.

use std::collections::BTreeMap;

/// One BPF instruction, as the kernel lays it out.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// What to do.
    pub code: u16,
    /// How many statements to skip when a comparison holds.
    pub jump_true: u8,
    /// And when it does not.
    pub jump_false: u8,
    /// The operand.
    pub k: u32,
}

/// `AUDIT_ARCH_*` of this build.
#[cfg(target_arch = "x86_64")]
pub const ARCHITECTURE: u32 = 0xc000_003e;
/// `AUDIT_ARCH_*` of this build.
#[cfg(target_arch = "aarch64")]
pub const ARCHITECTURE: u32 = 0xc000_00b7;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Where `struct seccomp_data` has the call number, the architecture, and the low half of the first argument.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is made.
    Allow,
    /// It is not made and returns this error; 0 is success.
    Errno(u32),
    /// The process ends.
    Kill,
    /// The first rule that fits decides; none: the default.
    Rules(Vec<Rule>),
}

/// When all checks hold, this is the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// All must hold.
    pub checks: Vec<Check>,
    /// Not `Rules` again.
    pub answer: Answer,
}

/// A comparison of half an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    offset: u32,
    mask: u32,
    value: u32,
    equal: bool,
}

impl Check {
    /// The low half has this value: right for what the kernel takes as an `int`.
    pub fn low_is(argument: u8, value: u32) -> Self {
        Self::masked(argument, u32::MAX, value)
    }

    /// The low half has another value.
    pub fn low_is_not(argument: u8, value: u32) -> Self {
        Self { equal: false, ..Self::low_is(argument, value) }
    }

    /// These bits of the low half are these.
    pub fn masked(argument: u8, mask: u32, value: u32) -> Self {
        Self { offset: FIRST_ARGUMENT + 8 * u32::from(argument), mask, value, equal: true }
    }

    /// Both halves.
    pub fn is(argument: u8, value: u64) -> [Self; 2] {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("masked");
        let low = Self::low_is(argument, half(value));
        [low, Self { offset: low.offset + 4, value: half(value >> 32), ..low }]
    }
}

/// The whole filter. Call numbers that are not in the table get `otherwise`; another architecture's calls kill.
pub fn compile(architecture: u32, answers: &BTreeMap<u32, Answer>, otherwise: &Answer) -> Vec<Statement> {
    let mut program = vec![
        statement(LOAD, ARCH),
        Statement { code: JUMP_EQUAL, jump_true: 1, jump_false: 0, k: architecture },
        answer(&Answer::Kill),
        statement(LOAD, NUMBER),
    ];
    program.extend(search(&ranges(answers, otherwise), otherwise));
    program
}

/// First numbers of ranges with one answer each, from 0 to the end of the numbers.
fn ranges(answers: &BTreeMap<u32, Answer>, otherwise: &Answer) -> Vec<(u32, Answer)> {
    let mut ranges: Vec<(u32, Answer)> = vec![(0, otherwise.clone())];
    let mut next = 0;
    let mut begin = |first: u32, answer: &Answer| match ranges.last_mut() {
        Some((_, last)) if last == answer && !matches!(answer, Answer::Rules(_)) => {}
        Some((start, last)) if *start == first => *last = answer.clone(),
        _ => ranges.push((first, answer.clone())),
    };
    for (number, answer) in answers {
        if *number > next {
            begin(next, otherwise);
        }
        begin(*number, answer);
        next = number + 1;
    }
    begin(next, otherwise);
    ranges
}

fn search(ranges: &[(u32, Answer)], otherwise: &Answer) -> Vec<Statement> {
    if let [(_, only)] = ranges {
        return leaf(only, otherwise);
    }
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let below = search(left, otherwise);
    let mut code = match u8::try_from(below.len()) {
        Ok(near) => vec![Statement { code: JUMP_AT_LEAST, jump_true: near, jump_false: 0, k: right[0].0 }],
        Err(_) => vec![
            Statement { code: JUMP_AT_LEAST, jump_true: 0, jump_false: 1, k: right[0].0 },
            statement(JUMP, u32::try_from(below.len()).expect("a filter has at most 4096 statements")),
        ],
    };
    code.extend(below);
    code.extend(search(right, otherwise));
    code
}

fn leaf(wanted: &Answer, otherwise: &Answer) -> Vec<Statement> {
    let Answer::Rules(rules) = wanted else { return vec![answer(wanted)] };
    let mut code = Vec::new();
    for rule in rules {
        let mut body = vec![answer(&rule.answer)];
        for check in rule.checks.iter().rev() {
            // Past the rest of this rule, its answer included.
            let away = u8::try_from(body.len()).expect("a rule has a few checks");
            let (jump_true, jump_false) = if check.equal { (0, away) } else { (away, 0) };
            body.insert(0, Statement { code: JUMP_EQUAL, jump_true, jump_false, k: check.value });
            if check.mask != u32::MAX {
                body.insert(0, statement(AND, check.mask));
            }
            body.insert(0, statement(LOAD, check.offset));
        }
        code.extend(body);
    }
    code.push(answer(otherwise));
    code
}

fn statement(code: u16, k: u32) -> Statement {
    Statement { code, jump_true: 0, jump_false: 0, k }
}

fn answer(wanted: &Answer) -> Statement {
    let k = match wanted {
        Answer::Allow => libc::SECCOMP_RET_ALLOW,
        Answer::Errno(number) => libc::SECCOMP_RET_ERRNO | number,
        // A rule cannot have rules: whoever writes one learns it from the first cell.
        Answer::Kill | Answer::Rules(_) => libc::SECCOMP_RET_KILL_PROCESS,
    };
    statement(RETURN, k)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What the kernel would do with it.
    pub(in super::super) fn run(program: &[Statement], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let load = |offset: u32| match offset {
            NUMBER => number,
            ARCH => arch,
            _ => {
                let argument = arguments[(offset - FIRST_ARGUMENT) as usize / 8];
                let half = if offset.is_multiple_of(8) { argument } else { argument >> 32 };
                u32::try_from(half & u64::from(u32::MAX)).expect("masked")
            }
        };
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let Statement { code, jump_true, jump_false, k } = program[at];
            at += 1;
            let jump = |holds: bool| usize::from(if holds { jump_true } else { jump_false });
            match code {
                LOAD => accumulator = load(k),
                AND => accumulator &= k,
                JUMP => at += k as usize,
                JUMP_EQUAL => at += jump(accumulator == k),
                JUMP_AT_LEAST => at += jump(accumulator >= k),
                RETURN => return k,
                other => panic!("statement {other:#x} is not ours"),
            }
        }
    }

    #[test]
    fn a_search_finds_every_number_and_nothing_else() {
        let table =
            BTreeMap::from([(0, Answer::Allow), (1, Answer::Allow), (5, Answer::Kill), (7, Answer::Allow)]);
        let program = compile(ARCHITECTURE, &table, &Answer::Errno(1));
        for number in 0..20 {
            let expected = answer(table.get(&number).unwrap_or(&Answer::Errno(1))).k;
            assert_eq!(run(&program, ARCHITECTURE, number, [0; 6]), expected, "{number}");
        }
        assert_eq!(run(&program, ARCHITECTURE, u32::MAX, [0; 6]), libc::SECCOMP_RET_ERRNO | 1);
    }
}
