//! The whole system as children of this process: private Redis, api, worker.
//!
//! Invariants: two stacks never share a data folder; whatever way this process ends, SIGKILL included, no child
//! outlives it for longer than its own shutdown takes; a child that dies takes the stack down, visibly.
//! Nothing is restarted here: this is for development, and a crash wants to be seen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::Command;
use url::Url;

use crate::config::{ApiConfig, Environment};
use crate::http::{Api, ApiError};

mod child;
mod folder;
mod log;
mod redis;
mod siblings;
mod signals;

use child::Child;
use folder::DataFolder;
pub use redis::become_ended_with_parent;
pub use signals::Signals;

/// 30 s from the start of api and worker until the api is ready: a hundred times what it takes.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// 20 ms between looks at `/readyz`.
const READY_INTERVAL: Duration = Duration::from_millis(20);
/// 5 s for runs to finish at Ctrl-C; then the worker hands them back, and they are run at the next start.
const WORKER_DRAIN_MS: &str = "5000";
/// 15 s for api and worker to let go of what they hold after SIGTERM: over the api's 10 s for open requests and the
/// worker's [`WORKER_DRAIN_MS`].
const STOP_GRACE: Duration = Duration::from_secs(15);
/// 5 s for Redis: with every write on disk already it has nothing to save.
const REDIS_STOP_GRACE: Duration = Duration::from_secs(5);
/// 250 ms between looks into the logs for warnings.
const LOG_INTERVAL: Duration = Duration::from_millis(250);
/// 20 lines of a dead child's log are shown.
const LOG_TAIL_LINES: usize = 20;

