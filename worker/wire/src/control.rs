//! Worker ↔ zygote: one JSON message per datagram; file descriptors ride along as ancillary data.
//!
//! Both ends are our own code. The zygote speaks first ([`FromZygote::Hello`]), so a stale sibling is recognised
//! before anything else of the protocol is used.

use serde::{Deserialize, Serialize};

use crate::frame::ToolDeclaration;

/// 32 KiB: the largest message is the report of layers, a few kB; a datagram is read whole or not at all.
pub const DATAGRAM_BYTES_MAX: usize = 32 * 1024;

/// How many descriptors come with [`FromZygote::Cell`] at most: channel, stdout, stderr, pidfd, work folder.
pub const CELL_DESCRIPTORS_MAX: usize = 5;

/// How strong the walls are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// Namespaces, Landlock, seccomp, limits.
    A,
    /// The same without namespaces: plain containers, restricted pods.
    B,
}

impl std::fmt::Display for Tier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

impl std::str::FromStr for Tier {
    type Err = UnknownTier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            _ => Err(UnknownTier),
        }
    }
}

/// Write `A` or `B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tier is `A` or `B`")]
pub struct UnknownTier;

/// Worker to zygote. The end of the conversation is the end of the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToZygote {
    /// First message, once.
    Configure(ZygoteSettings),
    /// Fork one more cell and hand it over.
    Fork {
        /// The worker's name for it, never reused.
        cell: u64,
        /// Whether it makes the pages of a run its own before one comes: a run begins sooner then, and the cell costs more.
        rehearses: bool,
    },
}

/// What every cell of a zygote has in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZygoteSettings {
    /// Exactly this tier, or refuse.
    pub tier: Tier,
    /// Size of `/work`, bytes.
    pub work_bytes_max: u64,
    /// Files and folders in `/work`.
    pub work_inodes_max: u64,
    /// Open files of one cell.
    pub open_files_max: u64,
    /// Threads of one cell.
    pub threads_max: u64,
    /// A folder of this zygote's own, in which tier B makes the private folders; tier A needs none.
    pub work_root: Option<String>,
    /// Where it makes a control group for each cell.
    pub groups: CellGroups,
    /// The functions that programs find without import.
    pub tools: Vec<ToolDeclaration>,
    /// Layers to leave out. Honoured only by a runner built with its `ablation` feature, refused by all others.
    pub layers_off: Vec<String>,
}

/// A place in a hierarchy of cgroup v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellGroups {
    /// Cells have no groups of their own.
    Absent {
        /// Why, for operators.
        reason: String,
    },
    /// One each, in this folder.
    In {
        /// Made by the worker for one zygote, and removed by it.
        folder: String,
        /// What one cell may hold, with what the kernel keeps for it, bytes.
        memory_bytes_max: u64,
        /// In force for each cell: "memory pids cpu".
        controllers: String,
    },
}

/// Zygote to worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromZygote {
    /// First message, before anything is read.
    Hello {
        /// [`crate::BUILD_ID`] of the runner.
        build_id: String,
    },
    /// The zygote is warm and its walls stand.
    Ready {
        /// Of the loaded library: "3.11.2".
        python_version: String,
        /// Every wall, in the order in which it is put up.
        layers: Vec<LayerReport>,
        /// How many pages each fork copies at once, or why a cell copies each when it writes to it.
        hot_pages: Result<usize, String>,
    },
    /// The zygote cannot do what was asked, and ends.
    Refused(Refusal),
    /// A cell is ready; its descriptors come with this datagram, in the order of [`CellDescriptors::ORDER`].
    Cell {
        /// As asked for.
        cell: u64,
        /// In the zygote's pid namespace.
        pid: i32,
    },
    /// No cell could be made.
    ForkFailed {
        /// As asked for.
        cell: u64,
        /// For the log.
        reason: String,
    },
    /// A cell is gone and reaped.
    Exited {
        /// As asked for.
        cell: u64,
        /// How it ended.
        status: ExitStatus,
        /// User and system time of all its threads, microseconds.
        cpu_us: u64,
        /// Peak resident memory, bytes.
        max_rss_bytes: u64,
        /// The kernel ended it for lack of memory; known where cells have groups.
        oom: Option<KernelOom>,
    },
}

/// Whose memory was at its end when the kernel ended a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelOom {
    /// The cell's: its group was at its limit.
    OwnLimit,
    /// That of all cells, of a group around them, or of the machine.
    Elsewhere,
}

/// The order of the descriptors that come with a cell.
#[derive(Debug)]
pub struct CellDescriptors;

impl CellDescriptors {
    /// Names, for logs and errors. The work folder is sent by tier A only.
    pub const ORDER: [&'static str; CELL_DESCRIPTORS_MAX] = ["channel", "stdout", "stderr", "pidfd", "work"];
}

/// Why a zygote cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What could not be put up ("user namespace", "Landlock", "python").
    pub layer: String,
    /// What the kernel or the interpreter answered.
    pub reason: String,
    /// What an operator can do.
    pub fix: String,
}

/// One wall and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// The field's name for it: "seccomp", "Landlock".
    pub name: String,
    /// Whether it stands.
    pub state: LayerState,
    /// Version, size or reason.
    pub detail: String,
}

/// Whether a wall stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerState {
    /// In force for every cell.
    Active,
    /// Not part of this tier, or not to be had here.
    Absent,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}
