//! What a cell sees of the file system.
//!
//! Tier A: a root of its own on tmpfs that holds the read-only library, three harmless devices and `/work`; no `/proc`,
//! no `/sys`, no `/etc`. Tier B: the host's root behind Landlock, and a private folder of the worker's.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};
use wire::control::{LayerReport, Refusal, ZygoteSettings};

use super::{absent, active, because, refusal};
use crate::interpreter::Library;
use crate::kernel;

const FIX: &str = "run with CAP_SYS_ADMIN or user namespaces on Linux 5.12 or newer, or accept tier B";
/// Where the new root is put together; any folder that is always there will do, only this namespace sees it.
const BUILDING_SITE: &str = "/tmp";
/// The private folder, as programs name it.
pub const WORK: &str = "/work";
/// The root itself holds empty folders only.
const ROOT_BYTES: &str = "1m";

const ZONES: &str = "/usr/share/zoneinfo";
const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"];

/// What every cell may read, at the paths of the host.
#[derive(Debug, Clone)]
pub struct ReadOnly {
    /// Libraries and time zones.
    pub folders: Vec<PathBuf>,
    /// Sources of zeros and of randomness, and the sink.
    pub devices: Vec<PathBuf>,
}

impl ReadOnly {
    /// The interpreter's library and what goes with it.
    pub fn of(library: &Library) -> Self {
        let mut folders: Vec<PathBuf> =
            library.folders.iter().filter_map(|path| path.canonicalize().ok()).collect();
        folders.extend(Path::new(ZONES).is_dir().then(|| ZONES.into()));
        folders.sort();
        // A folder below another comes with it.
        folders.dedup_by(|later, earlier| later.starts_with(&*earlier));
        let devices = DEVICES.iter().map(PathBuf::from).filter(|path| path.exists()).collect();
        Self { folders, devices }
    }
}

/// What the root of tier A holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootOf {
    /// What [`ReadOnly`] names, and nothing else.
    Library,
    /// All of the host, as it is: for a test build that leaves this wall out.
    Host,
}

/// How cells get their private folder.
#[derive(Debug)]
pub enum Filesystem {
    /// Tier A: a tmpfs each, mounted in the cell's own namespace.
    Private,
    /// Tier B: folders below one of the worker's.
    Shared(PathBuf),
}

/// The private folder of one cell.
#[derive(Debug)]
pub enum WorkFolder {
    /// A file system that is mounted nowhere yet.
    Detached(OwnedFd),
    /// A folder of the host.
    Folder(PathBuf),
}

impl Filesystem {
    /// Tier A: builds the root and moves the zygote into it.
    pub fn pivot(visible: &ReadOnly, root: RootOf, settings: &ZygoteSettings) -> Result<Self, Refusal> {
        build_root(visible, root).map_err(because("private root", FIX))?;
        new_tmpfs(settings, None).map_err(because("work folder", FIX))?;
        Ok(Self::Private)
    }

    /// Tier B: nothing to build.
    pub fn shared(settings: &ZygoteSettings) -> Result<Self, Refusal> {
        match &settings.work_root {
            Some(folder) => Ok(Self::Shared(folder.into())),
            None => Err(refusal(
                "work folder",
                "no folder was given",
                "give the worker a writable temporary folder",
            )),
        }
    }

    /// A folder for a cell that runs as `user`.
    pub fn work_folder(
        &self,
        cell: u64,
        user: Option<u32>,
        settings: &ZygoteSettings,
    ) -> io::Result<WorkFolder> {
        match self {
            Self::Private => Ok(WorkFolder::Detached(new_tmpfs(settings, user)?)),
            Self::Shared(root) => {
                let folder = root.join(cell.to_string());
                fs::create_dir(&folder)?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
                if let Some(user) = user {
                    chown(&folder, Some(user), Some(user))?;
                }
                Ok(WorkFolder::Folder(folder))
            }
        }
    }

    /// Tier A's folder goes with its last user; tier B's is removed here.
    pub fn forget(&self, cell: u64) {
        if let Self::Shared(root) = self {
            remove(&root.join(cell.to_string()));
        }
    }

    /// For operators.
    pub fn report(&self) -> Vec<LayerReport> {
        match self {
            Self::Private => vec![
                active("private root", "read-only library, no /proc, no /sys, no /etc"),
                active("work folder", "a size-limited tmpfs per cell, noexec"),
            ],
            Self::Shared(_) => vec![
                absent("private root", "tier B sees the host's root through Landlock"),
                active("work folder", "a private folder per cell, watched"),
            ],
        }
    }
}

