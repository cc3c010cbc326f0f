//! Three nodes of a Redis Cluster in the place of the one server: the tests see the first, as every process does.

use std::{
    process::Command,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use shared::store::Shard;

use crate::{node, ports::free_port};

/// The slots of a cluster, in three equal parts as `redis-cli --cluster create` gives them out.
const SLOTS: usize = 16_384;

pub struct RedisServer {
    nodes: Vec<Node>,
}

struct Node {
    port: u16,
    bus: u16,
    _server: node::RedisServer,
}

/// The cluster most tests share; it lives as long as any of them.
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
        let nodes: Vec<_> = (0..3).map(|_| start_node(options)).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster-yes", "--cluster", "create"]);
        create.args(nodes.iter().map(|node| format!("127.0.0.1:{}@{}", node.port, node.bus)));
        let created = create.output().expect("redis-cli is there");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        nodes.iter().for_each(until_whole);
        Self { nodes }
    }

    pub fn url(&self) -> String {
        url(self.nodes[0].port)
    }

    /// The node that has the keys of this shard.
    pub fn url_of(&self, shard: Shard) -> String {
        let port = self.nodes[0].port.to_string();
        let asked = Command::new("redis-cli")
            .args(["-p", &port, "CLUSTER", "KEYSLOT", &shard.prefix()])
            .output()
            .expect("redis-cli is there");
        let slot: usize = String::from_utf8_lossy(&asked.stdout).trim().parse().expect("a slot");
        url(self.nodes[slot / SLOTS.div_ceil(self.nodes.len())].port)
    }
}

/// 30 s until a node knows that all slots are served; it takes one or two, and more on a busy machine.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);

/// Looks again and again: a node tells nobody.
fn until_whole(node: &Node) {
    let (port, began) = (node.port.to_string(), Instant::now());
    loop {
        let asked = Command::new("redis-cli").args(["-p", &port, "CLUSTER", "INFO"]).output();
        let told = asked.expect("redis-cli is there").stdout;
        if String::from_utf8_lossy(&told).contains("cluster_state:ok") {
            return;
        }
        assert!(began.elapsed() < WHOLE_WITHIN, "the nodes find each other");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

fn start_node(options: &[&str]) -> Node {
    let (own, bus) = (free_port(), free_port());
    let (own_text, bus_text) = (own.to_string(), bus.to_string());
    let cluster = ["--port", &own_text, "--cluster-enabled", "yes", "--cluster-port", &bus_text];
    Node { port: own, bus, _server: node::RedisServer::start(&[&cluster, options].concat()) }
}
