//! A private redis-server on a unix socket. It ends with the test process, however that ends: its parent is a
//! shell that waits for the end of a pipe we hold.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use shared::store::Shard;
use tempfile::TempDir;

/// Starts the server, tells its process id, and kills it when standard input ends. The first argument is done before,
/// in the process that becomes the server.
const KEEPER: &str = r#"before=$1; shift; (eval "$before"; exec redis-server "$@") & pid=$!; echo "pid $pid"
    cat >/dev/null; kill -9 $pid 2>/dev/null"#;

pub struct RedisServer {
    folder: TempDir,
    options: Vec<String>,
    running: Mutex<Option<Running>>,
}

struct Running {
    keeper: Child,
    pid: String,
}

/// The server most tests share; it lives as long as any of them.
static SHARED: Mutex<Weak<RedisServer>> = Mutex::new(Weak::new());

impl RedisServer {
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start(&[]));
        *shared = Arc::downgrade(&server);
        server
    }

    pub fn start(options: &[&str]) -> Self {
        Self::start_after("", options)
    }

    /// `before`: shell commands whose effect the server inherits.
    pub fn start_after(before: &str, options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("queue-test-").tempdir().expect("a temporary folder");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let server = Self { folder, options, running: Mutex::new(None) };
        server.start_again_after(before);
        server
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket())
    }

    /// Of the server that has this shard's keys.
    pub fn url_of(&self, _: Shard) -> String {
        self.url()
    }

    pub fn socket(&self) -> String {
        self.folder.path().join("redis.sock").display().to_string()
    }

    /// Kills it as a crash would.
    pub fn kill(&self) {
        if let Some(mut running) = self.lock().take() {
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-KILL", &running.pid]).stderr(Stdio::null()).status();
            drop(running.keeper.stdin.take());
            running.keeper.wait().expect("the keeper ends");
        }
    }

    /// Starts it on the data it left; ready when this returns.
    pub fn start_again(&self) {
        self.start_again_after("");
    }

    pub fn start_again_after(&self, before: &str) {
        self.spawn(before, &[], "eady to accept connections");
    }

    /// Starts it on the data it left; it listens when this returns, and loads.
    pub fn start_loading(&self, options: &[&str]) {
        self.spawn("", options, "Server initialized");
    }

    fn spawn(&self, before: &str, options: &[&str], until: &str) {
        let mut keeper = Command::new("sh")
            .args([
                "-c",
                KEEPER,
                "sh",
                before,
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--loglevel",
                "notice",
            ])
            .args(["--unixsocket", &self.socket(), "--dir"])
            .arg(self.folder.path())
            .args(&self.options)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let output = BufReader::new(keeper.stdout.take().expect("piped"));
        let mut lines = output.lines().map_while(Result::ok);
        let pid =
            lines.find_map(|line| line.strip_prefix("pid ").map(str::to_owned)).expect("redis-server starts");
        lines.find(|line| line.contains(until)).expect("redis-server is ready");
        std::thread::spawn(move || lines.for_each(drop)); // it must not block on a full pipe
        *self.lock() = Some(Running { keeper, pid });
    }

    /// Stops it from running without ending it, as a machine that stalls.
    pub fn pause(&self) {
        signal(&self.lock().as_ref().expect("running").pid, "-STOP");
    }

    pub fn resume(&self) {
        signal(&self.lock().as_ref().expect("running").pid, "-CONT");
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn signal(pid: &str, name: &str) {
    let status = Command::new("kill").args([name, pid]).status().expect("kill runs");
    assert!(status.success(), "kill {name} {pid}");
}
