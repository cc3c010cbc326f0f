//! The same tests in other surroundings: as an ordinary user, as root in a container, as nobody in one.
//!
//! A test runs its own executable again, over there, with the runner beside it; the names of the tests to run are
//! given. Needs root to begin with; otherwise these surroundings are the ones the tests run in already.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Names the runner for an executable that cannot build it.
pub const RUNNER: &str = "CELL_TEST_RUNNER";
/// What no program may find.
pub const CANARY_KEY: &str = "CANARY-KEY-must-not-leak";
/// The surroundings, for tests that mean something in one only.
pub const WHERE: &str = "CELL_TEST_WHERE";

/// Where the tests run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    OrdinaryUser,
    ContainerRoot,
    ContainerNobody,
}

/// Runs tests of this executable over there and asserts that they pass.
pub fn run_tests(elsewhere: Elsewhere, names: &[&str]) {
    if !rustix::process::geteuid().is_root() {
        crate::support::not_run(&format!(
            "{elsewhere:?} needs root to change to; the other tests run as this ordinary user already"
        ));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("open to all");
    let copy = |from: &Path, name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(from, &to).expect("a copy");
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755)).expect("executable");
        to
    };
    let executable = copy(&std::env::current_exe().expect("a test has one"), "tests");
    let runner = copy(&super::support::runner(), "runner");
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cell/container.py");
    let mut command = match elsewhere {
        Elsewhere::OrdinaryUser => {
            let mut command = Command::new(&executable);
            command.uid(65534).gid(65534);
            command
        }
        Elsewhere::ContainerRoot | Elsewhere::ContainerNobody => {
            let who = if elsewhere == Elsewhere::ContainerRoot { "root" } else { "nobody" };
            let mut command = Command::new("/usr/bin/python3");
            command.arg(profile).arg(who).arg(&executable);
            command
        }
    };
    command
        .args(names)
        .arg("--exact")
        .env(RUNNER, runner)
        .env(WHERE, format!("{elsewhere:?}"))
        // No program may find what a worker's environment holds: attacks look for it.
        .env("ANTHROPIC_API_KEY", CANARY_KEY)
        .current_dir("/");
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("test result: ok. {} passed", names.len())), "{said}");
}

/// Whether this is one of the runs above, and which.
pub fn here() -> Option<String> {
    std::env::var_os(WHERE).map(|place| place.to_string_lossy().into_owned())
}
