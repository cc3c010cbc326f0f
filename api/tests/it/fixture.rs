//! A Redis of its own and an api in this process, for each test; and a worker's moves.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use api::{StartError, config::Config};
use serde_json::{Value, json};
use shared::{
    config::Vars,
    job::{JobSpec, Queue},
    store::{Claim, Finish, Home, Shards, Store, StoreConfig},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, Client, DEADLINE};
use crate::day;

/// 32 bytes in base64.
pub const SECRETS_KEY: &str = "c2VjcmV0cyBrZXkgb2YgdGhlIGFwaSdzIHRlc3RzISE=";

/// The operator's key.
pub const ADMIN: &str = "the-operators-own-key";

/// A private redis-server; killed when dropped.
pub struct Redis {
    child: Child,
    folder: TempDir,
}

impl Redis {
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let child = Self::spawn(folder.path());
        let redis = Self { child, folder };
        redis.until_ready().await;
        redis
    }

    fn spawn(folder: &Path) -> Child {
        Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(folder.join("redis.sock"))
            .arg("--dir")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed")
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    /// Whether a key or a value anywhere holds this text: what a backup would.
    pub fn holds(&self, text: &str) -> bool {
        let socket = self.folder.path().join("redis.sock");
        let cli = |arguments: &[&str]| {
            let output = Command::new("redis-cli").arg("-s").arg(&socket).args(arguments).output();
            String::from_utf8_lossy(&output.expect("redis-cli is installed").stdout).into_owned()
        };
        let values = |key: &str| match cli(&["TYPE", key]).trim() {
            "hash" => cli(&["HGETALL", key]),
            "list" => cli(&["LRANGE", key, "0", "-1"]),
            "zset" => cli(&["ZRANGE", key, "0", "-1"]),
            "set" => cli(&["SMEMBERS", key]),
            _ => cli(&["GET", key]),
        };
        let keys = cli(&["KEYS", "*"]);
        keys.lines().any(|key| key.contains(text) || values(key).contains(text))
    }

    /// Every key and value there is, as text.
    pub async fn dump(&self) -> String {
        let all = r"
            local all = {}
            for _, key in ipairs(redis.call('KEYS', '*')) do
              local kind = redis.call('TYPE', key).ok
              local value = kind == 'hash' and redis.call('HGETALL', key) or kind == 'string' and { redis.call('GET', key) }
                or kind == 'zset' and redis.call('ZRANGE', key, 0, -1) or kind == 'list' and redis.call('LRANGE', key, 0, -1)
                or kind == 'stream' and { cjson.encode(redis.call('XRANGE', key, '-', '+')) } or redis.call('SMEMBERS', key)
              all[#all + 1] = key .. ' ' .. table.concat(value, ' ')
            end
            return all";
        let mut cli = tokio::process::Command::new("redis-cli");
        let answer =
            cli.arg("-s").arg(self.folder.path().join("redis.sock")).args(["EVAL", all, "0"]).output();
        let answer = answer.await.expect("redis-cli is installed");
        assert!(answer.status.success());
        String::from_utf8_lossy(&answer.stdout).into_owned()
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub async fn restart(&mut self) {
        self.stop();
        self.child = Self::spawn(self.folder.path());
        self.until_ready().await;
    }

    async fn until_ready(&self) {
        let store = Store::new(&StoreConfig::new(self.url())).unwrap();
        let ready = async {
            while store.ping().await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, ready).await.expect("redis-server answers");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One more api on the Redis of a [`Fixture`].
pub struct Another {
    pub client: Client,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), StartError>>,
}

impl Another {
    pub async fn stop(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(DEADLINE, self.served).await.expect("the api ends in time");
        ended.expect("it does not panic").expect("it ends well");
    }
}

/// A store that needs longer than a moment for its first answer makes an api that is not ready, and will be.
async fn until_ready(client: &Client) {
    let ready = async {
        while client.get("/readyz").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, ready).await.expect("the api is ready");
}

fn config(url: &str, settings: &[(&str, &str)]) -> Config {
    let all = [&[("REDIS_URL", url), ("SECRETS_KEY", SECRETS_KEY)], settings].concat();
    let vars = Vars::new(all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Config::from_vars(vars).unwrap()
}

/// An api on a Redis.
pub struct Fixture {
    pub client: Client,
    /// The first shard, where everything is unless a test has more.
    pub store: Store,
    pub shards: Shards,
    pub shutdown: CancellationToken,
    pub redis: Redis,
    served: JoinHandle<Result<(), StartError>>,
}

impl Fixture {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With more settings.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        day::well_within().await;
        let redis = Redis::start().await;
        let config = config(&redis.url(), settings);
        let shards = Shards::new(&config.store).unwrap();
        let store = shards.own_home().store().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client { address: listener.local_addr().unwrap() };
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(api::serve(listener, config, shutdown.clone()));
        let fixture = Self { client, store, shards, shutdown, redis, served };
        until_ready(&fixture.client).await;
        fixture
    }

    /// One more api on the same Redis.
    pub async fn another(&self, settings: &[(&str, &str)]) -> Another {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client { address: listener.local_addr().unwrap() };
        let shutdown = CancellationToken::new();
        let config = config(&self.redis.url(), settings);
        let served = tokio::spawn(api::serve(listener, config, shutdown.clone()));
        until_ready(&client).await;
        Another { client, shutdown, served }
    }

    /// Where keys are required, with [`ADMIN`] as the operator's key.
    pub async fn with_keys(settings: &[(&str, &str)]) -> Self {
        let keys = [("API_KEYS_REQUIRED", "true"), ("ADMIN_API_KEY", ADMIN)];
        Self::with(&[&keys, settings].concat()).await
    }

    /// The operator asks.
    pub async fn operator(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.client.with_key(ADMIN, method, path, body).await
    }

    /// A new key of a tenant; answers its secret.
    pub async fn key_of(&self, tenant: &str) -> String {
        let created = self.operator("POST", "/keys", Some(&json!({"tenant": tenant}))).await.expect(201);
        created["secret"].as_str().unwrap().to_owned()
    }

    /// Stops the api and asserts that it ends in time and well.
    pub async fn finish(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(DEADLINE, self.served).await.expect("the api ends in time");
        ended.expect("it does not panic").expect("it ends well");
    }

    /// Where a tenant lives.
    pub async fn home(&self, tenant: &str) -> Home {
        self.shards.home(&tenant.parse().unwrap()).await.unwrap()
    }

    /// A worker claims the next job of a queue, on whichever shard it waits.
    pub async fn claim(&self, queue: Queue) -> (JobSpec, Claim) {
        for store in self.shards.all() {
            let answer = store.claim(queue, "worker-1", shared::store::Room::of(1)).await.unwrap();
            if let Some(job) = answer.jobs.into_iter().next() {
                return job;
            }
        }
        panic!("no job is waiting")
    }

    /// A worker ends what it claimed.
    pub async fn end(&self, (spec, claim): &(JobSpec, Claim), finish: Finish) {
        let home = self.shards.home(&spec.tenant).await.unwrap();
        assert!(home.store().finish(spec.id, claim.fence, &finish).await.unwrap());
    }

    /// A worker makes the program of the workflow that was described last.
    pub async fn generate(&self, status: &str) {
        let claimed = self.claim(Queue::Generate).await;
        let ready = status == "ready";
        let version = claimed.0.version.to_string();
        let mut workflow = vec![("status", status.to_owned())];
        workflow.extend(ready.then_some(("version", version)));
        let finish = Finish {
            becomes_current: ready,
            workflow,
            version: vec![("status", status.to_owned()), ("code", "print(1)".to_owned())],
            ..Finish::default()
        };
        self.end(&claimed, finish).await;
    }

    /// A workflow that can be executed; answers its id.
    pub async fn ready_workflow(&self) -> String {
        let created = self.client.post("/workflows", &json!({"description": "d"})).await.expect(202);
        self.generate("ready").await;
        created["id"].as_str().unwrap().to_owned()
    }

    /// A job waiting to be executed.
    pub async fn queued_job(&self) -> Value {
        let workflow = self.ready_workflow().await;
        let path = format!("/workflows/{workflow}/execute");
        self.client.post(&path, &json!({"user_input": "in"})).await.expect(202)
    }
}

/// The end of a run that answered `"out"`.
pub fn success() -> Finish {
    Finish { result: Some("\"out\"".to_owned()), log: b"printed \xff\n".to_vec(), ..Finish::default() }
}

pub fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap_or_else(|| panic!("no id: {object}"))
}
