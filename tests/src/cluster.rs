//! A Redis Cluster of three nodes on this machine, each with a third of the slots and an append-only file as shipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use rustix::process::Signal;

use crate::ports::free_port;
use crate::process::{Process, Program};

/// The slots of a cluster.
const SLOTS: u16 = 16_384;
/// 50 ms between two questions whether the nodes know each other.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The nodes; they end when this does.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    port: u16,
    bus: u16,
    process: Process,
}

impl Cluster {
    /// Starts three nodes in `folder`; ready when each knows where every slot is.
    pub async fn start(folder: &Path) -> Self {
        let mut nodes = Vec::new();
        for number in 0..3 {
            nodes.push(Node::start(&folder.join(format!("node-{number}"))).await);
        }
        let cluster = Self { nodes };
        let share = SLOTS.div_ceil(3);
        for (number, first) in (1..).zip((0..SLOTS).step_by(share.into())) {
            let last = (first + share - 1).min(SLOTS - 1);
            let mut node = cluster.connection(number - 1).await;
            asked(&mut node, &["SET-CONFIG-EPOCH", &number.to_string()]).await;
            asked(&mut node, &["ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
            let (seed, bus) = (cluster.nodes[0].port, cluster.nodes[0].bus.to_string());
            asked(&mut node, &["MEET", "127.0.0.1", &seed.to_string(), &bus]).await;
        }
        for number in 0..3 {
            cluster.until_whole(number).await;
        }
        cluster
    }

    /// The first node: whoever starts there is told where else to go.
    pub fn url(&self) -> String {
        self.nodes[0].url()
    }

    /// A connection to one node.
    pub async fn connection(&self, number: usize) -> MultiplexedConnection {
        let client = redis::Client::open(self.nodes[number].url()).expect("a valid address");
        // A node that writes down what it learned of the others answers when the disk has it.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(crate::DEADLINE));
        client.get_multiplexed_async_connection_with_config(&patient).await.expect("the node is there")
    }

    /// How many keys each node has.
    pub async fn keys(&self) -> Vec<usize> {
        let mut counts = Vec::new();
        for number in 0..self.nodes.len() {
            let mut node = self.connection(number).await;
            counts.push(redis::cmd("DBSIZE").query_async(&mut node).await.expect("the node answers"));
        }
        counts
    }

    /// What is still to be done, on any shard: names of keys that are there only while something waits or runs.
    pub async fn unfinished(&self) -> Vec<String> {
        let mut left = Vec::new();
        for number in 0..self.nodes.len() {
            let mut node = self.connection(number).await;
            for pattern in ["{wf:*}:q:*:leases", "{wf:*}:q:*:due", "{wf:*}:q:*:ready:*"] {
                let names: redis::RedisResult<Vec<String>> =
                    redis::cmd("KEYS").arg(pattern).query_async(&mut node).await;
                left.extend(names.expect("the node answers"));
            }
        }
        left
    }

    /// Ends the nodes once the stack has ended.
    ///
    /// # Panics
    /// When something of any shard is left to do.
    pub async fn stop(self) {
        let unfinished = self.unfinished().await;
        assert!(unfinished.is_empty(), "left to do: {unfinished:?}");
        self.end().await;
    }

    /// Ends the nodes as an operator would.
    pub async fn end(mut self) {
        for node in &mut self.nodes {
            node.process.signal(Signal::TERM);
            node.process.end().await;
        }
    }

    /// The one place where something is asked again and again: nodes tell nobody that they know each other.
    async fn until_whole(&self, number: usize) {
        let mut node = self.connection(number).await;
        let whole = async {
            loop {
                let told: String =
                    redis::cmd("CLUSTER").arg("INFO").query_async(&mut node).await.expect("the node answers");
                if told.contains("cluster_state:ok") && told.contains("cluster_known_nodes:3") {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(crate::DEADLINE, whole).await.expect("the nodes find each other");
    }
}

async fn asked(node: &mut MultiplexedConnection, command: &[&str]) {
    let answer: redis::RedisResult<String> = redis::cmd("CLUSTER").arg(command).query_async(node).await;
    assert_eq!(answer.expect("the node does it"), "OK", "{command:?}");
}

impl Node {
    async fn start(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("the folder of a node can be made");
        let (port, bus) = (free_port(), free_port());
        let (port_text, bus_text) = (port.to_string(), bus.to_string());
        let folder_text = folder.display().to_string();
        let arguments = [
            ["--bind", "127.0.0.1"],
            ["--port", &port_text],
            ["--cluster-enabled", "yes"],
            ["--cluster-port", &bus_text],
            ["--appendonly", "yes"],
            ["--appendfsync", "always"],
            ["--save", ""],
            ["--dir", &folder_text],
        ];
        let process = Process::start(Program {
            name: format!("redis-{port}"),
            path: PathBuf::from("/usr/bin/redis-server"),
            arguments: arguments.concat().into_iter().map(str::to_owned).collect(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            directory: folder.to_path_buf(),
        });
        let ready = |line: &String| line.contains("eady to accept connections").then_some(());
        process.log().wait_until("a node of the cluster", ready).await;
        Self { port, bus, process }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}
