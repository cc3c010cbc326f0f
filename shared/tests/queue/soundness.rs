//! What holds of a shard after every step, whatever happened before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redis::FromRedisValue;
use shared::job::{JobStatus, Queue};

use crate::ground::Ground;

type Record = HashMap<String, String>;

/// Everything of one queue.
struct Places {
    ready: BTreeMap<String, Vec<String>>,
    due: BTreeMap<String, f64>,
    leases: BTreeMap<String, f64>,
    expiry: BTreeMap<String, f64>,
    tenants: BTreeMap<String, f64>,
    queued: BTreeMap<String, i64>,
    running: BTreeMap<String, i64>,
    turn: BTreeMap<String, f64>,
    wake_tokens: i64,
    wake_idle_tokens: i64,
    /// At their limit of running jobs, and so in no set.
    parked: BTreeSet<String>,
}

impl Ground {
    /// Checks the records against the places they stand in. Nobody may be blocked on the wake list meanwhile.
    pub async fn assert_sound(&self) {
        let records = self.records().await;
        for (queue, places) in Queue::ALL.into_iter().zip(self.places(&records).await) {
            let of_queue = records.iter().filter(|(_, record)| record["queue"] == queue.as_str());
            let of_queue: BTreeMap<&String, &Record> = of_queue.collect();
            assert_each_stands_in_its_place(&of_queue, &places);
            assert_counters_count(&of_queue, &places);
            assert_tenants_take_turns(&places);
        }
        let finals: BTreeSet<String> = self.redis(&["ZRANGE", &self.key("finals"), "0", "-1"]).await;
        let ended = records.iter().filter(|(_, record)| is_final(record)).map(|(id, _)| id.clone());
        self.assert_the_parked_have_something_running(&records).await;
        assert_eq!(
            finals,
            ended.collect(),
            "all final jobs, and no others, wait for the end of their retention"
        );
        for (id, record) in records.iter().filter(|(id, _)| id.starts_with("job_")) {
            let has_callback = record.get("callback_url").is_some_and(|url| !url.is_empty());
            let message = id.replace("job_", "msg_");
            assert_eq!(
                records.contains_key(&message),
                has_callback && is_final(record),
                "{id}: a webhook message exists when the job is final, and not before"
            );
        }
    }

    /// Else nothing would offer their jobs again before the next tick.
    async fn assert_the_parked_have_something_running(&self, records: &BTreeMap<String, Record>) {
        let parked: BTreeSet<String> = self.redis(&["SMEMBERS", &self.key("parked")]).await;
        let clients = records.values().filter(|record| record["queue"] != Queue::Deliver.as_str());
        let running = clients.filter(|record| status(record) == JobStatus::Running);
        let running: BTreeSet<String> = running.map(|record| record["tenant"].clone()).collect();
        assert!(parked.is_subset(&running), "{parked:?} wait for the end of a job, of {running:?}");
    }

    async fn records(&self) -> BTreeMap<String, Record> {
        let keys: Vec<String> = self.redis(&["KEYS", &self.job_key("*")]).await;
        let start = self.job_key("");
        let ids = keys.iter().filter_map(|key| key.strip_prefix(&start)).filter(|id| !id.contains(':'));
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        let mut pipe = redis::pipe();
        for id in &ids {
            pipe.hgetall(self.job_key(id));
        }
        let records: Vec<Record> = if ids.is_empty() { Vec::new() } else { self.pipe(&pipe).await };
        ids.into_iter().zip(records).collect()
    }

    async fn places(&self, records: &BTreeMap<String, Record>) -> Vec<Places> {
        let names: BTreeSet<&String> = records.values().map(|record| &record["tenant"]).collect();
        let mut pipe = redis::pipe();
        for queue in Queue::ALL {
            let key = |name: &str| self.queue_key(queue, name);
            for set in ["due", "leases", "expiry", "tenants"] {
                pipe.cmd("ZRANGE").arg(key(set)).arg(0).arg(-1).arg("WITHSCORES");
            }
            pipe.hgetall(key("queued")).hgetall(key("running")).hgetall(key("turn")).llen(key("wake"));
            pipe.llen(key("wake_idle")).smembers(self.key(if queue == Queue::Deliver {
                "nobody"
            } else {
                "parked"
            }));
            for name in &names {
                pipe.lrange(key(&format!("ready:{name}")), 0, -1);
            }
        }
        let answers: Vec<redis::Value> = self.pipe(&pipe).await;
        answers.chunks(10 + names.len()).map(|answers| Places::read(answers, &names)).collect()
    }
}

