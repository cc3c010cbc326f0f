//! Where the programs under test are: built once per test process, in the profile of the test itself, never stale.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder that holds `api`, `worker`, `runner` and `wf`, freshly built.
///
/// # Panics
/// When they do not compile; the compiler's own output says why.
pub fn directory() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of the repository")
}

/// Builds the whole workspace's programs, not only the four: with another set of packages cargo unifies features
/// differently and would compile half of the dependencies a second time.
fn build() -> PathBuf {
    let directory = profile_directory();
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => panic!("{} names no profile", directory.display()),
    };
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bins", "--profile", profile, "--target-dir"])
        .arg(directory.parent().expect("a profile folder lies in a target folder"))
        .current_dir(repository())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "cargo build of the programs under test failed: {status}");
    directory
}

/// `target/<profile>`: two levels above this executable, `target/<profile>/deps/e2e-…`.
fn profile_directory() -> PathBuf {
    let executable = std::env::current_exe().expect("the path of this executable");
    executable.ancestors().nth(2).expect("deps/ lies in a profile folder").to_path_buf()
}
