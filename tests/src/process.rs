//! A child process: its log in memory, its signals, its end, and the certainty that it does not outlive the test.
//!
//! Three nets, because a test may end in three ways. A normal end waits for each process. A panic drops [`Process`],
//! which kills its process group. Death of the whole test process is noticed by the kernel (`PDEATHSIG`, through
//! `setpriv`), which watches the *thread* that spawned: so one thread, which lives as long as the process, spawns all.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::sync::watch;

use crate::DEADLINE;
use crate::record::Record;

const SETPRIV: &str = "/usr/bin/setpriv";

/// What to start: everything is said, nothing is inherited.
#[derive(Debug, Clone)]
pub struct Program {
    /// Shown in messages: `worker-1`.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Its working directory.
    pub directory: PathBuf,
}

/// A started program.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    log: Arc<Record<String>>,
    ended: watch::Receiver<Option<ExitStatus>>,
    /// Whether both pipes reached their end: later than the process when a child of it holds them open.
    drained: watch::Receiver<bool>,
}

impl Process {
    /// Starts the program in a process group of its own.
    pub fn start(program: Program) -> Self {
        let name = program.name.clone();
        let (answer, answered) = mpsc::channel();
        spawner().send(Box::new(move || drop(answer.send(spawn(&program))))).expect("the spawner lives");
        let mut child = answered.recv().expect("the spawner answers").expect("the program starts");
        let pid = Pid::from_child(&child);
        let log = Arc::new(Record::default());
        let readers = [
            read_lines(child.stdout.take().expect("stdout is piped"), &log),
            read_lines(child.stderr.take().expect("stderr is piped"), &log),
        ];
        let (end, ended) = watch::channel(None);
        let (drain, drained) = watch::channel(false);
        std::thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for");
            end.send_replace(Some(status));
            for reader in readers {
                reader.join().expect("a reader does not panic");
            }
            drain.send_replace(true);
        });
        Self { name, pid, log, ended, drained }
    }

    /// The name given at the start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Every line of stdout and stderr so far.
    pub fn log(&self) -> &Record<String> {
        &self.log
    }

    /// Whether it still runs (or is stopped).
    pub fn is_running(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Sends a signal; a process that ended already is left alone.
    pub fn signal(&self, signal: Signal) {
        if self.is_running() {
            // It may end between the question and the signal: then there is nobody to tell.
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When the deadline passes.
    pub async fn end(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let waited = tokio::time::timeout(DEADLINE, ended.wait_for(Option::is_some)).await;
        let status = waited.unwrap_or_else(|_| panic!("{} did not end within {DEADLINE:?}", self.name));
        status.expect("the waiter lives until the end").expect("waited for Some")
    }

    /// Waits until the log of an ended process is complete; says `false` when something still holds its pipes open.
    pub async fn log_is_complete(&self) -> bool {
        let mut drained = self.drained.clone();
        tokio::time::timeout(DEADLINE, drained.wait_for(|done| *done)).await.is_ok()
    }

    /// The last lines of the log, for a message.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.log.all();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
    }
}

type Errand = Box<dyn FnOnce() + Send>;

/// The thread that spawns every child: the kernel ties `PDEATHSIG` to the life of the spawning thread.
fn spawner() -> &'static Sender<Errand> {
    static SPAWNER: OnceLock<Sender<Errand>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, errands) = mpsc::channel::<Errand>();
        std::thread::spawn(move || errands.into_iter().for_each(|errand| errand()));
        sender
    })
}

fn spawn(program: &Program) -> std::io::Result<Child> {
    let mut command = if Path::new(SETPRIV).exists() {
        let mut command = Command::new(SETPRIV);
        command.args(["--pdeathsig", "KILL", "--"]).arg(&program.path);
        command
    } else {
        Command::new(&program.path)
    };
    command
        .args(&program.arguments)
        .env_clear()
        .envs(&program.environment)
        .current_dir(&program.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn read_lines(pipe: impl Read + Send + 'static, log: &Arc<Record<String>>) -> std::thread::JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    })
}

/// A process as `/proc` shows it. The start time tells it from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// Process id.
    pub pid: i32,
    /// Ticks after boot.
    pub started: u64,
    /// Name of the executable's thread, as the kernel cut it.
    pub command: String,
    parent: i32,
    group: i32,
    state: char,
}

/// Every process of the machine that we can see, zombies too.
pub fn sightings() -> Vec<Sighting> {
    let entries = std::fs::read_dir("/proc").expect("/proc is mounted");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter_map(sighting).collect()
}

fn sighting(pid: i32) -> Option<Sighting> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    Some(Sighting {
        pid,
        command: head.split_once('(')?.1.to_owned(),
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// All children of `pid`, and theirs.
pub fn descendants(pid: i32) -> Vec<Sighting> {
    let all = sightings();
    let mut family = vec![pid];
    let mut found = Vec::new();
    // Breadth first; a family of processes is small and has no cycles.
    while let Some(parent) = family.pop() {
        for child in all.iter().filter(|seen| seen.parent == parent) {
            family.push(child.pid);
            found.push(child.clone());
        }
    }
    found
}

/// The living children of `pid` themselves.
pub fn children(pid: i32) -> Vec<Sighting> {
    sightings().into_iter().filter(|seen| seen.parent == pid && !matches!(seen.state, 'Z' | 'X')).collect()
}

/// Living members of a process group.
pub fn group_members(group: i32) -> Vec<Sighting> {
    sightings().into_iter().filter(|seen| seen.group == group && !matches!(seen.state, 'Z' | 'X')).collect()
}

/// Waits until the process has ended; a zombie nobody collects has ended too.
///
/// Gives the process back when it still lives at the deadline.
pub fn wait_gone(seen: &Sighting) -> Result<(), Sighting> {
    let Some(pid) = Pid::from_raw(seen.pid) else { return Ok(()) };
    let Ok(descriptor) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    // Looked at again after the descriptor is open: from here on the number cannot change its owner.
    if sighting(seen.pid).is_none_or(|now| now.started != seen.started) {
        return Ok(());
    }
    let mut watched = [PollFd::new(&descriptor, PollFlags::IN)];
    let deadline = Timespec { tv_sec: 10, tv_nsec: 0 };
    match rustix::event::poll(&mut watched, Some(&deadline)) {
        Ok(0) => Err(seen.clone()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Program {
            name: "sh".to_owned(),
            path: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            directory: PathBuf::from("/"),
        })
    }

    #[tokio::test]
    async fn a_process_has_its_log_and_its_end() {
        let process = shell("echo one; echo two >&2; exit 3");
        assert_eq!(process.end().await.code(), Some(3));
        assert!(process.log_is_complete().await);
        let mut lines = process.log().all();
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
    }

    #[tokio::test]
    async fn a_dropped_process_takes_its_children_with_it() {
        let process = shell("sleep 1000 & echo started; wait");
        process.log().wait_until("started", |line| (line == "started").then_some(())).await;
        let family = descendants(process.pid());
        assert_eq!(family.len(), 1, "{family:?}");
        let group = process.pid();
        let members = group_members(group);
        assert_eq!(members.len(), 2, "{members:?}");
        drop(process);
        for member in family.iter().chain(&members) {
            wait_gone(member).unwrap();
        }
        assert!(group_members(group).is_empty());
    }
}