/// Why there is no stack (any more). Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The data folder is taken.
    #[error(
        "{path} is in use by another `wf dev` (process {owner}): stop that one, or keep this one's data \
         elsewhere with --data DIR"
    )]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// What the lock file says.
        owner: String,
    },
    /// The data folder cannot be used.
    #[error("{path}: {source}")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `api` or `worker` are missing or of another build.
    #[error("{path} {reason}; build all programs with `{command}`", command = siblings::BUILD_COMMAND)]
    Sibling {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No Redis, or one too old.
    #[error("{0}; install one (Debian, Ubuntu: `apt-get install redis-server`) or set REDIS_URL")]
    Redis(String),
    /// `API_BIND` cannot be listened on.
    #[error("API_BIND {bind}: {source}; choose another with API_BIND=127.0.0.1:PORT")]
    Bind {
        /// What was asked for.
        bind: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A child could not be started.
    #[error("{name} does not start: {source}")]
    Start {
        /// Which.
        name: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A child ended by itself.
    #[error("{name} ended unexpectedly ({status}); the end of {log}:\n{tail}", log = .log.display())]
    Died {
        /// Which.
        name: &'static str,
        /// How.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A child did not become ready.
    #[error("{name} was not ready after {} s; the end of {}:\n{tail}", .after.as_secs(), .log.display())]
    NotReady {
        /// Which.
        name: &'static str,
        /// How long it had.
        after: Duration,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// No client for the new api.
    #[error(transparent)]
    Client(#[from] ApiError),
}

/// The running (or starting, or stopping) system.
#[derive(Debug)]
pub struct Stack {
    folder: DataFolder,
    /// api and worker, then Redis: in the order in which they are stopped.
    children: Vec<Child>,
    redis: Option<Child>,
}

impl Stack {
    /// Takes the data folder; starts nothing yet.
    pub fn open(data: &Path) -> Result<Self, StackError> {
        Ok(Self { folder: DataFolder::open(data)?, children: Vec::new(), redis: None })
    }

    /// Starts everything and answers a client of it, once the api is ready. `environment` is what api and worker
    /// get, completed with what they need to find each other; they run in `directory`.
    ///
    /// May be dropped half-way: [`Stack::stop`] stops what there is.
    pub async fn start(&mut self, mut environment: Environment, directory: &Path) -> Result<Api, StackError> {
        let programs = siblings::find(&["api", "worker"]).await?;
        let bind = free_address(&environment)?;
        environment.set("API_BIND", bind.to_string());
        environment.set_default("SECRETS_KEY", self.folder.secrets_key()?);
        environment.set_default("LOG_FORMAT", "text");
        environment.set_default("WORKER_DRAIN_MS", WORKER_DRAIN_MS);
        // The logs are files.
        environment.set("NO_COLOR", "1");
        if environment.get("REDIS_URL").is_none() {
            let (server, url) = redis::start(&self.folder, &environment).await?;
            let server = self.redis.insert(server);
            redis::until_ready(server, self.folder.socket()).await?;
            environment.set("REDIS_URL", url.as_str());
        }
        for (name, path) in programs {
            let mut command = Command::new(path);
            command.arg("--exit-with-parent").env_clear().envs(environment.iter()).current_dir(directory);
            self.children.push(Child::start(name, command, &self.folder.log(name))?);
        }
        self.until_ready(bind).await
    }

    async fn until_ready(&mut self, bind: SocketAddr) -> Result<Api, StackError> {
        let api = Api::new(ApiConfig { base: reachable(bind), api_key: None })?;
        let ready = async {
            while !api.is_ready(READY_TIMEOUT).await {
                tokio::time::sleep(READY_INTERVAL).await;
            }
        };
        let late = tokio::select! {
            () = ready => false,
            () = tokio::time::sleep(READY_TIMEOUT) => true,
            death = self.until_a_child_dies() => return Err(death),
        };
        if !late {
            return Ok(api);
        }
        let log = self.folder.log("api");
        let tail = log::tail(&log, LOG_TAIL_LINES);
        Err(StackError::NotReady { name: "api", after: READY_TIMEOUT, log, tail })
    }

    /// Shows warnings and errors of the logs as they come, until a child ends by itself: the answer says which.
    pub async fn until_a_child_dies(&mut self) -> StackError {
        let mut looks = tokio::time::interval(LOG_INTERVAL);
        loop {
            let all = self.children.iter_mut().chain(&mut self.redis);
            tokio::select! {
                (name, status) = child::first_end(all) => {
                    let log = self.folder.log(name);
                    let tail = log::tail(&log, LOG_TAIL_LINES);
                    return StackError::Died { name, status, log, tail };
                }
                _ = looks.tick() => self.children.iter_mut().for_each(Child::show_warnings),
            }
        }
    }

    /// Stops everything and waits for it; what does not go is killed, at once when `hurry` comes.
    pub async fn stop(mut self, hurry: &mut Signals) {
        for child in &mut self.children {
            child.ask_to_stop();
        }
        tokio::select! {
            () = child::all_ended(&mut self.children) => (),
            () = tokio::time::sleep(STOP_GRACE) => (),
            () = hurry.next() => (),
        }
        for child in &mut self.children {
            child.show_warnings();
            child.end().await;
        }
        // Last, so that the others could hand back what they held.
        if let Some(server) = &mut self.redis {
            server.ask_to_stop();
            let _ = tokio::time::timeout(REDIS_STOP_GRACE, child::all_ended([&mut *server])).await;
            server.end().await;
        }
        self.folder.remove_socket();
    }

    /// Where the data is.
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// Whether Redis is our own.
    pub fn has_own_redis(&self) -> bool {
        self.redis.is_some()
    }
}

/// The address the api shall listen on, free at this moment, with a port. Asked before the start: otherwise another
/// program on that port could answer for our api, which cannot listen.
fn free_address(environment: &Environment) -> Result<SocketAddr, StackError> {
    let bind = environment.text("API_BIND").unwrap_or("127.0.0.1:8000");
    let failed = |source| StackError::Bind { bind: bind.to_owned(), source };
    let mut addresses = bind.to_socket_addrs().map_err(failed)?;
    let address = addresses.next().ok_or_else(|| failed(std::io::Error::other("no address")))?;
    TcpListener::bind(address).and_then(|listener| listener.local_addr()).map_err(failed)
}

/// Where a client on this machine reaches a server bound to `bind`.
fn reachable(bind: SocketAddr) -> Url {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Url::parse(&format!("http://{}", SocketAddr::new(ip, bind.port()))).expect("an address makes a URL")
}

/// `examples/documents`, from the current folder or from where this program was built; `None` when installed
/// elsewhere.
pub fn example_documents(directory: &Path) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let roots = std::iter::once(directory).chain(program.ancestors());
    roots.map(|root| root.join("examples/documents")).find(|folder| folder.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_refused_before_anything_starts() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let bind = taken.local_addr().unwrap().to_string();
        let environment: Environment = [("API_BIND", bind.as_str())].into_iter().collect();
        let error = free_address(&environment).unwrap_err().to_string();
        assert!(error.contains(&bind) && error.contains("API_BIND=127.0.0.1:PORT"), "{error}");
    }

    #[test]
    fn port_0_is_any_free_port() {
        let environment: Environment = [("API_BIND", "127.0.0.1:0")].into_iter().collect();
        assert_ne!(free_address(&environment).unwrap().port(), 0);
    }

    #[test]
    fn what_listens_everywhere_is_reached_through_loopback() {
        assert_eq!(reachable("0.0.0.0:8000".parse().unwrap()).as_str(), "http://127.0.0.1:8000/");
        assert_eq!(reachable("[::]:8000".parse().unwrap()).as_str(), "http://[::1]:8000/");
        assert_eq!(reachable("192.0.2.7:80".parse().unwrap()).as_str(), "http://192.0.2.7/");
    }
}
