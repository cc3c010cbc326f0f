//! Control groups (cgroup v2), where the hierarchy is ours to use: what all cells may hold together, and what each may.
//!
//! ```text
//! home              memory, pids and cpu for what is below; no process of its own
//! ├── wf-worker     this worker, its zygotes, and whoever was in `home`
//! └── wf-cells-…    one room: memory.max is the worker's budget, so the kernel ends the largest cell at it
//!     └── 1         one zygote; ends as a whole, by cgroup.kill
//!         └── 17    one cell, made and removed by the zygote (`runner/src/jail/groups.rs`)
//! ```
//!
//! Invariants: no limit is claimed that was not written; a room's folder goes with the room, and that of a killed worker is
//! removed by the next to start. Whose owner lives is known by a lock on the folder, which ends with the process.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wire::control::{CellGroups, Refusal};

use super::hierarchy::{self, Home, LEAF, Movable};

/// As the report of layers names it.
pub(super) const LAYER: &str = "cgroup";
const ROOM_PREFIX: &str = "wf-cells-";
/// 64 MiB beside a run's own limit. Its address space is limited too, and a program that meets that limit gets an error
/// it can handle; so this one lies above all that the other does not count: files in `/work`, copies of the zygote's
/// pages, page tables and buffers, and the room to report an error in.
const BESIDE_BYTES: u64 = 64 * 1024 * 1024;
/// Processes that start while others are being moved.
const MOVES_MAX: usize = 10;
/// For the processes of a dead worker to be gone: they are killed already.
const SWEEP_TIME_MAX: Duration = Duration::from_secs(2);
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// The folder of one room. Removed when dropped.
#[derive(Debug)]
pub(super) struct Groups {
    folder: PathBuf,
    controllers: Vec<&'static str>,
    last_generation: AtomicU64,
    _owner: File,
}

impl Groups {
    /// Makes the folder and removes those that dead workers left. The reason, when the hierarchy is not ours to use. Blocks
    /// for milliseconds, longer when there is something to remove.
    pub(super) fn set_up(budget_bytes: u64) -> Result<Self, String> {
        let home = hierarchy::home()?;
        let controllers = hierarchy::controllers(&home.folder)?;
        let failed = |error: io::Error| format!("{}: {error}", home.folder.display());
        // Before anything is moved: where no folder can be made, nothing is changed.
        let (folder, owner) = own_folder(&home.folder).map_err(failed)?;
        let groups = Self { folder, controllers, last_generation: AtomicU64::new(0), _owner: owner };
        // From here on the folder goes with its owner, whatever fails.
        sweep(&home.folder);
        make_way(&home)?;
        pass_on(&home.folder, &groups.controllers).map_err(failed)?;
        let limits = groups.limit(budget_bytes).and_then(|()| pass_on(&groups.folder, &groups.controllers));
        limits.map_err(|error| format!("{}: {error}", groups.folder.display()))?;
        Ok(groups)
    }

    fn limit(&self, budget_bytes: u64) -> io::Result<()> {
        write(&self.folder, "memory.max", &budget_bytes.to_string())?;
        // Where the kernel does not count swap there is none of this; then there is none to keep cells from either.
        match write(&self.folder, "memory.swap.max", "0") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// As zygotes are told. The folder is each zygote's own, and comes with its generation.
    pub(super) fn of_cells(&self, memory_bytes_max: u64) -> CellGroups {
        CellGroups::In {
            folder: String::new(),
            memory_bytes_max: memory_bytes_max.saturating_add(BESIDE_BYTES),
            controllers: self.controllers.join(" "),
        }
    }

    /// A folder for the cells of one more zygote.
    pub(super) fn generation(&self) -> Result<Generation, Refusal> {
        let number = self.last_generation.fetch_add(1, Ordering::Relaxed) + 1;
        let folder = self.folder.join(number.to_string());
        let made = fs::create_dir(&folder).and_then(|()| pass_on(&folder, &self.controllers));
        let generation = Generation { folder };
        made.map(|()| generation).map_err(|error| Refusal {
            layer: LAYER.to_owned(),
            reason: error.to_string(),
            fix: "delegate a group to the worker, see docs/operations.md".to_owned(),
        })
    }

    /// Whether all cells together were ever at the worker's limit, and the kernel ended one of them for it.
    pub(super) fn were_at_their_limit(&self) -> bool {
        let events = fs::read_to_string(self.folder.join("memory.events.local")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix("oom ").is_some_and(|count| count.trim() != "0"))
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        end(&self.folder);
    }
}

/// The groups of one zygote's cells. Killed and removed when dropped; [`Generation::end`] also waits for it.
#[derive(Debug)]
pub(super) struct Generation {
    folder: PathBuf,
}

impl Generation {
    /// Tells the zygote.
    pub(super) fn is_for(&self, groups: &mut CellGroups) {
        if let CellGroups::In { folder, .. } = groups {
            *folder = self.folder.to_string_lossy().into_owned();
        }
    }

