//! Tier B's private folders lie in one folder per zygote, which goes with it, and those in one per worker, likewise: what
//! a killed zygote left is in nobody's way, and nothing of its runs stays.
//!
//! A worker that is killed leaves its folder behind; the next one to start removes it. Whose owner lives is known by a
//! lock that ends with the process, whatever its number and whichever container it is in.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

const PREFIX: &str = "wf-cells-";
/// Held by the owner; no cell can see into the folder it lies in.
const LOCK: &str = ".owner";

/// The folder, removed when dropped.
#[derive(Debug)]
pub(super) struct WorkRoot {
    folder: TempDir,
    _owner: File,
}

impl WorkRoot {
    /// Makes one below `parent` and removes those that dead workers left there.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        sweep(parent);
        loop {
            // Cells of other users must be able to pass through to their own folder, and to look at nothing.
            let mode = Permissions::from_mode(0o711);
            let folder = tempfile::Builder::new().prefix(PREFIX).permissions(mode).tempdir_in(parent)?;
            let lock = folder.path().join(LOCK);
            let owner = File::create(&lock)?;
            owner.set_permissions(Permissions::from_mode(0o600))?;
            // Another worker's sweep may have come before the lock: then the folder is gone, or is in a moment.
            match owner.try_lock() {
                Ok(()) if lock.exists() => return Ok(Self { folder, _owner: owner }),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// A folder for the cells of one more zygote, removed when dropped. What still writes there goes with the root.
    pub(super) fn generation(&self) -> io::Result<TempDir> {
        let mode = Permissions::from_mode(0o711);
        tempfile::Builder::new().prefix("zygote-").permissions(mode).tempdir_in(self.folder.path())
    }
}

/// A folder without a lock was made a moment ago, or is none of ours: it stays.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(owner) = File::open(entry.path().join(LOCK)) else { continue };
        if owner.try_lock().is_ok()
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(folder = %entry.path().display(), %error, "A dead worker's folder cannot be removed.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_dead_worker_is_removed_and_that_of_a_living_one_stays() {
        let parent = tempfile::tempdir().expect("a folder");
        let living = WorkRoot::new(parent.path()).expect("a folder");
        let dead = parent.path().join("wf-cells-dead");
        fs::create_dir_all(dead.join("7")).expect("a folder");
        fs::write(dead.join("7/secret"), "left").expect("a file");
        fs::write(dead.join(LOCK), "").expect("a file");
        let foreign = parent.path().join("wf-cells-not-ours");
        fs::create_dir(&foreign).expect("a folder");

        let next = WorkRoot::new(parent.path()).expect("a folder");
        assert!(!dead.exists());
        let path = |root: &WorkRoot| root.folder.path().to_owned();
        assert!(path(&living).is_dir() && path(&next).is_dir() && foreign.is_dir());
        let gone = path(&living);
        drop(living);
        assert!(!gone.exists());
    }

    /// Each sweeps while the others are between making their folder and locking it.
    #[test]
    fn workers_that_start_together_do_not_take_each_others_folders_for_a_dead_ones() {
        let parent = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let root = WorkRoot::new(parent.path()).expect("a folder");
                        fs::create_dir(root.folder.path().join("7")).expect("it is there");
                    }
                });
            }
        });
    }

    #[test]
    fn what_a_zygote_left_goes_with_it_and_is_not_in_the_way_of_the_next() {
        let parent = tempfile::tempdir().expect("a folder");
        let root = WorkRoot::new(parent.path()).expect("a folder");
        let killed = root.generation().expect("a folder");
        fs::create_dir(killed.path().join("0")).expect("that of its first cell");
        let next = root.generation().expect("a folder");
        fs::create_dir(next.path().join("0")).expect("that of its first cell");
        let gone = killed.path().to_owned();
        drop(killed);
        assert!(!gone.exists() && next.path().join("0").is_dir());
    }
}
