//! The walls around a cell, in the order in which they are raised. `raise` is the document.
//!
//! There is no exec after these steps, and that changes the usual rules: close-on-exec does nothing, capabilities do
//! not go by themselves, and everything in the zygote's memory is readable by every cell. So descriptors are closed,
//! capabilities dropped and secrets absent by hand.
//!
//! Invariant: a wall that was reported as active and cannot be raised ends the cell; nothing degrades in silence.

mod bpf;
mod filesystem;
mod groups;
mod landlock;
mod namespaces;
mod privileges;
mod seccomp;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use wire::control::{KernelOom, LayerReport, LayerState, Refusal, Tier, ZygoteSettings};

pub use self::bpf::Statement;
use self::filesystem::{Filesystem, ReadOnly, RootOf};
pub use self::filesystem::{WORK, WorkFolder};
pub use self::groups::Group;
use self::groups::Groups;
use self::namespaces::Namespaces;
use self::privileges::Identity;
use crate::interpreter::Library;
use crate::kernel::{self, Forked};

/// 8 MiB, the usual default: deeper recursion of C code ends in a signal, not in eaten memory.
const STACK_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Queued signals and timers of one cell.
const PENDING_SIGNALS_MAX: u64 = 64;

/// A test build that forgets to close descriptors still makes room for those of the event loop; the zygote's control
/// socket has a higher number.
const LAST_OF_LOOP: i32 = 9;

/// Everything a cell needs to jail itself, made once in the zygote.
#[derive(Debug)]
pub struct Walls {
    settings: ZygoteSettings,
    groups: Groups,
    namespaces: Namespaces,
    filesystem: Filesystem,
    identity: Identity,
    landlock: landlock::Rules,
    seccomp: seccomp::Filter,
    write_xor_execute: bool,
    base_memory_bytes: u64,
}

impl Walls {
    /// Enters the zygote's own namespaces and root, and prepares the rest.
    pub fn build(settings: &ZygoteSettings, library: &Library) -> Result<Self, Refusal> {
        if !settings.layers_off.is_empty() && !cfg!(feature = "ablation") {
            return Err(refusal("ablation", "layers_off is set", "only a test build may leave out walls"));
        }
        let off = |layer: &str| leaves_out(settings, layer);
        let base_memory_bytes = own_address_space_bytes().map_err(because("limits", "mount /proc"))?;
        let identity = Identity::find().map_err(because("user", "allow capget"))?;
        // While the worker's paths can be seen.
        let groups = Groups::find(settings)?;
        let namespaces = match settings.tier {
            Tier::A => Namespaces::enter(identity, off)?,
            Tier::B => Namespaces::none(),
        };
        let visible = ReadOnly::of(library);
        let root = if off("private root") { RootOf::Host } else { RootOf::Library };
        let filesystem = match settings.tier {
            Tier::A => Filesystem::pivot(&visible, root, settings)?,
            Tier::B => Filesystem::shared(settings)?,
        };
        let landlock = landlock::Rules::probe(&visible)?;
        let seccomp = seccomp::Filter::compile();
        let write_xor_execute = privileges::write_xor_execute_is_known();
        let walls = Self {
            settings: settings.clone(),
            groups,
            namespaces,
            filesystem,
            identity,
            landlock,
            seccomp,
            write_xor_execute,
            base_memory_bytes,
        };
        walls.prepare_zygote()?;
        Ok(walls)
    }

    /// What the zygote can do without itself is inherited by every cell for nothing.
    fn prepare_zygote(&self) -> Result<(), Refusal> {
        if self.on("capabilities") {
            privileges::drop_bounding_set().map_err(because("capabilities", "grant CAP_SETPCAP"))?;
        }
        if self.on("limits") {
            self.limit_all().map_err(because("limits", "raise the hard limits of the worker"))?;
        }
        Ok(())
    }