    /// Ends what still runs in it; its zygote is gone.
    pub(super) async fn end(self, patience: Duration) {
        let deadline = Instant::now() + patience;
        kill(&self.folder);
        while is_populated(&self.folder) && Instant::now() < deadline {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        end(&self.folder);
    }
}

/// A new folder that is locked by this process.
fn own_folder(home: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let folder = home.join(format!("{ROOM_PREFIX}{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir(&folder)?;
        let owner = File::open(&folder)?;
        // Another worker's sweep may have come between the two: then it is gone in a moment.
        if owner.try_lock().is_ok() && folder.is_dir() {
            return Ok((folder, owner));
        }
    }
}

/// Ends and removes what dead workers left.
fn sweep(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(ROOM_PREFIX) {
            continue;
        }
        let Ok(owner) = File::open(entry.path()) else { continue };
        if owner.try_lock().is_err() {
            continue;
        }
        let deadline = Instant::now() + SWEEP_TIME_MAX;
        kill(&entry.path());
        while is_populated(&entry.path()) && Instant::now() < deadline {
            std::thread::sleep(LOOK_PAUSE);
        }
        end(&entry.path());
        if entry.path().exists() {
            tracing::warn!(folder = %entry.path().display(), "A dead worker's cgroup cannot be removed.");
        }
    }
}

/// Moves whoever is in the way into the leaf: a group with processes cannot limit groups below it.
fn make_way(home: &Home) -> Result<(), String> {
    if home.is_root_of_all {
        return Ok(());
    }
    let failed = |error: io::Error| format!("{}: {error}", home.folder.display());
    let leaf = home.folder.join(LEAF);
    for _ in 0..MOVES_MAX {
        let inside = fs::read_to_string(home.folder.join("cgroup.procs")).map_err(failed)?;
        let pids: Vec<&str> = inside.lines().collect();
        if pids.is_empty() {
            return Ok(());
        }
        may_be_moved(&pids, std::process::id(), home.may_move)
            .map_err(|reason| format!("{} {reason}", home.folder.display()))?;
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        for pid in pids {
            match write(&leaf, "cgroup.procs", pid) {
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
                other => other.map_err(|error| format!("{}: {error}", leaf.display()))?,
            }
        }
    }
    Err(format!("processes keep starting in {}", home.folder.display()))
}

fn may_be_moved(pids: &[&str], this: u32, may_move: Movable) -> Result<(), &'static str> {
    if pids.contains(&"0") {
        // Of a pid namespace that we cannot see into.
        return Err("holds processes of another container");
    }
    if may_move == Movable::OnlyThis && pids.iter().any(|pid| *pid != this.to_string()) {
        return Err("holds other processes and was not delegated to this one");
    }
    Ok(())
}

/// Lets groups below this one use the controllers.
fn pass_on(folder: &Path, controllers: &[&str]) -> io::Result<()> {
    let all: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
    write(folder, "cgroup.subtree_control", &all.join(" "))
}

/// Never makes a file: those of a group are there, or the kernel does not know them.
fn write(folder: &Path, file: &str, text: &str) -> io::Result<()> {
    File::options().write(true).open(folder.join(file))?.write_all(text.as_bytes())
}

fn is_populated(folder: &Path) -> bool {
    let events = fs::read_to_string(folder.join("cgroup.events")).unwrap_or_default();
    events.lines().any(|line| line == "populated 1")
}

fn kill(folder: &Path) {
    // Linux 5.14; before it cells end with their zygote, and what does not is left to the sweep.
    let _ = write(folder, "cgroup.kill", "1");
}

/// Kills what is there and removes what is empty, from the bottom.
fn end(folder: &Path) {
    kill(folder);
    remove(folder, DEPTH_MAX);
}

/// Room, generation, cell.
const DEPTH_MAX: usize = 3;

/// Folders only: the files of a group go with it.
fn remove(folder: &Path, depth: usize) {
    if depth > 0 {
        let inside = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in inside.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            remove(&entry.path(), depth - 1);
        }
    }
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_process_is_moved_out_of_a_group_that_was_not_given_to_us() {
        let cases = [
            (vec!["7"], Movable::OnlyThis, true),
            (vec!["7", "8"], Movable::OnlyThis, false),
            (vec!["1", "7", "8"], Movable::All, true),
            (vec!["0", "7"], Movable::All, false),
        ];
        for (pids, may_move, expected) in cases {
            assert_eq!(may_be_moved(&pids, 7, may_move).is_ok(), expected, "{pids:?} {may_move:?}");
        }
    }

    /// The lock works on any file system; the rest needs cgroup v2 and is shown in `tests/cell/groups.rs`.
    #[test]
    fn the_folder_of_a_dead_worker_is_removed_and_that_of_a_living_one_stays() {
        let home = tempfile::tempdir().expect("a folder");
        let (living, _owner) = own_folder(home.path()).expect("a folder");
        let dead = home.path().join(format!("{ROOM_PREFIX}dead"));
        fs::create_dir_all(dead.join("1/17")).expect("a folder");
        let foreign = home.path().join("somebody-elses");
        fs::create_dir(&foreign).expect("a folder");
        sweep(home.path());
        assert!(!dead.exists());
        assert!(living.is_dir() && foreign.is_dir());
    }
}
