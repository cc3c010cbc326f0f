//! The cell: embedded CPython in jailed processes, one run each.
//!
//! `worker` execs this binary with an empty environment and a control socket as standard input; it becomes the
//! *zygote*, a warm interpreter with a single thread and no secret, which forks *cells* on demand. A cell raises its
//! walls, waits for one start frame, runs one program, sends one result, and dies.
//!
//! - [`kernel`]: system calls, and all but a few lines of the `unsafe` there is;
//! - [`interpreter`]: CPython and the glue in `python/*.py`;
//! - [`jail`]: the walls, in the order in which they are raised;
//! - [`arenas`], [`memory`]: what makes forks cheap;
//! - [`zygote`]: the loop that forks and reaps; [`cell`]: the life of one child.

mod arenas;
mod cell;
mod hot_pages;
mod interpreter;
mod jail;
mod kernel;
mod memory;
mod zygote;

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let by_hand = std::env::args_os().len() > 1 || std::io::stdin().is_terminal();
    if by_hand {
        eprintln!("runner {}: the sandboxed Python process; `worker` starts it, nobody else", wire::BUILD_ID);
        return ExitCode::from(2);
    }
    settle_addresses();
    match zygote::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runner: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every zygote has its memory at the same addresses, because they show in what programs do: CPython before 3.12 takes that
/// of `None` for its hash, and that of any object without a hash of its own, so sets would iterate differently on the next
/// attempt. There is no secret in them to keep from a program: `id()` tells them.
///
/// Where it is not allowed (container profiles refuse it) they stay random, and nothing else changes.
fn settle_addresses() {
    let fixed = libc::c_ulong::from(libc::ADDR_NO_RANDOMIZE.unsigned_abs());
    let Ok(now) = kernel::personality(kernel::ASK_PERSONALITY) else { return };
    if now & fixed != 0 || kernel::personality(now | fixed).is_err() {
        return;
    }
    if let Ok(this) = std::env::current_exe() {
        // It comes back only when it failed.
        let _ = Command::new(this).exec();
    }
}
