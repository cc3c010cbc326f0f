//! The embedded CPython: started once, isolated from environment, site packages and signals.
//!
//! Invariant: nothing of the host shows in it: no environment, no user site, no `.pth`, no current folder in the path.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use wire::codec::PREFIX_BYTES;
use wire::frame::{CellLimits, Start, Task, ToCell};

use crate::arenas;
use crate::kernel::Forked;

/// The version this runner was built for.
pub const BUILT_FOR: (&str, &str) = (env!("RUNNER_PYTHON_MAJOR"), env!("RUNNER_PYTHON_MINOR"));

/// One seed for all cells, so that a program iterates its sets in the same order on every attempt.
const HASH_SEED: std::ffi::c_ulong = 20_250_101;

/// The glue, in the order in which it imports itself.
const MODULES: [(&CStr, &CStr, &str); 8] = [
    (c"zygote_first", c"zygote_first.py", include_str!("../python/zygote_first.py")),
    (c"cell_channel", c"cell_channel.py", include_str!("../python/cell_channel.py")),
    (c"cell_check", c"cell_check.py", include_str!("../python/cell_check.py")),
    (c"cell_tools", c"cell_tools.py", include_str!("../python/cell_tools.py")),
    (c"cell_report", c"cell_report.py", include_str!("../python/cell_report.py")),
    (c"cell_surroundings", c"cell_surroundings.py", include_str!("../python/cell_surroundings.py")),
    (c"cell", c"cell.py", include_str!("../python/cell.py")),
    (c"zygote", c"zygote.py", include_str!("../python/zygote.py")),
];

/// Why there is no interpreter.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// Another library than at build time: rebuild.
    #[error("libpython {loaded} was loaded, but this runner was built for {built}")]
    OtherVersion {
        /// What the loader found.
        loaded: String,
        /// What was linked against.
        built: String,
    },
    /// `Py_InitializeFromConfig` and its steps.
    #[error("the interpreter does not start: {0}")]
    Start(String),
    /// An import of the glue.
    #[error("the interpreter's library is incomplete: {0}")]
    Library(String),
}

/// What the rest of the runner needs to know about the library.
#[derive(Debug)]
pub struct Library {
    /// "3.11.2".
    pub version: String,
    /// What cells call.
    pub glue: Glue,
    /// Folders with modules and with the shared objects they need.
    pub folders: Vec<PathBuf>,
}

/// Found once: a look-up in each cell would copy the pages it counts references on.
#[derive(Debug)]
pub struct Glue {
    settle: Py<PyAny>,
    rehearse: Py<PyAny>,
    run: Py<PyAny>,
    /// A start frame's body with a program of no consequence that does what nearly all do.
    typical: Vec<u8>,
    /// The same with one that calls a tool.
    rehearsal: Vec<u8>,
    check_library: Py<PyAny>,
    /// Of the event loop that all cells have: each needs descriptors of its own under these numbers.
    pub loop_descriptors: LoopDescriptors,
}

/// Numbers, as the interpreter's objects know them.
#[derive(Debug, Clone, Copy)]
pub struct LoopDescriptors {
    /// The epoll instance.
    pub selector: RawFd,
    /// The end of the self-pipe that the selector watches.
    pub wake_reader: RawFd,
    /// The end that other threads write to.
    pub wake_writer: RawFd,
}

/// Starts CPython, imports what cells will want, and freezes it. `tools` is the JSON of their declarations, `limits` that
/// of what messages name.
pub fn start(tools: &str, limits: &str, work_folder: &str) -> Result<Library, InterpreterError> {
    let version = loaded_version();
    let (major, minor) = BUILT_FOR;
    let mut parts = version.split('.');
    if (parts.next(), parts.next()) != (Some(major), Some(minor)) {
        return Err(InterpreterError::OtherVersion { loaded: version, built: format!("{major}.{minor}") });
    }
    arenas::keep_together();
    initialise()?;
    let (folders, glue) = Python::attach(|py| -> PyResult<(Vec<String>, Glue)> {
        for (name, file, source) in MODULES {
            let source = CString::new(source)?;
            PyModule::from_code(py, &source, file, name)?;
        }
        let zygote = py.import("zygote")?;
        let folders = zygote.call_method0("library_folders")?.extract()?;
        let loop_descriptors = zygote.call_method1("freeze", (tools, limits, work_folder))?;
        let glue = Glue::find(py, &loop_descriptors)?;
        arenas::fill_pools(py);
        Ok((folders, glue))
    })
    .map_err(|error| InterpreterError::Library(error.to_string()))?;
    Ok(Library { version, glue, folders: folders.into_iter().map(PathBuf::from).collect() })
}

impl Glue {
    fn find(py: Python<'_>, loop_descriptors: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (selector, wake_reader, wake_writer) = loop_descriptors.extract()?;
        let cell = py.import("cell")?;
        Ok(Self {
            settle: cell.getattr("settle")?.unbind(),
            rehearse: cell.getattr("rehearse")?.unbind(),
            run: cell.getattr("run")?.unbind(),
            typical: rehearsal(cell.getattr("TYPICAL")?.extract()?),
            rehearsal: rehearsal(cell.getattr("TYPICAL_WITH_CALL")?.extract()?),
            check_library: py.import("cell_surroundings")?.getattr("check_library")?.unbind(),
            loop_descriptors: LoopDescriptors { selector, wake_reader, wake_writer },
        })
    }

    /// In the first cell of a zygote: whether the library can be read from inside the walls.
    pub fn check_library(&self, py: Python<'_>) -> PyResult<()> {
        self.check_library.call0(py).map(drop)
    }

