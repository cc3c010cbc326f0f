//! What operators are told: totals of the whole system, and how the queues are now.

use std::collections::HashMap;

use super::{Store, StoreError};
use crate::{
    job::Queue,
    metrics::{Counters, Samples, series},
    time::Timestamp,
};

/// 100 tenants are looked at for the oldest entry of a queue: those who are served next.
const TENANTS_MAX: isize = 100;

impl Store {
    /// The counters of this process.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Adds what this process has counted to the totals. When the answer is lost they may be counted twice: they are for
    /// people, nothing is decided by them.
    pub async fn report_counters(&self) -> Result<(), StoreError> {
        let counted = self.counters.take();
        if counted.is_empty() {
            return Ok(());
        }
        let (mut pipe, key) = (redis::pipe(), self.key("metrics"));
        for (series, more) in &counted {
            pipe.cmd("HINCRBYFLOAT").arg(&key).arg(series).arg(*more).ignore();
        }
        let reported = pipe.query_async::<()>(&mut self.connection.clone()).await;
        if reported.is_err() {
            self.counters.give_back(counted);
        }
        Ok(reported?)
    }

    /// Totals, queues, workers and Redis itself.
    pub async fn measures(&self) -> Result<Samples, StoreError> {
        let mut samples: Samples = self.totals().await?;
        for queue in Queue::ALL {
            self.measure_queue(queue, &mut samples).await?;
        }
        for worker in self.workers().await? {
            let name = worker.name.as_str();
            let info = [("worker", name), ("tier", &worker.sandbox_tier), ("python", &worker.python_version)];
            samples.insert(series("wf_worker_info", &info), 1.0);
            for layer in &worker.sandbox_layers {
                samples.insert(series("wf_worker_sandbox_layer", &[("worker", name), ("layer", layer)]), 1.0);
            }
            let mut gauge = |family, value| samples.insert(series(family, &[("worker", name)]), float(value));
            gauge("wf_worker_jobs_running", worker.running);
            gauge("wf_worker_concurrency", worker.concurrency);
            gauge("wf_worker_memory_bytes", worker.cells.memory_bytes);
            for (state, cells) in [("ready", worker.cells.ready), ("busy", worker.cells.busy)] {
                samples
                    .insert(series("wf_worker_cells", &[("worker", name), ("state", state)]), float(cells));
            }
        }
        Ok(samples)
    }

    async fn totals(&self) -> Result<Samples, StoreError> {
        let (totals, info): (HashMap<String, f64>, String) = redis::pipe()
            .hgetall(self.key("metrics"))
            .cmd("INFO")
            .arg("memory")
            .query_async(&mut self.connection.clone())
            .await?;
        let mut samples = Samples::new();
        for (series, total) in totals {
            // Scripts add up whole milliseconds.
            let (series, total) = match series.split_once("_sum_ms{") {
                Some((family, labels)) => (format!("{family}_sum{{{labels}"), total / 1000.0),
                None => (series, total),
            };
            *samples.entry(series).or_default() += total;
        }
        for (line, family) in
            [("used_memory:", "wf_store_memory_bytes"), ("maxmemory:", "wf_store_memory_max_bytes")]
        {
            let value = info.lines().find_map(|told| told.strip_prefix(line)?.trim().parse().ok());
            samples.extend(value.map(|value| (family.to_owned(), value)));
        }
        Ok(samples)
    }

    async fn measure_queue(&self, queue: Queue, samples: &mut Samples) -> Result<(), StoreError> {
        let name = queue.as_str();
        let key = |part: &str| self.key(format!("q:{name}:{part}"));
        let (queued, running, tenants): (Vec<u64>, Vec<u64>, Vec<String>) = redis::pipe()
            .hvals(key("queued"))
            .hvals(key("running"))
            .zrange(key("tenants"), 0, TENANTS_MAX - 1)
            .query_async(&mut self.connection.clone())
            .await?;
        for (state, counts) in [("queued", queued), ("running", running)] {
            let labels = [("queue", name), ("state", state)];
            samples.insert(series("wf_queue_jobs", &labels), float(counts.into_iter().sum()));
        }
        let age = self.oldest_age_secs(tenants.iter().map(|tenant| key(&format!("ready:{tenant}")))).await?;
        samples.insert(series("wf_queue_oldest_age_seconds", &[("queue", name)]), age);
        Ok(())
    }

    /// Since when the longest waiting head of these lists waits.
    async fn oldest_age_secs(&self, lists: impl Iterator<Item = String>) -> Result<f64, StoreError> {
        let mut heads = redis::pipe();
        let mut any = false;
        for list in lists {
            heads.lindex(list, 0);
            any = true;
        }
        if !any {
            return Ok(0.0);
        }
        let ids: Vec<Option<String>> = heads.query_async(&mut self.connection.clone()).await?;
        let mut times = redis::pipe();
        times.cmd("TIME");
        for id in ids.iter().flatten() {
            times.hget(self.job_key(id), "created_at");
        }
        let answers: Vec<redis::Value> = times.query_async(&mut self.connection.clone()).await?;
        let mut answers = answers.into_iter();
        let (seconds, _): (i64, i64) = redis::from_redis_value(answers.next().unwrap_or(redis::Value::Nil))
            .unwrap_or_else(|_| (Timestamp::now().as_millis() / 1000, 0));
        let created = answers.filter_map(|value| redis::from_redis_value::<i64>(value).ok());
        Ok(created.min().map_or(0.0, |oldest| float((seconds - oldest / 1000).max(0).unsigned_abs())))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is told, not calculated with")]
fn float(value: u64) -> f64 {
    value as f64
}
