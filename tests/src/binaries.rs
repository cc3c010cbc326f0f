//! Where the programs under test are: built once per test process, in the profile of the test itself, never stale,
//! and the same until the last test has ended, whatever is built meanwhile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The programs: each refuses to work with siblings of another build.
const PROGRAMS: [&str; 4] = ["api", "worker", "runner", "wf"];

/// The folder that holds `api`, `worker`, `runner` and `wf`, freshly built.
///
/// # Panics
/// When they do not compile; the compiler's own output says why.
pub fn directory() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| own_links(&build()))
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

/// Links of this process's own to the programs: a build that runs beside the tests replaces the files, not these.
fn own_links(built: &Path) -> PathBuf {
    let all = built.join("e2e");
    std::fs::create_dir_all(&all).expect("a folder in the target folder");
    for earlier in std::fs::read_dir(&all).expect("a folder of ours").flatten() {
        if !Path::new("/proc").join(earlier.file_name()).exists() {
            // Two test processes may tidy up at once; one of them is late.
            let _ = std::fs::remove_dir_all(earlier.path());
        }
    }
    let own = all.join(std::process::id().to_string());
    std::fs::create_dir_all(&own).expect("a folder in the target folder");
    for program in PROGRAMS {
        let link = own.join(program);
        let _ = std::fs::remove_file(&link);
        std::fs::hard_link(built.join(program), link).expect("a link within the target folder");
    }
    own
}

/// `target/<profile>`: two levels above this executable, `target/<profile>/deps/e2e-…`.
fn profile_directory() -> PathBuf {
    let executable = std::env::current_exe().expect("the path of this executable");
    executable.ancestors().nth(2).expect("deps/ lies in a profile folder").to_path_buf()
}