    /// In a fresh cell: what can be done before the job is known. A rehearsal goes the whole way of a run, from its frame to
    /// its result.
    pub fn warm(&self, py: Python<'_>, work_folder: &str, rehearses: bool) -> PyResult<()> {
        self.settle.call1(py, (work_folder,))?;
        if rehearses { self.rehearse(py, &self.rehearsal) } else { Ok(()) }
    }

    /// In a child that becomes no cell: what nearly all runs do.
    pub fn run_typical(&self, py: Python<'_>) -> PyResult<()> {
        self.rehearse(py, &self.typical)
    }

    fn rehearse(&self, py: Python<'_>, frame: &[u8]) -> PyResult<()> {
        // As a run has it: in memory of its own.
        let frame = frame.to_vec();
        match wire::codec::decode::<ToCell>(&frame) {
            Ok(ToCell::Start(start)) => call(&self.rehearse, py, *start),
            _ => Err(PyRuntimeError::new_err("the rehearsal is no start frame")),
        }
    }

    /// Runs the program of a start frame; sends its outcome on the channel.
    pub fn run(&self, py: Python<'_>, start: Start) -> PyResult<()> {
        call(&self.run, py, start)
    }
}

/// Forks with `fork` and becomes `child` on the other side.
pub fn fork(
    _attached: Python<'_>,
    fork: impl FnOnce() -> io::Result<Forked>,
    child: impl FnOnce() -> Infallible,
) -> io::Result<(i32, OwnedFd)> {
    // SAFETY: the interpreter is held, and the zygote has no other thread.
    unsafe { ffi::PyOS_BeforeFork() };
    let forked = fork();
    if let Ok(Forked::Child) = forked {
        child();
    }
    // SAFETY: the counterpart of PyOS_BeforeFork, in the parent.
    unsafe { ffi::PyOS_AfterFork_Parent() };
    match forked? {
        Forked::Child => unreachable!("a child never comes back"),
        Forked::Parent { pid, pidfd } => Ok((pid, pidfd)),
    }
}

fn call(function: &Py<PyAny>, py: Python<'_>, start: Start) -> PyResult<()> {
    let Start { program, task, seed, limits } = start;
    let user_input = match task {
        Task::Execute { user_input } => Some(PyString::new(py, &user_input)),
        Task::Check => None,
    };
    let source = PyString::new(py, &program);
    drop(program); // what is left of the memory is the program's
    let arguments = (source, user_input, seed, limits.result_bytes_max, limits.arguments_bytes_max);
    function.call1(py, arguments).map(drop)
}

fn rehearsal(program: String) -> Vec<u8> {
    let limits = CellLimits {
        memory_bytes_max: 1 << 29,
        cpu_secs: 60,
        result_bytes_max: 1000,
        file_bytes_max: 1 << 20,
        arguments_bytes_max: 1000,
    };
    let task = Task::Execute { user_input: "x".to_owned() };
    let frame = wire::codec::encode(&ToCell::Start(Box::new(Start { program, task, seed: 0, limits })));
    frame.map(|frame| frame[PREFIX_BYTES..].to_vec()).unwrap_or_default()
}

fn loaded_version() -> String {
    // SAFETY: Py_GetVersion returns a static C string and may be called before initialisation.
    let text = unsafe { CStr::from_ptr(ffi::Py_GetVersion()) };
    text.to_string_lossy().split_whitespace().next().unwrap_or_default().to_owned()
}

fn initialise() -> Result<(), InterpreterError> {
    let home = CString::new(env!("RUNNER_PYTHON_HOME")).expect("a path of the build has no NUL");
    // SAFETY: the calls follow the order of the "Python Initialization Configuration" chapter: pre-configuration,
    // configuration initialised before it is changed, strings copied by CPython, cleared after use. No other thread
    // exists and Python was not started before.
    unsafe {
        let mut before = std::mem::zeroed::<ffi::PyPreConfig>();
        ffi::PyPreConfig_InitIsolatedConfig(&raw mut before);
        before.utf8_mode = 1;
        accept(ffi::Py_PreInitialize(&raw const before))?;
        let mut config = std::mem::zeroed::<ffi::PyConfig>();
        ffi::PyConfig_InitIsolatedConfig(&raw mut config);
        config.site_import = 0;
        config.write_bytecode = 0;
        config.install_signal_handlers = 0;
        config.use_hash_seed = 1;
        config.hash_seed = HASH_SEED;
        config.configure_c_stdio = 0;
        let mut status = ffi::PyConfig_SetBytesString(&raw mut config, &raw mut config.home, home.as_ptr());
        if ffi::PyStatus_Exception(status) == 0 {
            status = ffi::Py_InitializeFromConfig(&raw const config);
        }
        ffi::PyConfig_Clear(&raw mut config);
        accept(status)?;
        // The initialising thread holds the interpreter; `attach` takes it from here.
        ffi::PyEval_SaveThread();
    }
    Ok(())
}

fn accept(status: ffi::PyStatus) -> Result<(), InterpreterError> {
    // SAFETY: a status is a plain value; its message is null or a static C string.
    unsafe {
        if ffi::PyStatus_Exception(status) == 0 {
            return Ok(());
        }
        let message = if status.err_msg.is_null() {
            "no reason given".to_owned()
        } else {
            CStr::from_ptr(status.err_msg).to_string_lossy().into_owned()
        };
        Err(InterpreterError::Start(message))
    }
}