impl Places {
    fn read(answers: &[redis::Value], names: &BTreeSet<&String>) -> Self {
        fn at<T: FromRedisValue>(answers: &[redis::Value], at: usize) -> T {
            T::from_redis_value(answers[at].clone()).expect("what was asked for")
        }
        let lists = names.iter().enumerate();
        let ready = lists.map(|(number, &name)| (name.clone(), at::<Vec<String>>(answers, 10 + number)));
        Self {
            due: at(answers, 0),
            leases: at(answers, 1),
            expiry: at(answers, 2),
            tenants: at(answers, 3),
            queued: at(answers, 4),
            running: at(answers, 5),
            turn: at(answers, 6),
            wake_tokens: at(answers, 7),
            wake_idle_tokens: at(answers, 8),
            parked: at(answers, 9),
            ready: ready.filter(|(_, ids)| !ids.is_empty()).collect(),
        }
    }
}

fn status(record: &Record) -> JobStatus {
    record["status"].parse().expect("a status")
}

fn is_final(record: &Record) -> bool {
    status(record).is_final()
}

fn assert_each_stands_in_its_place(records: &BTreeMap<&String, &Record>, places: &Places) {
    let mut fences = BTreeSet::new();
    for (&id, record) in records {
        let ready = places.ready.values().flatten().filter(|&other| other == id).count();
        let own = places.ready.get(&record["tenant"]).is_some_and(|ids| ids.contains(id));
        let (due, leased) = (places.due.contains_key(id), places.leases.contains_key(id));
        let expires_at: f64 = record["expires_at"].parse().expect("a time");
        let expiry = places.expiry.get(id).copied();
        let fence: u64 = record["fence"].parse().expect("a number");
        match status(record) {
            JobStatus::Queued => {
                assert_eq!(ready + usize::from(due), 1, "{id} waits in one place");
                assert_eq!(ready == 1, own, "{id} waits in its tenant's list");
                assert!(!leased, "{id} waits and has no lease");
                assert_eq!(expiry, (expires_at > 0.0).then_some(expires_at), "{id} may expire");
                assert_eq!(fence, 0, "{id} waits: nobody may write");
            }
            JobStatus::Running => {
                assert_eq!(
                    (ready, due, leased, expiry),
                    (0, false, true, None),
                    "{id} runs under a lease only"
                );
                assert!(fence > 0 && fences.insert(fence), "{id} has a fence of its own");
            }
            _ => assert_eq!((due, leased, expiry), (false, false, None), "{id} is over and stands nowhere"),
        }
    }
    for id in places.due.keys().chain(places.leases.keys()).chain(places.expiry.keys()) {
        assert!(records.contains_key(id), "{id} has a place and no record");
    }
}

fn assert_counters_count(records: &BTreeMap<&String, &Record>, places: &Places) {
    let count = |wanted: JobStatus| {
        let mut counts = BTreeMap::new();
        for record in records.values().filter(|record| status(record) == wanted) {
            *counts.entry(record["tenant"].clone()).or_insert(0_i64) += 1;
        }
        counts
    };
    assert_eq!(places.queued, count(JobStatus::Queued), "jobs that wait");
    assert_eq!(places.running, count(JobStatus::Running), "jobs that run");
}

fn assert_tenants_take_turns(places: &Places) {
    let offered: Vec<&String> = places.tenants.keys().collect();
    let expected = places.ready.keys().filter(|&tenant| !places.parked.contains(tenant));
    assert_eq!(
        offered,
        expected.collect::<Vec<_>>(),
        "tenants with ready jobs and not at their limit stand in the set"
    );
    for (tenant, &score) in &places.tenants {
        let running = places.running.get(tenant).copied().unwrap_or(0);
        let turn = places.turn.get(tenant).copied().unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let expected = running as f64 * 1e12 + turn;
        assert!((score - expected).abs() < 0.5, "{tenant} stands at {score}, not at {expected}");
    }
    assert!(places.wake_tokens <= 1 && places.wake_idle_tokens <= 1, "one token is enough");
    assert!(offered.is_empty() || places.wake_tokens == 1, "somebody is woken while there is work");
    let idle = offered.iter().any(|&tenant| !places.running.contains_key(tenant));
    assert!(!idle || places.wake_idle_tokens == 1, "and for work of tenants that have nothing running");
}
