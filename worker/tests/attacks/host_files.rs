//! What holes must not reach: this machine's own Python library, seen before a test and after it.
//!
//! A runner that leaves out walls is started in a [`Shelter`], on a copy of the machine's files. That nothing else was
//! touched is asserted besides, by every test of this binary that runs hostile programs.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A runner behind a copy of this machine's files.
pub struct Shelter {
    folder: TempDir,
}

impl Shelter {
    /// Needs root: mounts.
    pub fn around(runner: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("machine")).expect("a folder");
        let script = format!(
            "#!/usr/bin/python3 -I\nRUNNER = {:?}\nTEMPORARY = {:?}\n{}",
            runner.to_str().expect("text"),
            std::env::temp_dir().to_str().expect("text"),
            include_str!("shelter.py")
        );
        let shelter = Self { folder };
        std::fs::write(shelter.runner(), script).expect("a script");
        std::fs::set_permissions(shelter.runner(), std::fs::Permissions::from_mode(0o755))
            .expect("executable");
        shelter
    }

    /// What the worker takes for the runner.
    pub fn runner(&self) -> PathBuf {
        self.folder.path().join("runner")
    }
}

/// Every file of the library, as it is.
pub struct HostFiles(BTreeMap<PathBuf, String>);

impl HostFiles {
    pub fn see() -> Self {
        let mut files = BTreeMap::new();
        for folder in library_folders() {
            see_below(&folder, &mut files);
        }
        assert!(files.len() > 500, "this is no library: {} files", files.len());
        Self(files)
    }

    /// The kernel notes the time of every change, of the contents and of all else, and nobody can set that time.
    pub fn assert_unchanged(&self) {
        let now = Self::see().0;
        let changed: Vec<_> =
            self.0.keys().chain(now.keys()).filter(|path| self.0.get(*path) != now.get(*path)).collect();
        assert!(changed.is_empty(), "A HOLE REACHED THIS MACHINE'S OWN LIBRARY: {changed:?}");
    }
}

/// Those of the interpreter that runners are built for.
fn library_folders() -> Vec<PathBuf> {
    let script = "import os, sys; print('\\n'.join(filter(os.path.isdir, sys.path)))";
    let output =
        Command::new("/usr/bin/python3").args(["-I", "-S", "-c", script]).output().expect("it starts");
    let said = String::from_utf8(output.stdout).expect("paths are text");
    said.lines().map(PathBuf::from).chain([PathBuf::from("/usr/share/zoneinfo")]).collect()
}

fn see_below(path: &Path, files: &mut BTreeMap<PathBuf, String>) {
    let Ok(data) = std::fs::symlink_metadata(path) else { return };
    let owner = (data.uid(), data.gid(), data.mode());
    let change = (data.ctime(), data.ctime_nsec());
    files.insert(path.to_owned(), format!("{owner:?} {} bytes, changed {change:?}", data.size()));
    if data.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            see_below(&entry.path(), files);
        }
    }
}
