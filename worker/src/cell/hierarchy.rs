//! Where this process is in the hierarchy of cgroup v2, and whether that place is its own to arrange.
//!
//! Ours is: the root of a container's own view, what systemd marked as delegated, the root of the whole hierarchy when we
//! may write there, and any other group in which this process is alone. Nobody else's process is moved in a group that
//! nobody gave us.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a worker puts itself, because a group that has processes cannot limit groups below it.
pub(super) const LEAF: &str = "wf-worker";
/// Without them a group limits nothing that we need.
const NEEDED: [&str; 2] = ["memory", "pids"];
/// With it, cells also share the processor as equals, whatever they do with threads.
const WELCOME: &str = "cpu";

/// A group whose folders we may arrange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) folder: PathBuf,
    /// May hold processes and limit groups below it at once: only the root of all may.
    pub(super) is_root_of_all: bool,
    /// Whose processes may be moved.
    pub(super) may_move: Movable,
}

/// Which processes of a group may be put elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Movable {
    /// The group was given to us whole.
    All,
    /// This process is there, and perhaps others that are none of our business.
    OnlyThis,
}

/// The group this worker lives in, or why there is none to use.
pub(super) fn home() -> Result<Home, String> {
    let here = own_folder()?;
    // A worker before us, or systemd's DelegateSubgroup, put this process into the leaf already.
    let folder = match here.folder.parent() {
        Some(parent) if here.folder.ends_with(LEAF) => parent.to_owned(),
        _ => here.folder,
    };
    // The root of all has neither, and cannot be marked.
    let is_root_of_all = !folder.join("cgroup.type").exists();
    let is_given = is_root_of_all || folder == here.top || is_delegated(&folder);
    let may_move = if is_given { Movable::All } else { Movable::OnlyThis };
    Ok(Home { folder, is_root_of_all, may_move })
}

/// The controllers that groups below this one can have, the needed ones first.
pub(super) fn controllers(folder: &Path) -> Result<Vec<&'static str>, String> {
    let there = fs::read_to_string(folder.join("cgroup.controllers"))
        .map_err(|error| format!("{}: {error}", folder.join("cgroup.controllers").display()))?;
    let there: Vec<&str> = there.split_whitespace().collect();
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !there.contains(name)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "{} has no {} controller: it belongs to cgroup v1 here, or was not delegated",
            folder.display(),
            missing.join(" and no ")
        ));
    }
    Ok(NEEDED.into_iter().chain(there.contains(&WELCOME).then_some(WELCOME)).collect())
}

/// The tightest limit on memory of the groups around this process.
pub(super) fn memory_bytes_max() -> Option<u64> {
    let here = own_folder().ok()?;
    let limits = here.folder.ancestors().take_while(|folder| folder.starts_with(&here.top));
    limits.filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()).min()
}

/// A group as this process sees it.
#[derive(Debug, PartialEq, Eq)]
struct Here {
    folder: PathBuf,
    /// The uppermost that can be seen.
    top: PathBuf,
}

fn own_folder() -> Result<Here, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    locate(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
}

fn locate(groups: &str, mounts: &str) -> Result<Here, String> {
    let own = groups
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or("this kernel has no hierarchy of cgroup v2")?;
    let below = |root: &str| Path::new(own).strip_prefix(root).ok().map(Path::to_owned);
    let mut outside = false;
    for (root, mounted_at) in mounts.lines().filter_map(unified) {
        outside = true;
        if let Some(below) = below(root).filter(|path| !path.starts_with("..")) {
            let top = PathBuf::from(mounted_at);
            // Joining nothing would add a slash.
            let folder = if below.as_os_str().is_empty() { top.clone() } else { top.join(below) };
            return Ok(Here { folder, top });
        }
    }
    Err(if outside {
        format!("the group of this process, {own}, is not in the part of the hierarchy that is mounted here")
    } else {
        "no hierarchy of cgroup v2 is mounted here".to_owned()
    })
}

/// Root and place of a mount, when it is of cgroup v2.
fn unified(line: &str) -> Option<(&str, &str)> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (root, place) = (fields.next()?, fields.next()?);
    kind.starts_with("cgroup2 ").then_some((root, place))
}

/// What systemd writes on a group that it gives away (`Delegate=`).
fn is_delegated(folder: &Path) -> bool {
    ["user.delegate", "trusted.delegate"].into_iter().any(|name| {
        let mut value = [0_u8; 8];
        rustix::fs::getxattr(folder, name, &mut value).is_ok_and(|length| value[..length].starts_with(b"1"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(group: &str, mounts: &str) -> Result<(String, String), String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        locate(group, mounts).map(|here| (text(here.folder), text(here.top)))
    }

    #[test]
    fn the_own_group_is_found_on_plain_hybrid_and_contained_systems() {
        let plain = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let hybrid = "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      42 23 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let bound = "30 23 0:26 /docker/7 /sys/fs/cgroup ro shared:9 - cgroup2 cgroup rw\n";
        let foreign = "30 23 0:26 /../other /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let at = |folder: &str, top: &str| Ok((folder.to_owned(), top.to_owned()));
        let cases = [
            (
                "0::/system.slice/w.service\n",
                plain,
                at("/sys/fs/cgroup/system.slice/w.service", "/sys/fs/cgroup"),
            ),
            ("0::/\n", plain, at("/sys/fs/cgroup", "/sys/fs/cgroup")),
            ("4:memory:/a\n0::/\n", hybrid, at("/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified")),
            ("0::/docker/7/wf-worker\n", bound, at("/sys/fs/cgroup/wf-worker", "/sys/fs/cgroup")),
        ];
        for (group, mounts, expected) in cases {
            assert_eq!(located(group, mounts), expected, "{group}{mounts}");
        }
        for (group, mounts, reason) in [
            ("4:memory:/a\n", plain, "no hierarchy"),
            ("0::/a\n", "", "mounted here"),
            ("0::/a\n", foreign, "not in the part"),
        ] {
            let refused = located(group, mounts).expect_err("there is none");
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn a_group_without_memory_or_pids_is_of_no_use_and_one_without_cpu_is() {
        let folder = tempfile::tempdir().expect("a folder");
        for (there, expected) in [
            ("cpuset cpu io memory hugetlb pids\n", Ok(vec!["memory", "pids", "cpu"])),
            ("memory pids\n", Ok(vec!["memory", "pids"])),
            ("hugetlb\n", Err("no memory and no pids controller")),
            ("pids cpu\n", Err("no memory controller")),
        ] {
            fs::write(folder.path().join("cgroup.controllers"), there).expect("a file");
            match (controllers(folder.path()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
                (found, _) => panic!("{there}: {found:?}"),
            }
        }
    }
}
