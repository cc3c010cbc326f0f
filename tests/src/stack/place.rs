//! Where a stack keeps everything: a private Redis server, or with `TEST_REDIS=cluster` a cluster of three nodes with three
//! shards, so that the same tests show that both are the same to a client.

use std::path::Path;

use tempfile::TempDir;

use super::{Builder, Stack};
use crate::cluster::Cluster;

/// As many shards as nodes.
const SHARDS: &str = "3";

/// Memory that is a file system, on Linux.
const MEMORY: &str = "/dev/shm";
/// 1 GiB of it: many times what the stacks of two tests write.
const MEMORY_BYTES_MIN: u64 = 1 << 30;

/// The folder of a stack's Redis: in memory, where there is enough. It syncs its file before each answer, and behind what a
/// build before the tests is still writing out, or other machines write to the same disk, that takes seconds. What is
/// tested is the death of processes, and survives there as well.
pub(super) fn storage(on_disk: bool) -> TempDir {
    let mut folder = tempfile::Builder::new();
    folder.prefix("wf-e2e-redis-");
    let free_bytes = rustix::fs::statvfs(MEMORY).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    if !on_disk
        && free_bytes >= MEMORY_BYTES_MIN
        && let Ok(folder) = folder.tempdir_in(MEMORY)
    {
        return folder;
    }
    folder.tempdir().expect("a temporary folder")
}

/// The cluster of a stack that is to run on one: not when its test handles the server, its wires or its address itself.
pub(super) async fn cluster(builder: &mut Builder, folder: &Path) -> Option<Cluster> {
    if !asked_for() || builder.one_server || builder.wired || builder.environment.contains_key("REDIS_URL") {
        return None;
    }
    let cluster = Cluster::start(&folder.join("cluster")).await;
    let environment = &mut builder.environment;
    environment.insert("REDIS_URL".to_owned(), cluster.url());
    environment.entry("REDIS_SHARDS".to_owned()).or_insert_with(|| SHARDS.to_owned());
    Some(cluster)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how the tests themselves are run; no program of the stack is told"
)]
fn asked_for() -> bool {
    std::env::var("TEST_REDIS").is_ok_and(|place| place == "cluster")
}

impl Stack {
    /// What `REDIS_URL` of api and workers is.
    pub fn redis_url(&self) -> String {
        self.environment.get("REDIS_URL").cloned().unwrap_or_else(|| self.redis.url())
    }

    /// Ends the cluster, if there is one; complains about jobs that some shard still holds for a worker.
    pub(super) async fn stop_cluster(&mut self) -> Vec<String> {
        let Some(cluster) = self.cluster.take() else { return Vec::new() };
        let held = cluster.unfinished().await.into_iter().filter(|key| key.ends_with(":leases"));
        let complaints = held.map(|key| format!("{key} is not empty")).collect();
        cluster.end().await;
        complaints
    }
}
