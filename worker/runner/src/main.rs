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
mod interpreter;
mod jail;
mod kernel;
mod memory;
mod zygote;

use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    let by_hand = std::env::args_os().len() > 1 || std::io::stdin().is_terminal();
    if by_hand {
        eprintln!("runner {}: the sandboxed Python process; `worker` starts it, nobody else", wire::BUILD_ID);
        return ExitCode::from(2);
    }
    match zygote::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("runner: {error}");
            ExitCode::FAILURE
        }
    }
}
