//! The private Redis: reachable only through a socket in the data folder, every write on disk before it is
//! acknowledged, ended with us.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;
use url::Url;

use super::child::{self, Child};
use super::folder::DataFolder;
use super::{LOG_TAIL_LINES, StackError, log};
use crate::config::Environment;

/// Either will do; looked for in this order.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];
/// The oldest major version that has what the scripts use.
const VERSION_MIN: u32 = 7;
/// 30 s to read the append-only file back: about 10 GB of it.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// 5 ms between tries to connect: a Redis without data is ready in about 30.
const READY_INTERVAL: Duration = Duration::from_millis(5);
/// 10 s for `--version`.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts it. The answer's URL is for api and worker.
pub(super) async fn start(
    folder: &DataFolder,
    environment: &Environment,
) -> Result<(Child, Url), StackError> {
    let program = find(environment.get("PATH").unwrap_or_default())?;
    check_version(&program).await?;
    let own = std::env::current_exe().map_err(|source| StackError::Start { name: "redis", source })?;
    let lock = folder.share_lock().map_err(|source| StackError::Start { name: "redis", source })?;
    folder.remove_socket();

    // Through ourselves, see `become_ended_with_parent`. An empty environment: a locale that is not installed stops it.
    let mut command = Command::new(own);
    command.env_clear().arg("end-with-parent").arg(std::process::id().to_string()).arg("--").arg(program);
    command.args(["--port", "0", "--unixsocketperm", "700", "--unixsocket"]).arg(folder.socket());
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    // Records of jobs with fields of a few hundred bytes stay as small as those with shorter ones.
    command.args(["--hash-max-listpack-value", "512"]);
    command.args(["--maxmemory-policy", "noeviction", "--daemonize", "no", "--dir"]).arg(folder.redis());
    // The folder stays locked until Redis has ended too, even if we are killed: two on one file would ruin it.
    command.stdin(Stdio::from(lock));
    let server = Child::start_with_stdin("redis", command, &folder.log("redis"))?;
    let mut url = Url::parse("redis+unix:///").expect("a constant URL");
    url.set_path(Url::from_file_path(folder.socket()).expect("the data folder is absolute").path());
    Ok((server, url))
}

/// Waits until it answers; it answers `LOADING` while it reads its file.
pub(super) async fn until_ready(server: &mut Child, socket: &Path) -> Result<(), StackError> {
    let ready = async {
        while !answers(socket).await.unwrap_or_default() {
            tokio::time::sleep(READY_INTERVAL).await;
        }
    };
    let log = server.log_path().to_owned();
    let tail = || log::tail(&log, LOG_TAIL_LINES);
    tokio::select! {
        () = ready => Ok(()),
        (name, status) = child::first_end([server]) => {
            Err(StackError::Died { name, status, log: log.clone(), tail: tail() })
        }
        () = tokio::time::sleep(READY_TIMEOUT) => {
            Err(StackError::NotReady { name: "redis", after: READY_TIMEOUT, log: log.clone(), tail: tail() })
        }
    }
}

async fn answers(socket: &Path) -> io::Result<bool> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await?;
    Ok(&answer == b"+PONG")
}

fn find(path: &OsStr) -> Result<PathBuf, StackError> {
    let folders: Vec<_> = std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect();
    PROGRAMS
        .iter()
        .flat_map(|program| folders.iter().map(move |folder| folder.join(program)))
        .find(|program| program.is_file())
        .ok_or_else(|| StackError::Redis(format!("neither {} on the PATH", PROGRAMS.join(" nor "))))
}

async fn check_version(program: &Path) -> Result<(), StackError> {
    let mut command = Command::new(program);
    command.arg("--version").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let answer = tokio::time::timeout(VERSION_TIMEOUT, command.output()).await;
    let text = match answer {
        Ok(Ok(answer)) => String::from_utf8_lossy(&answer.stdout).into_owned(),
        Ok(Err(error)) => {
            return Err(StackError::Redis(format!("{} does not start: {error}", program.display())));
        }
        Err(_) => return Err(StackError::Redis(format!("{} does not answer", program.display()))),
    };
    match major_version(&text) {
        Some(version) if version < VERSION_MIN => {
            let program = program.display();
            Err(StackError::Redis(format!(
                "{program} is version {version}, at least {VERSION_MIN} is needed"
            )))
        }
        // What does not say its version the usual way is tried.
        _ => Ok(()),
    }
}

/// `Redis server v=7.0.15 sha=…`
fn major_version(text: &str) -> Option<u32> {
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    version.split('.').next()?.parse().ok()
}

/// Turns this process into `command`, which the kernel ends (SIGTERM) when the process that started us ends, however
/// that happens. Redis has no such option itself. Returns only if that fails.
///
/// The kernel watches the *thread* that started us: `wf` has only one.
pub fn become_ended_with_parent(parent_pid: u32, command: &[OsString]) -> io::Error {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    // It may have ended before the kernel was asked to watch it.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent != Some(parent_pid) {
        return io::Error::other("the process that asked for it has ended");
    }
    let Some((program, arguments)) = command.split_first() else { return io::ErrorKind::InvalidInput.into() };
    std::process::Command::new(program).args(arguments).exec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_and_valkey_tell_their_version_alike() {
        assert_eq!(
            major_version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"),
            Some(7)
        );
        assert_eq!(major_version("Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc"), Some(8));
        assert_eq!(major_version("something else"), None);
    }

    #[test]
    fn without_a_redis_the_message_says_what_to_install() {
        let error = find(OsStr::new("/nowhere")).unwrap_err().to_string();
        assert!(
            error.contains("redis-server nor valkey-server") && error.contains("apt-get install"),
            "{error}"
        );
    }

    #[test]
    fn a_parent_that_has_ended_is_not_waited_for() {
        let error = become_ended_with_parent(u32::MAX, &["/bin/true".into()]);
        assert!(error.to_string().contains("has ended"), "{error}");
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(None).unwrap();
    }
}
