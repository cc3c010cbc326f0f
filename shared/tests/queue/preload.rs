//! A library preloaded into a redis-server (`world.c`): its clock steps and its disk is slow, as the test says.

use std::{path::PathBuf, process::Command, sync::LazyLock};

use tempfile::TempDir;

/// The folder lives as long as the process, and its name says what it was when that was killed.
static LIBRARY: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::Builder::new().prefix("queue-test-world-").tempdir().expect("a temporary folder");
    let (library, source) = (folder.path().join("world.so"), folder.path().join("world.c"));
    std::fs::write(&source, include_str!("world.c")).expect("a file");
    let compiled =
        Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(compiled.expect("cc is there: Rust links with it").success(), "world.c compiles");
    (folder, library)
});

/// What one server is made to believe.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
}

impl Default for World {
    /// As it is.
    fn default() -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        world.step_clock_to(0);
        world.slow_disk_to(0);
        world
    }
}

impl World {
    /// What the server's process has in its environment.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let library = LIBRARY.1.display().to_string();
        [("WORLD_CLOCK", file("clock")), ("WORLD_DISK", file("disk")), ("LD_PRELOAD", library)]
    }

    /// Seconds the server's clock is off.
    pub fn step_clock_to(&self, seconds: i64) {
        self.say("clock", seconds);
    }

    /// Milliseconds each sync of the server takes.
    pub fn slow_disk_to(&self, ms: i64) {
        self.say("disk", ms);
    }

    fn say(&self, name: &str, number: i64) {
        let (new, file) = (self.folder.path().join("new"), self.folder.path().join(name));
        std::fs::write(&new, number.to_string()).expect("a file");
        std::fs::rename(new, file).expect("it replaces the old one");
    }
}