    /// The host's `/proc`, for what the zygote does to its own memory; no cell keeps it.
    pub fn proc(&self) -> Option<BorrowedFd<'_>> {
        self.namespaces.proc()
    }

    /// A new process in the namespaces of this tier, and born into its group.
    ///
    /// # Safety
    /// The process must have a single thread.
    pub unsafe fn fork(&self, group: Option<&Group>) -> io::Result<Forked> {
        match self.settings.tier {
            // SAFETY: passed on to the caller.
            Tier::A => unsafe { kernel::fork_into(self.namespaces.of_each_cell(), group.map(AsFd::as_fd)) },
            // SAFETY: passed on to the caller.
            Tier::B => unsafe { kernel::fork() },
        }
    }

    /// The private folder of a cell that is about to be forked.
    pub fn work_folder(&self, cell: u64) -> io::Result<WorkFolder> {
        let user = if self.on("user") { self.identity.of_cell(cell) } else { None };
        self.filesystem.work_folder(cell, user, &self.settings)
    }

    /// The control group of a cell that is about to be forked; `None` where cells have none.
    pub fn group(&self, cell: u64) -> io::Result<Option<Group>> {
        self.groups.make(cell)
    }

    /// Whether cells have control groups.
    pub fn have_groups(&self) -> bool {
        matches!(self.groups, Groups::In { .. })
    }

    /// Whether the kernel ended a cell for lack of memory. To be asked before it is forgotten.
    pub fn oom(&self, cell: u64) -> Option<KernelOom> {
        self.groups.oom(cell)
    }

    /// Removes what a cell leaves behind outside of itself.
    pub fn forget(&self, cell: u64) {
        self.filesystem.forget(cell);
        self.groups.forget(cell);
    }

    /// Address space of the warm interpreter, bytes: a run's memory limit comes on top. `None`: a test build without
    /// limits.
    pub fn base_memory_bytes(&self) -> Option<u64> {
        self.on("limits").then_some(self.base_memory_bytes)
    }

    /// What a run may ask for: the limit of all cells stands already, and nobody can raise it any more.
    pub fn file_bytes_max(&self, asked: u64) -> u64 {
        asked.min(self.settings.work_bytes_max)
    }

    /// Raises all walls around the calling process. Afterwards it can read the library, write its folder, use its
    /// own descriptors and compute; nothing else. `own_loop` opens some of them, when those of the zygote are closed.
    pub fn raise(
        &self,
        cell: u64,
        (work, group): (&WorkFolder, Option<&Group>),
        own_loop: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), Refusal> {
        if let (Tier::B, Some(group)) = (self.settings.tier, group) {
            // Plain `fork` bears nobody into a group, and `clone3` is not to be had in containers.
            group.enter().map_err(because("cgroup", "let the worker write to its group"))?;
        }
        if self.on("oom score") {
            self.namespaces.be_first_to_go();
        }
        // Its own `/work`, before the privilege to mount goes.
        work.enter().map_err(because("work folder", "allow mount"))?;
        if self.on("user") {
            self.identity.drop_to_cell(cell).map_err(because("user", "grant CAP_SETUID and CAP_SETGID"))?;
        }
        if self.on("capabilities") {
            self.identity.drop_capabilities().map_err(because("capabilities", "grant CAP_SETPCAP"))?;
        }
        // After the change of user, which clears it.
        kernel::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL.unsigned_abs().into(), 0)
            .map_err(because("parent death signal", "use Linux 2.6 or newer"))?;
        if self.on("dumpable") {
            kernel::prctl(libc::PR_SET_DUMPABLE, 0, 0)
                .map_err(because("dumpable", "use Linux 2.6 or newer"))?;
        }
        if self.on("no_new_privs") {
            kernel::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
                .map_err(because("no_new_privs", "use Linux 3.5 or newer"))?;
        }
        if self.write_xor_execute && self.on("mdwe") {
            privileges::forbid_new_code().map_err(because("mdwe", "use Linux 6.3 or newer"))?;
        }
        if self.on("landlock") {
            self.landlock.enforce(work)?;
        }
        let last = if self.on("descriptors") { i32::MAX } else { LAST_OF_LOOP };
        // SAFETY: a cell uses descriptors 0 to 3 only from here on, and never drops an owner: it ends with `_exit`.
        unsafe { kernel::close_between(4, last) }
            .map_err(because("descriptors", "use Linux 5.9 or newer"))?;
        own_loop().map_err(because("event loop", "allow epoll and socketpair"))?;
        if self.on("limits") {
            // Now that the zygote's descriptors are closed: only the cell's own count.
            self.limit_one().map_err(because("limits", "raise the hard limits of the worker"))?;
        }
        if self.on("seccomp") {
            // Last: the calls above are not in its list.
            self.seccomp
                .install()
                .map_err(because("seccomp", "build the kernel with CONFIG_SECCOMP_FILTER"))?;
        }
        Ok(())
    }

    /// The zygote can live with them as well.
    fn limit_all(&self) -> io::Result<()> {
        kernel::limit(libc::RLIMIT_CORE, 0)?;
        kernel::limit(libc::RLIMIT_STACK, STACK_BYTES_MAX)?;
        kernel::limit(libc::RLIMIT_MSGQUEUE, 0)?;
        kernel::limit(libc::RLIMIT_SIGPENDING, PENDING_SIGNALS_MAX)?;
        kernel::limit(libc::RLIMIT_FSIZE, self.settings.work_bytes_max)
    }

    fn limit_one(&self) -> io::Result<()> {
        kernel::limit(libc::RLIMIT_NOFILE, self.settings.open_files_max)?;
        // The zygote itself pins pages again and again.
        kernel::limit(libc::RLIMIT_MEMLOCK, 0)?;
        if self.identity.is_own_per_cell() && self.on("user") {
            // Counts all processes of a user: a wall only where each cell has a user of its own.
            kernel::limit(libc::RLIMIT_NPROC, self.settings.threads_max)?;
        }
        Ok(())
    }

    /// What stands around every cell, for operators.
    pub fn report(&self) -> Vec<LayerReport> {
        let mut layers = self.namespaces.report();
        layers.extend(self.filesystem.report());
        layers.push(self.layer("limits", &format!("{} open files", self.settings.open_files_max)));
        layers.push(self.identity.report());
        layers.push(self.layer("capabilities", "none, bounding set empty"));
        layers.push(self.layer("dumpable", "no: not even processes of the same user may look in"));
        layers.push(self.layer("no_new_privs", "set"));
        layers.push(if self.write_xor_execute {
            self.layer("mdwe", "no new executable memory")
        } else {
            absent("mdwe", "needs Linux 6.3; the filter's argument rules stand in")
        });
        layers.push(self.layer("landlock", &format!("ABI {}", self.landlock.abi())));
        layers
            .push(self.layer("descriptors", "the sink, two streams, the channel, an event loop of its own"));
        layers.push(self.layer("seccomp", &self.seccomp.summary()));
        layers.push(self.groups.report());
        layers
    }

    fn layer(&self, name: &str, detail: &str) -> LayerReport {
        if self.on(name) { active(name, detail) } else { absent(name, "left out by a test build") }
    }

    fn on(&self, layer: &str) -> bool {
        !leaves_out(&self.settings, layer)
    }
}

/// Whether a wall is left out on purpose: never outside of a test build, where it takes another to hold.
fn leaves_out(settings: &ZygoteSettings, layer: &str) -> bool {
    cfg!(feature = "ablation") && settings.layers_off.iter().any(|off| off == layer)
}

fn active(name: &str, detail: &str) -> LayerReport {
    LayerReport { name: name.to_owned(), state: LayerState::Active, detail: detail.to_owned() }
}

fn absent(name: &str, detail: &str) -> LayerReport {
    LayerReport { name: name.to_owned(), state: LayerState::Absent, detail: detail.to_owned() }
}

fn refusal(layer: &str, reason: &str, fix: &str) -> Refusal {
    Refusal { layer: layer.to_owned(), reason: reason.to_owned(), fix: fix.to_owned() }
}

fn because<E: std::fmt::Display>(layer: &'static str, fix: &'static str) -> impl Fn(E) -> Refusal {
    move |error| refusal(layer, &error.to_string(), fix)
}

/// The first number of `statm` is the address space in pages.
fn own_address_space_bytes() -> io::Result<u64> {
    let statm = std::fs::read_to_string(PathBuf::from("/proc/self/statm"))?;
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    Ok(pages * rustix::param::page_size() as u64)
}
