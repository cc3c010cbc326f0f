//! The system call filter: what a Python program needs, nothing else, and what nobody needs kills.
//!
//! One program, a binary search over call numbers: the kernel runs it once for every number when it is installed, so a
//! list of comparisons would cost each cell most of a millisecond. [`lists`] and [`rules`] say what; [`super::bpf`] turns
//! it into code.

mod lists;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;

use self::lists::{ALLOWED, ALLOWED_HERE, Call, KILLED, call};
use self::rules::{PID_PLACEHOLDER, by_arguments};
use super::bpf::{self, Answer, Statement};
use crate::kernel;

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
        Self::compile_for(bpf::ARCHITECTURE, ALLOWED.iter().chain(ALLOWED_HERE), |call| call.number)
    }

    /// For any, when its numbers are known.
    fn compile_for<'a>(
        architecture: u32,
        allowed: impl Iterator<Item = &'a Call>,
        number: impl Fn(Call) -> i64,
    ) -> Self {
        let answers = answers(allowed, number);
        let count = |wanted: fn(&Answer) -> bool| answers.values().filter(|answer| wanted(answer)).count();
        Self {
            statements: bpf::compile(architecture, &answers, &EPERM),
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

/// glibc falls back to `clone`, whose flags a filter can read; EPERM would end in "can't start new thread".
const NOT_THERE: Call = call!(SYS_clone3);
/// File locks succeed without locking: `/work` has one user, so there is nothing to exclude, and a real lock on a
/// library file could be seen from another cell.
const PRETENDED: Call = call!(SYS_flock);
/// What `shutil.copy2` asks on its way: a file system without attributes is nothing strange to it, a refusal is.
const NOT_SUPPORTED: [Call; 3] = [call!(SYS_listxattr), call!(SYS_llistxattr), call!(SYS_flistxattr)];

fn answers<'a>(
    allowed: impl Iterator<Item = &'a Call>,
    number: impl Fn(Call) -> i64,
) -> BTreeMap<u32, Answer> {
    let number = |call: &Call| u32::try_from(number(*call)).expect("call numbers are small and not negative");
    let mut answers = BTreeMap::new();
    answers.extend(allowed.map(|call| (number(call), Answer::Allow)));
    answers.extend(KILLED.iter().map(|call| (number(call), Answer::Kill)));
    answers.insert(number(&NOT_THERE), Answer::Errno(libc::ENOSYS.unsigned_abs()));
    answers.insert(number(&PRETENDED), Answer::Errno(0));
    for call in &NOT_SUPPORTED {
        answers.insert(number(call), Answer::Errno(libc::ENOTSUP.unsigned_abs()));
    }
    answers.extend(by_arguments().into_iter().map(|(call, rules)| (number(&call), Answer::Rules(rules))));
    answers
}
