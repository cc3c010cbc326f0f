//! The end of a stack, and what must hold after any test.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use super::{Stack, TAIL_LINES};
use crate::process::{self, Process};
use crate::record::Record;

impl Stack {
    /// Stops everything and asserts that nothing is left; the last line of every test.
    pub async fn finish(mut self) {
        let mut complaints = Vec::new();
        if self.api.is_running() && self.redis.process().is_running() {
            let tenants = self.tenants.iter().flat_map(Record::all);
            for client in tenants.chain([self.client.clone()]) {
                for status in ["queued", "running"] {
                    let left = client.get(&format!("/jobs?status={status}&limit=5")).await.expect(200);
                    if left["data"].as_array().is_none_or(|jobs| !jobs.is_empty()) {
                        complaints.push(format!("jobs still {status}: {left}"));
                    }
                }
            }
        }
        complaints.extend(self.stop_processes().await);
        complaints.extend(self.stop_cluster().await);
        complaints.extend(self.survivors().await);
        complaints.extend(self.unexpected_errors());
        complaints.extend(self.leaks());
        complaints
            .extend(self.anthropic.refused().into_iter().map(|why| format!("Anthropic refused: {why}")));
        let temporary = self.folder.path().join("tmp");
        let left: Vec<PathBuf> = files_below(&temporary);
        // One folder for each worker that was killed: nobody was left to remove it.
        if left.len() > self.killed {
            complaints.push(format!("temporary files left: {left:?}"));
        }
        assert!(complaints.is_empty(), "{}\n{}", complaints.join("\n"), self.tails());
    }

    /// `TERM` to all, workers first, and a complaint about each that does not end with 0.
    async fn stop_processes(&mut self) -> Vec<String> {
        let mut complaints = Vec::new();
        for process in self.workers.iter().chain([&self.api]).filter(|process| process.is_running()) {
            self.families.extend(process::descendants(process.pid()));
            process.signal(Signal::CONT);
            process.signal(Signal::TERM);
            let status = process.end().await;
            if !status.success() {
                complaints.push(format!("{} ended with {status}", process.name()));
            }
        }
        if self.redis.process().is_running() {
            self.redis.stop(Signal::TERM).await;
        }
        complaints
    }

    /// Children that outlived their parents.
    async fn survivors(&self) -> Vec<String> {
        let families = self.families.clone();
        let all = || self.workers.iter().chain([&self.api]);
        let groups: Vec<i32> = all().map(Process::pid).collect();
        let search = move || {
            let members = groups.iter().flat_map(|group| process::group_members(*group));
            let all = families.into_iter().chain(members);
            all.filter_map(|seen| process::wait_gone(&seen).err())
                .map(|seen| format!("still alive: {seen:?}"))
                .collect()
        };
        let mut alive: Vec<String> =
            tokio::task::spawn_blocking(search).await.expect("looking at /proc does not panic");
        for process in all() {
            if !process.log_is_complete().await {
                alive.push(format!("something still holds the output of {} open", process.name()));
            }
        }
        alive
    }

    fn unexpected_errors(&self) -> Vec<String> {
        let expected = |line: &String| self.expected_errors.iter().any(|part| line.contains(part.as_str()));
        let mut unexpected = Vec::new();
        for process in self.workers.iter().chain([&self.api]) {
            let lines = process.log().all();
            let wrong = lines.into_iter().filter(|line| is_error(line) && !expected(line));
            unexpected.extend(wrong.map(|line| format!("{}: {line}", process.name())));
        }
        unexpected
    }

    /// Secrets of this stack wherever it wrote: the logs, and the file of Redis, which holds every value there ever was.
    fn leaks(&self) -> Vec<String> {
        let logs =
            self.workers.iter().chain([&self.api]).flat_map(|process| self.canaries.found_in_log(process));
        let leaks = logs.chain(self.canaries.found_in_folder(self.redis.folder()));
        leaks.map(|leak| format!("a secret got out: {leak}")).collect()
    }

    pub(super) fn tails(&self) -> String {
        let all = self.workers.iter().chain([&self.api, self.redis.process()]);
        let tail = |process: &Process| format!("--- {} ---\n{}\n", process.name(), process.tail(TAIL_LINES));
        all.map(tail).collect()
    }
}

/// A line at level ERROR, or a panic's own.
fn is_error(line: &str) -> bool {
    let level = serde_json::from_str::<Value>(line).ok().map(|line| line["level"] == "ERROR");
    level.unwrap_or_else(|| line.contains("panicked at"))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the stack's own folder");
    entries.map(|entry| entry.expect("a readable entry").path()).collect()
}
