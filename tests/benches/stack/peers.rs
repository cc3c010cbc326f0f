//! What users would use instead: Celery, with nothing around the program and with bubblewrap around it, and RQ.
//!
//! Installed from PyPI once per target folder. Each peer gets a Redis of its own with the settings ours has, and stands
//! idle while another is measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::process::{Process, Program};
use tests::published;
use tests::redis_server::{Durability, RedisServer};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::load;

/// The versions that are measured, the latest when this was written; `packaging` is what Celery forgets to ask for.
const PACKAGES: [&str; 4] = ["celery==5.7.0", "redis==7.3.0", "rq==3.0.0", "packaging==26.3"];
/// 3 min for one measurement.
const DRIVE_TIMEOUT: Duration = Duration::from_mins(3);

/// One way to run the program elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// `exec` in Celery's own process.
    Celery,
    /// Celery that starts bubblewrap with python3 for each job.
    CeleryBwrap,
    /// RQ, which forks for each job, without a sandbox.
    Rq,
}

impl Peer {
    /// Those that are compared.
    pub const ALL: [Self; 3] = [Self::Celery, Self::CeleryBwrap, Self::Rq];

    /// As the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Celery => "Celery, exec in the worker: no isolation",
            Self::CeleryBwrap => "Celery + bwrap + python3",
            Self::Rq => "RQ: no isolation",
        }
    }

    fn argument(self) -> &'static str {
        match self {
            Self::Celery => "celery",
            Self::CeleryBwrap => "celery_bwrap",
            Self::Rq => "rq",
        }
    }

    /// How many jobs a throughput round has: some seconds' worth.
    pub fn jobs(self) -> usize {
        match self {
            Self::Celery => 1_000,
            Self::CeleryBwrap => 120,
            Self::Rq => 60,
        }
    }
}

/// The packages, once installed.
#[derive(Debug)]
pub struct Packages(PathBuf);

impl Packages {
    /// Installs what is not there yet; `Err` says why it cannot.
    pub async fn install() -> Result<Self, String> {
        published::from_pypi(env!("CARGO_TARGET_TMPDIR"), &PACKAGES).await.map(Self)
    }
}

/// The peers, running.
#[derive(Debug)]
pub struct Peers {
    environment: BTreeMap<String, String>,
    // Workers before their Redis, and that before its folder.
    _workers: Vec<Process>,
    _redis: RedisServer,
    _folder: TempDir,
}

impl Peers {
    /// Starts a Redis, a Celery worker and two RQ workers (RQ has one process per worker, the machine has two cores).
    pub async fn start(packages: &Packages, durability: Durability) -> Self {
        let folder = tempfile::Builder::new().prefix("wf-bench-").tempdir().expect("a temporary folder");
        let redis = RedisServer::start_with(&folder.path().join("redis"), durability).await;
        let socket = redis.url().trim_start_matches("redis+unix://").to_owned();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/stack/peers");
        // The python3 that the packages were installed with.
        let path = shared::config::process_vars().into_iter().find(|(name, _)| name == "PATH");
        let environment = BTreeMap::from([
            ("PATH".to_owned(), path.map_or_else(|| "/usr/bin:/bin".to_owned(), |(_, value)| value)),
            ("HOME".to_owned(), folder.path().display().to_string()),
            ("PYTHONPATH".to_owned(), format!("{}:{}", packages.0.display(), scripts.display())),
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
            ("BENCH_BROKER".to_owned(), format!("redis+socket://{socket}")),
            ("BENCH_SOCKET".to_owned(), socket.clone()),
        ]);
        let celery = ["celery", "-A", "celery_app", "worker", "--concurrency", "2", "--loglevel", "INFO"];
        let rq = ["rq.cli", "worker", "--url", &format!("unix://{socket}"), "--quiet"];
        let mut workers = vec![python("celery", &celery, &environment, folder.path())];
        workers[0].log().wait_until("Celery ready", |line| line.contains("ready.").then_some(())).await;
        workers
            .extend((0..2).map(|number| python(&format!("rq-{number}"), &rq, &environment, folder.path())));
        Self { environment, _workers: workers, _redis: redis, _folder: folder }
    }

    /// `count` jobs one after the other, each after a pause: milliseconds of each.
    pub async fn latencies(&self, peer: Peer, count: usize, pause: Duration) -> Vec<f64> {
        let told = self.drive(peer, &["latency", &count.to_string(), &pause.as_millis().to_string()]).await;
        let all = told["latencies_ms"].as_array().expect("a list of latencies");
        all.iter().filter_map(Value::as_f64).collect()
    }

    /// `count` jobs at once: jobs a second.
    pub async fn throughput(&self, peer: Peer, count: usize) -> f64 {
        self.drive(peer, &["throughput", &count.to_string()]).await["per_second"].as_f64().expect("a number")
    }

    async fn drive(&self, peer: Peer, what: &[&str]) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/stack/peers/drive.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(peer.argument())
            .args(what)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 starts");
        let job = json!({"code": load::PROGRAM, "user_input": load::INPUT, "expected": load::expected()});
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(job.to_string().as_bytes()).await.expect("the driver reads");
        drop(stdin);
        let ended = tokio::time::timeout(DRIVE_TIMEOUT, child.wait_with_output()).await;
        let output = ended
            .unwrap_or_else(|_| panic!("{peer:?} {what:?} takes too long"))
            .expect("it can be waited for");
        assert!(output.status.success(), "{peer:?} {what:?} failed");
        serde_json::from_slice(&output.stdout).expect("a line of JSON")
    }
}

fn python(name: &str, module: &[&str], environment: &BTreeMap<String, String>, directory: &Path) -> Process {
    let mut arguments = vec!["-m".to_owned()];
    arguments.extend(module.iter().map(|&argument| argument.to_owned()));
    Process::start(Program {
        name: name.to_owned(),
        path: PathBuf::from("/usr/bin/env"),
        arguments: std::iter::once("python3".to_owned()).chain(arguments).collect(),
        environment: environment.clone(),
        directory: directory.to_path_buf(),
    })
}
