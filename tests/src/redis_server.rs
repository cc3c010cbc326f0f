//! A private Redis with an append-only file on a unix socket, which can be stopped, killed and started again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::Signal;

use crate::process::{Process, Program};
use crate::world::World;

/// What a write survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// An append-only file, synced before the answer: as shipped.
    #[default]
    Always,
    /// Nothing: only for comparing with systems that are measured so.
    None,
}

/// The Redis of one stack. Its data folder outlives the process.
#[derive(Debug)]
pub struct RedisServer {
    folder: PathBuf,
    durability: Durability,
    world: Option<Arc<World>>,
    process: Process,
}

impl RedisServer {
    /// Starts it in `folder`, with whatever an earlier one left there.
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, Durability::Always).await
    }

    /// The same with less durability.
    pub async fn start_with(folder: &Path, durability: Durability) -> Self {
        Self::start_all(folder, durability, None).await
    }

    /// The shipped durability, with a clock and a disk that the test sets.
    pub async fn start_in(world: Arc<World>, folder: &Path) -> Self {
        Self::start_all(folder, Durability::Always, Some(world)).await
    }

    async fn start_all(folder: &Path, durability: Durability, world: Option<Arc<World>>) -> Self {
        std::fs::create_dir_all(folder).expect("the folder of Redis can be made");
        let process = launch(folder, durability, world.as_deref()).await;
        Self { folder: folder.to_path_buf(), durability, world, process }
    }

    /// What `REDIS_URL` has to be.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    /// A connection of its own, past every wire.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn connection(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        redis::Client::open(self.url())?.get_multiplexed_async_connection().await
    }

    /// The folder with the append-only file.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process, for its log.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Stops it: `TERM` as an operator would, `KILL` as the kernel would. It stays away until [`Self::start_again`].
    pub async fn stop(&mut self, signal: Signal) {
        self.process.signal(signal);
        self.process.end().await;
    }

    /// Starts it on the same socket and the same data; ready when this returns.
    pub async fn start_again(&mut self) {
        assert!(!self.process.is_running(), "stop Redis first");
        self.process = launch(&self.folder, self.durability, self.world.as_deref()).await;
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

async fn launch(folder: &Path, durability: Durability, world: Option<&World>) -> Process {
    let socket = socket(folder);
    // A killed Redis leaves its socket behind, and a new one replaces it.
    let arguments = [
        "--port",
        "0",
        "--unixsocket",
        &socket.display().to_string(),
        "--appendonly",
        if durability == Durability::Always { "yes" } else { "no" },
        "--appendfsync",
        "always",
        "--save",
        "",
        "--dir",
        &folder.display().to_string(),
    ];
    let process = Process::start(Program {
        name: "redis".to_owned(),
        path: PathBuf::from("/usr/bin/redis-server"),
        arguments: arguments.map(str::to_owned).to_vec(),
        environment: std::iter::once(("PATH".to_owned(), "/usr/bin:/bin".to_owned()))
            .chain(
                world
                    .into_iter()
                    .flat_map(|world| world.environment().map(|(name, value)| (name.to_owned(), value))),
            )
            .collect(),
        directory: folder.to_path_buf(),
    });
    let ready = |line: &String| line.to_lowercase().contains("ready to accept connections").then_some(());
    process.log().wait_until("Redis ready", ready).await;
    process
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn ask(redis: &RedisServer, line: &str) -> String {
        use std::io::{Read, Write};
        let mut stream = UnixStream::connect(socket(redis.folder())).unwrap();
        stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[tokio::test]
    async fn a_killed_redis_comes_back_with_what_it_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let mut redis = RedisServer::start(folder.path()).await;
        assert!(ask(&redis, "SET key value").starts_with("+OK"));
        redis.stop(Signal::KILL).await;
        redis.start_again().await;
        assert!(ask(&redis, "GET key").contains("value"));
        redis.stop(Signal::TERM).await;
    }
}
