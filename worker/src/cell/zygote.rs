//! One zygote process: started, greeted, configured; later ended.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;
use wire::control::{FromZygote, LayerReport, Refusal, ToZygote, ZygoteSettings};

use super::control_socket::ControlSocket;
use super::groups::{Generation, Groups};
use super::work_root::WorkRoot;

/// From exec to warm: 0.2 s usually; a cold disk and a busy machine may take seconds.
const START_TIME_MAX: Duration = Duration::from_secs(30);
/// From the end of the control socket to the end of the process, with all its cells.
const END_TIME_MAX: Duration = Duration::from_secs(5);
/// A line of the zygote's stderr; it is our own program and says little.
const STDERR_LINE_BYTES_MAX: u64 = 4096;

/// Why there is no zygote.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZygoteStartError {
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("the runner is of build {theirs}, this worker of {}", wire::BUILD_ID)]
    Stale { theirs: String },
    #[error("{}: {}", .0.layer, .0.reason)]
    Refused(Refusal),
    /// No verdict on this machine or this installation: the next one may live.
    #[error("the runner was killed by signal {signal} before it was ready")]
    Killed { signal: i32 },
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A warm zygote.
#[derive(Debug)]
pub(super) struct Zygote {
    pub(super) control: Arc<ControlSocket>,
    pub(super) process: Child,
    pub(super) python_version: String,
    pub(super) layers: Vec<LayerReport>,
    pub(super) hot_pages: Result<usize, String>,
    /// The groups of its cells. They go when they are empty.
    generation: Option<Generation>,
    /// Tier B's private folders of its cells. They go when it has ended.
    work: Option<TempDir>,
}

impl Zygote {
    pub(super) async fn start(
        runner: &Path,
        mut settings: ZygoteSettings,
        (groups, work_root): (Option<&Groups>, Option<&WorkRoot>),
    ) -> Result<Self, ZygoteStartError> {
        if !runner.is_file() {
            return Err(ZygoteStartError::Missing(runner.to_owned()));
        }
        let generation = groups.map(Groups::generation).transpose().map_err(ZygoteStartError::Refused)?;
        if let Some(generation) = &generation {
            generation.is_for(&mut settings.groups);
        }
        let work = work_root.map(WorkRoot::generation).transpose()?;
        settings.work_root = work.as_ref().map(|folder| folder.path().to_string_lossy().into_owned());
        let (control, theirs) = ControlSocket::pair()?;
        let mut process = Command::new(runner)
            // Everything in the zygote's memory can be read by every program: it gets nothing.
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(stderr) = process.stderr.take() {
            tokio::spawn(log_lines(stderr));
        }
        let greeted = timeout(START_TIME_MAX, greet(&control, settings)).await;
        let (python_version, layers, hot_pages) = match greeted {
            Ok(Err(ZygoteStartError::Io(error))) if is_gone(&error) => {
                return Err(how_it_ended(process, error).await);
            }
            Ok(greeted) => greeted?,
            Err(_) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        };
        Ok(Self { control: Arc::new(control), process, python_version, layers, hot_pages, generation, work })
    }

    /// Where it makes the folder of a cell, on tier B.
    pub(super) fn work_folder(&self, cell: u64) -> Option<PathBuf> {
        Some(self.work.as_ref()?.path().join(cell.to_string()))
    }

    /// Ends it and waits until it and its cells are gone.
    pub(super) async fn end(mut self) {
        self.control.close();
        if timeout(END_TIME_MAX, self.process.wait()).await.is_err() {
            // `kill` waits too; a process that ignores both is the kernel's problem, and dropping ours changes nothing.
            let _ = self.process.kill().await;
        }
        if let Some(generation) = self.generation.take() {
            generation.end(END_TIME_MAX).await;
        }
    }
}

async fn greet(
    control: &ControlSocket,
    settings: ZygoteSettings,
) -> Result<(String, Vec<LayerReport>, Result<usize, String>), ZygoteStartError> {
    match receive(control).await? {
        FromZygote::Hello { build_id } if build_id == wire::BUILD_ID => {}
        FromZygote::Hello { build_id } => return Err(ZygoteStartError::Stale { theirs: build_id }),
        other => return Err(unexpected(&other)),
    }
    control.send(&ToZygote::Configure(settings)).await?;
    match receive(control).await? {
        FromZygote::Ready { python_version, layers, hot_pages } => Ok((python_version, layers, hot_pages)),
        FromZygote::Refused(refusal) => Err(ZygoteStartError::Refused(refusal)),
        other => Err(unexpected(&other)),
    }
}

async fn receive(control: &ControlSocket) -> Result<FromZygote, ZygoteStartError> {
    let received = control.receive().await?;
    let (message, _) = received.ok_or(io::ErrorKind::UnexpectedEof).map_err(io::Error::from)?;
    Ok(message)
}

/// Whether nobody is at the other end any more.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset)
}

/// A runner that ended by itself had a reason, and has it again next time; one that was killed had none of its own.
async fn how_it_ended(mut process: Child, error: io::Error) -> ZygoteStartError {
    match timeout(END_TIME_MAX, process.wait()).await {
        Ok(Ok(status)) => match status.signal() {
            Some(signal) => ZygoteStartError::Killed { signal },
            None => {
                let ended = format!("the runner ended before it was ready ({status}); see its log lines");
                io::Error::other(ended).into()
            }
        },
        _ => error.into(),
    }
}

fn unexpected(message: &FromZygote) -> ZygoteStartError {
    io::Error::other(format!("the runner said something unexpected: {message:?}")).into()
}

async fn log_lines(stderr: ChildStderr) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut reader).take(STDERR_LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
        tracing::warn!(line = %String::from_utf8_lossy(line.trim_ascii_end()), "The runner wrote to its stderr");
        line.clear();
    }
}
