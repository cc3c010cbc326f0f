//! `wf dev`, whole: the real program and a real Redis, with stand-ins for api and worker that do nothing but live.
//! (The real ones under `wf` are started by the end-to-end tests.)
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is an assertion")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde_json::Value;
use tempfile::TempDir;

/// 30 s for anything to happen: a busy machine is slow, a hang is a failure.
const DEADLINE: Duration = Duration::from_secs(30);

/// A folder of programs: this build's `wf` and the stand-ins.
struct Programs(TempDir);

impl Programs {
    fn new() -> Self {
        // Linked, not copied: below the target folder, because links do not cross file systems.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::hard_link(env!("CARGO_BIN_EXE_wf"), folder.path().join("wf")).unwrap();
        let programs = Self(folder);
        for name in ["api", "worker"] {
            programs.replace(name, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fakes").join(name));
        }
        programs
    }

    fn replace(&self, name: &str, by: &Path) {
        let _ = std::fs::remove_file(self.0.path().join(name));
        std::os::unix::fs::symlink(by, self.0.path().join(name)).unwrap();
    }

    fn wf_dev(&self, data: &Path, environment: &[(&str, &str)]) -> Wf {
        let mut command = Command::new(self.0.path().join("wf"));
        command.args(["dev", "--data"]).arg(data).current_dir(self.0.path());
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("API_BIND", "127.0.0.1:0");
        command.envs(environment.iter().copied()).process_group(0);
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Wf { process }
    }
}

/// A running `wf dev`.
struct Wf {
    process: Child,
}

impl Wf {
    /// The address of the api, from the banner; the rest of the banner has come then too.
    fn until_ready(&mut self) -> SocketAddr {
        let mut stdout = BufReader::new(self.process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut banner = String::new();
            while !banner.contains("Stop") && stdout.read_line(&mut banner).is_ok_and(|length| length > 0) {}
            let _ = sender.send(banner);
        });
        let banner = lines.recv_timeout(DEADLINE).expect("a banner in time");
        let url = banner.split_whitespace().find(|word| word.starts_with("http://"));
        let Some(url) = url else { panic!("no address in {banner:?}: {}", self.stderr()) };
        url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
    }

    fn stderr(&mut self) -> String {
        let mut text = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        assert!(gone(Pid::from_child(&self.process)), "wf ends in time");
        self.process.wait().unwrap()
    }

    /// The same, once they are so many: what a child starts comes when it comes.
    fn family_of(&self, many: usize) -> Vec<Pid> {
        let until = Instant::now() + DEADLINE;
        loop {
            let family = self.family();
            if family.len() >= many {
                return family;
            }
            assert!(Instant::now() < until, "{many} processes, not {family:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its children and theirs.
    fn family(&self) -> Vec<Pid> {
        let mut family = vec![Pid::from_child(&self.process)];
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            family.extend(children(parent));
            next += 1;
        }
        family.split_off(1)
    }
}

impl Drop for Wf {
    fn drop(&mut self) {
        // After a failed test; the children then end by what is tested here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        fields.split(' ').nth(1).is_some_and(|field| field == parent.as_raw_nonzero().to_string())
    };
    all.filter(is_child).filter_map(Pid::from_raw).collect()
}

/// Whether the process has ended, within the deadline.
fn gone(pid: Pid) -> bool {
    let Ok(process) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return true };
    let deadline = Timespec { tv_sec: i64::try_from(DEADLINE.as_secs()).unwrap(), tv_nsec: 0 };
    rustix::event::poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&deadline)) != Ok(0)
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    // A server that dies answers nothing.
    let _ = stream.read_to_string(&mut answer);
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

fn data_folder() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("da ta");
    (parent, data)
}

#[test]
fn ctrl_c_and_sigterm_leave_nothing_but_the_data() {
    let programs = Programs::new();
    let (_parent, data) = data_folder();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut wf = programs.wf_dev(&data, &[]);
        wf.until_ready();
        let family = wf.family_of(5); // redis, api, worker, and the two that the worker started
        wf.signal(signal);
        assert!(wf.ended().success(), "{signal:?}: {}", wf.stderr());
        assert!(family.into_iter().all(gone));
        assert!(!data.join("redis/redis.sock").exists());
        assert!(data.join("redis/appendonlydir").is_dir());
    }
}