impl WorkFolder {
    /// As the program names it.
    pub fn path_inside(&self) -> String {
        match self {
            Self::Detached(_) => WORK.to_owned(),
            Self::Folder(path) => path.to_string_lossy().into_owned(),
        }
    }

    /// In the cell: puts it in place.
    pub fn enter(&self) -> io::Result<()> {
        if let Self::Detached(mount) = self {
            rustix::mount::move_mount(mount, "", CWD, WORK, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        }
        Ok(rustix::process::chdir(self.path_inside())?)
    }

    /// For the worker, which watches how full it is.
    pub fn into_descriptor(self) -> Option<OwnedFd> {
        match self {
            Self::Detached(mount) => Some(mount),
            Self::Folder(_) => None,
        }
    }
}

fn new_tmpfs(settings: &ZygoteSettings, user: Option<u32>) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    rustix::mount::fsconfig_set_string(context, "size", settings.work_bytes_max.to_string())?;
    rustix::mount::fsconfig_set_string(context, "nr_inodes", settings.work_inodes_max.to_string())?;
    rustix::mount::fsconfig_set_string(context, "mode", "0700")?;
    if let Some(user) = user {
        rustix::mount::fsconfig_set_string(context, "uid", user.to_string())?;
        rustix::mount::fsconfig_set_string(context, "gid", user.to_string())?;
    }
    rustix::mount::fsconfig_create(context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn build_root(visible: &ReadOnly, holds: RootOf) -> io::Result<()> {
    // Nothing that happens here may reach the host's mounts.
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let flags = rustix::mount::MountFlags::NOSUID | rustix::mount::MountFlags::NODEV;
    let data = std::ffi::CString::new(format!("size={ROOT_BYTES},mode=0755"))?;
    // The devices come from elsewhere with their own mounts, so `nodev` here does not close them.
    rustix::mount::mount("tmpfs", BUILDING_SITE, "tmpfs", flags, Some(data.as_c_str()))?;
    let root = Path::new(BUILDING_SITE);
    if holds == RootOf::Host {
        return enter_root_of_host(root);
    }
    // Cloned before the new root covers the host's paths: the building site itself may be below one of them.
    for folder in &visible.folders {
        let target = below(root, folder);
        fs::create_dir_all(&target)?;
        bind(folder, &target, libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV)?;
    }
    for device in &visible.devices {
        let target = below(root, device);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::File::create(&target)?;
        bind(device, &target, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC)?;
    }
    // The loader's well-known names on distributions that merged /lib into /usr.
    for name in ["lib", "lib64"] {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            symlink(target, root.join(name))?;
        }
    }
    enter_root(root)?;
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    kernel::restrict_mount(root.as_fd(), libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOEXEC, false)
}

/// Adds the private folder and makes the building site the root.
fn enter_root(root: &Path) -> io::Result<()> {
    fs::create_dir(root.join("work"))?;
    symlink("work", root.join("tmp"))?;
    rustix::process::chdir(root)?;
    kernel::pivot_to_current_folder()?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

/// A root that keeps nothing back: every folder of the host with its own mounts and permissions.
fn enter_root_of_host(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir("/")? {
        let folder = entry?.path();
        let target = below(root, &folder);
        if let Ok(goal) = fs::read_link(&folder) {
            symlink(goal, target)?;
        } else if folder.is_dir() && folder != Path::new(BUILDING_SITE) && folder != Path::new(WORK) {
            fs::create_dir(&target)?;
            bind(&folder, &target, 0)?;
        }
    }
    enter_root(root)
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// A copy of a part of the tree, with all mounts below it restricted too; fails rather than leave one writable.
fn bind(source: &Path, target: &Path, attributes: u64) -> io::Result<()> {
    let clone =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = rustix::mount::open_tree(CWD, source, clone)?;
    kernel::restrict_mount(tree.as_fd(), attributes, true)?;
    rustix::mount::move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(())
}

/// Removes a folder whatever its program did to the permissions. Never follows a link.
fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_err() {
        open_up(folder, 0);
        if let Err(error) = fs::remove_dir_all(folder) {
            eprintln!("runner: cannot remove {}: {error}", folder.display());
        }
    }
}

/// Gives the owner access to every folder below; the depth is bounded by the path limit of the program that made it.
fn open_up(folder: &Path, depth: usize) {
    let levels_max = 512;
    let is_real_folder = fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_dir());
    if !is_real_folder || depth > levels_max {
        return;
    }
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        open_up(&entry.path(), depth + 1);
    }
}