#[test]
fn a_killed_wf_takes_redis_api_and_worker_along() {
    let programs = Programs::new();
    let (_parent, data) = data_folder();
    let mut wf = programs.wf_dev(&data, &[]);
    wf.until_ready();
    let own = children(Pid::from_child(&wf.process));
    assert_eq!(own.len(), 3);
    let family = wf.family();
    wf.signal(Signal::KILL);
    wf.ended();
    assert!(own.iter().copied().all(gone));
    // What the worker starts is the worker's to end; here it is a stubborn `sleep`.
    for orphan in family.into_iter().filter(|pid| !own.contains(pid)) {
        let _ = rustix::process::kill_process(orphan, Signal::KILL);
    }
    // The folder is free again, as soon as Redis is gone.
    let mut wf = programs.wf_dev(&data, &[]);
    wf.until_ready();
    wf.signal(Signal::INT);
    assert!(wf.ended().success());
}

#[test]
fn two_stacks_do_not_share_a_folder() {
    let programs = Programs::new();
    let (_parent, data) = data_folder();
    let mut first = programs.wf_dev(&data, &[]);
    let address = first.until_ready();
    let mut second = programs.wf_dev(&data, &[]);
    assert_eq!(second.ended().code(), Some(1));
    let stderr = second.stderr();
    assert!(stderr.contains("in use") && stderr.contains(&first.process.id().to_string()), "{stderr}");
    assert!(get(address, "/readyz").contains("PATH"), "the first goes on");
    first.signal(Signal::INT);
    assert!(first.ended().success());
}

#[test]
fn a_child_that_dies_is_named_with_its_last_words_and_takes_all_down() {
    let programs = Programs::new();
    let (_parent, data) = data_folder();
    let mut wf = programs.wf_dev(&data, &[]);
    let address = wf.until_ready();
    let family = wf.family();
    get(address, "/die");
    assert_eq!(wf.ended().code(), Some(1));
    let stderr = wf.stderr();
    for part in ["api ended unexpectedly", "exit status: 9", "last words"] {
        assert!(stderr.contains(part), "{part:?} in {stderr}");
    }
    assert!(family.into_iter().all(gone));
}

#[test]
fn a_worker_of_another_build_is_refused_with_the_build_command() {
    let programs = Programs::new();
    programs.replace("worker", Path::new("/bin/true"));
    let (_parent, data) = data_folder();
    let mut wf = programs.wf_dev(&data, &[]);
    assert_eq!(wf.ended().code(), Some(1));
    let stderr = wf.stderr();
    assert!(stderr.contains("worker is of another build") && stderr.contains("cargo build"), "{stderr}");
    assert!(!data.join("redis/redis.sock").exists());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let programs = Programs::new();
    let (_parent, data) = data_folder();
    let mut wf = programs.wf_dev(&data, &[("API_BIND", &bind)]);
    assert_eq!(wf.ended().code(), Some(1));
    let stderr = wf.stderr();
    assert!(stderr.contains(&bind), "{stderr}");
}

#[test]
fn api_and_worker_get_the_users_settings_and_the_private_ones_where_the_user_has_none() {
    let programs = Programs::new();
    std::fs::write(
        programs.0.path().join(".env"),
        "CHAT_MODEL=from-file\nSECRETS_KEY=\nWEBHOOK_ALLOW_PRIVATE=\n",
    )
    .unwrap();
    let (_parent, data) = data_folder();
    let mut wf = programs.wf_dev(&data, &[("GENERATOR_MODEL", "from-process")]);
    let address = wf.until_ready();
    let environment: Value = serde_json::from_str(&get(address, "/environment")).unwrap();
    wf.signal(Signal::INT);
    assert!(wf.ended().success());
    let key = std::fs::read_to_string(data.join("secrets.key")).unwrap();
    let socket = data.canonicalize().unwrap().join("redis/redis.sock");
    let url = format!("redis+unix://{}", socket.display().to_string().replace(' ', "%20"));
    for (name, value) in [
        ("CHAT_MODEL", "from-file"),
        ("GENERATOR_MODEL", "from-process"),
        ("WEBHOOK_ALLOW_PRIVATE", "true"),
        ("SECRETS_KEY", key.trim()),
        ("REDIS_URL", &url),
        ("API_BIND", &address.to_string()),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
}

#[test]
fn a_redis_of_the_users_is_used_instead_of_a_private_one() {
    let programs = Programs::new();
    let (_parent, data) = data_folder();
    let mut wf = programs.wf_dev(&data, &[("REDIS_URL", "redis://192.0.2.1"), ("SECRETS_KEY", "mine")]);
    let address = wf.until_ready();
    let environment: Value = serde_json::from_str(&get(address, "/environment")).unwrap();
    assert_eq!(children(Pid::from_child(&wf.process)).len(), 2);
    wf.signal(Signal::INT);
    assert!(wf.ended().success());
    assert_eq!(
        (&environment["REDIS_URL"], &environment["SECRETS_KEY"]),
        (&"redis://192.0.2.1".into(), &"mine".into())
    );
}
