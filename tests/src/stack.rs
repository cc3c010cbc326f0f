//! The whole system as real processes: Redis, api, any number of workers with their runners, and fakes around them.
//!
//! Each test has a stack of its own: a start takes well under a second, and nothing is shared that could couple tests.
//! [`Stack::finish`] is the last line of a test. It stops everything as an operator would and asserts what must hold
//! after any test: no job is left, every process ended well and left no child, no temporary file is left, and nobody
//! logged an error the test did not expect. A stack that is dropped without it (a failing test) kills everything.

mod finish;
mod place;
mod share;
mod wires;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries;
use crate::canary::Canaries;
use crate::client::{Answer, Client};
use crate::cluster::Cluster;
use crate::day;
use crate::fakes::{AnthropicFake, ParadigmFake};
use crate::process::{self, Process, Program, Sighting};
use crate::proxy::Target;
use crate::record::Record;
use crate::redis_server::{Durability, RedisServer};

use self::share::Share;
pub use self::share::machine;
pub use self::wires::Wires;

/// 30 lines: enough of a log to see why something went wrong.
const TAIL_LINES: usize = 30;
/// 20 ms between two questions whether the api is ready.
const READY_INTERVAL: Duration = Duration::from_millis(20);
/// The operator's key of a stack with tenants.
pub const OPERATOR: &str = "the-operators-own-key-of-this-test";
/// What one long poll of [`Stack::wait_job`] asks for.
const POLL_SECS: u32 = 30;

/// What a test may choose.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    workers: usize,
    keys: bool,
    alone: bool,
    wired: bool,
    one_server: bool,
    on_disk: bool,
    durability: Durability,
    environment: BTreeMap<String, String>,
}

impl Builder {
    /// This many workers instead of one.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// No other stack runs at the same time: for tests that measure time.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Every pair of parts talks through a proxy: see [`Stack::wires`].
    pub fn wired(mut self) -> Self {
        self.wired = true;
        self
    }

    /// One Redis server also where stacks run on a cluster: for tests that handle the server itself.
    pub fn on_one_server(mut self) -> Self {
        self.one_server = true;
        self
    }

    /// Redis keeps its file on a real disk: for measuring. Tests have it in memory.
    pub fn on_disk(mut self) -> Self {
        self.on_disk = true;
        self
    }

    /// No keys of providers: the offline ones answer.
    pub fn offline(mut self) -> Self {
        self.keys = false;
        self
    }

    /// API keys are required; the stack's own client asks with the operator's.
    pub fn tenants(self) -> Self {
        self.env("API_KEYS_REQUIRED", "true").env("ADMIN_API_KEY", OPERATOR)
    }

    /// Redis with another durability than the shipped one.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// One more variable for api and workers.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Builds the programs if they are stale, starts everything, and waits until the api is ready.
    pub async fn start(mut self) -> Stack {
        tokio::task::spawn_blocking(binaries::directory).await.expect("the programs compile");
        day::well_within().await;
        let share = Share::take(self.alone).await;
        let folder = tempfile::Builder::new().prefix("wf-e2e-").tempdir().expect("a temporary folder");
        for name in ["tmp", "home"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder in a folder of ours");
        }
        let nonce = folder.path().file_name().expect("it has a name").to_string_lossy().into_owned();
        let canaries = Canaries::new(&nonce);
        let anthropic = AnthropicFake::start(&canaries.anthropic).await;
        let paradigm = ParadigmFake::start(&canaries.lighton).await;
        let storage = place::storage(self.on_disk);
        let redis = RedisServer::start_with(storage.path(), self.durability).await;
        let cluster = place::cluster(&mut self, folder.path()).await;
        let wires = if self.wired { Some(Wires::lay(&redis, &anthropic, &paradigm).await) } else { None };
        let workers = self.workers;
        let tenants = self.environment.get("API_KEYS_REQUIRED").is_some_and(|required| required == "true");
        let environment = self.whole_environment(folder.path(), &redis, &canaries, &anthropic, &paradigm);
        let api = start_program("api", "api", folder.path(), &of_api(&environment, wires.as_ref()));
        let mut stack = Stack {
            client: client_of(&api, wires.as_ref(), tenants).await,
            tenants: tenants.then(Record::default),
            wires,
            api,
            workers: Vec::new(),
            redis,
            cluster,
            anthropic,
            paradigm,
            canaries,
            environment,
            expected_errors: Vec::new(),
            killed: 0,
            families: BTreeSet::new(),
            _storage: storage,
            folder,
            _share: share,
        };
        for _ in 0..workers {
            stack.start_worker();
        }
        stack.until_ready().await;
        stack
    }

    /// Everything a process of the stack gets to know; nothing of the test's own environment.
    fn whole_environment(
        self,
        folder: &Path,
        redis: &RedisServer,
        canaries: &Canaries,
        anthropic: &AnthropicFake,
        paradigm: &ParadigmFake,
    ) -> BTreeMap<String, String> {
        let documents = binaries::repository().join("examples/documents");
        let mut all = BTreeMap::from([
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("HOME", folder.join("home").display().to_string()),
            ("TMPDIR", folder.join("tmp").display().to_string()),
            ("RUST_BACKTRACE", "1".to_owned()),
            ("REDIS_URL", redis.url()),
            ("API_BIND", "127.0.0.1:0".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
            ("SECRETS_KEY", canaries.secrets_key.clone()),
            ("WEBHOOK_ALLOW_PRIVATE", "true".to_owned()),
            ("WEBHOOK_RETRY_SCHEDULE", "1s,1s,1s".to_owned()),
            ("SEARCH_DOCUMENTS", documents.display().to_string()),
        ]);
        // Also without keys: a tenant may have its own.
        all.extend([
            ("ANTHROPIC_BASE_URL", anthropic.url().to_owned()),
            ("LIGHTON_BASE_URL", paradigm.url().to_owned()),
        ]);
        if self.keys {
            all.extend([
                ("ANTHROPIC_API_KEY", canaries.anthropic.clone()),
                ("LIGHTON_API_KEY", canaries.lighton.clone()),
            ]);
        }
        let named = all.into_iter().map(|(name, value)| (name.to_owned(), value));
        named.chain(self.environment).collect()
    }
}

/// A running system.
#[derive(Debug)]
pub struct Stack {
    client: Client,
    /// Clients of the tenants that were made, where keys are required.
    tenants: Option<Record<Client>>,
    /// The api's process.
    pub api: Process,
    /// The workers' processes; one that was killed stays in the list.
    pub workers: Vec<Process>,
    /// The private Redis.
    pub redis: RedisServer,
    /// The cluster in its place, where stacks run on one.
    cluster: Option<Cluster>,
    /// The model.
    pub anthropic: AnthropicFake,
    /// The document search.
    pub paradigm: ParadigmFake,
    /// The secrets everything runs with.
    pub canaries: Canaries,
    wires: Option<Wires>,
    environment: BTreeMap<String, String>,
    expected_errors: Vec<String>,
    /// Workers that had no chance to tidy up.
    killed: usize,
    /// Children seen under processes that were killed, which must not outlive them.
    families: BTreeSet<Sighting>,
    _storage: TempDir,
    // Last: the folder goes when nobody uses it any more, and then the machine is free for others.
    folder: TempDir,
    _share: Share,
}

impl Stack {
    /// A stack with one worker and keys of both providers, unless told otherwise.
    pub fn builder() -> Builder {
        Builder {
            workers: 1,
            keys: true,
            alone: false,
            wired: false,
            one_server: false,
            on_disk: false,
            durability: Durability::Always,
            environment: BTreeMap::new(),
        }
    }

    /// The API.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A client of a new tenant, with a key that allows everything of its own, of a stack that was built
    /// with [tenants](Builder::tenants).
    ///
    /// # Panics
    /// When it was not.
    pub async fn tenant(&self, name: &str) -> Client {
        let made = self.client.post("/keys", &json!({"tenant": name})).await.expect(201);
        let client = self.client.with_key(made["secret"].as_str().expect("a secret is shown once"));
        self.tenants.as_ref().expect("a stack that was built with tenants").push(client.clone());
        client
    }

    /// The wires of a stack that was built [wired](Builder::wired).
    ///
    /// # Panics
    /// When it was not.
    pub fn wires(&self) -> &Wires {
        self.wires.as_ref().expect("a stack that was built wired")
    }

    /// The stack's own folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the api says that it is ready.
    ///
    /// The one place where something is asked again and again: the readiness of another process cannot be awaited.
    pub async fn until_ready(&self) {
        let ready = async {
            while self.client.get("/readyz").await.status != 200 {
                tokio::time::sleep(READY_INTERVAL).await;
            }
        };
        let waited = tokio::time::timeout(crate::DEADLINE, ready).await;
        waited.unwrap_or_else(|_| panic!("the api is not ready after {:?}", crate::DEADLINE));
    }

    /// Starts the api anew, on another port, after it ended.
    pub async fn restart_api(&mut self) {
        assert!(!self.api.is_running(), "stop the api first");
        let environment = of_api(&self.environment, self.wires.as_ref());
        self.api = start_program("api", "api", self.folder.path(), &environment);
        self.client = client_of(&self.api, self.wires.as_ref(), self.tenants.is_some()).await;
    }

    /// Starts one more worker and gives its number.
    pub fn start_worker(&mut self) -> usize {
        let number = self.workers.len();
        let name = format!("worker-{number}");
        let environment = of_worker(&self.environment, self.wires.as_ref());
        self.workers.push(start_program(&name, "worker", self.folder.path(), &environment));
        number
    }

    /// Log lines at level ERROR which contain this are the test's intention.
    pub fn expect_errors(&mut self, containing: &str) {
        self.expected_errors.push(containing.to_owned());
    }

    /// Sends a signal to a worker, and remembers its children: they must not outlive it.
    pub fn signal_worker(&mut self, number: usize, signal: Signal) {
        let worker = &self.workers[number];
        self.families.extend(process::descendants(worker.pid()));
        worker.signal(signal);
        self.killed += usize::from(signal == Signal::KILL);
    }

    /// Describes a workflow, waits for its end, and gives it.
    pub async fn create_workflow(&self, body: &Value) -> Value {
        let answer = self.client.post("/workflows", body).await;
        let workflow = answer.expect(202);
        let operation = answer.header("operation-location").expect("Operation-Location").to_owned();
        self.wait_job(operation.rsplit('/').next().expect("a path")).await;
        self.client.get(&format!("/workflows/{}", id(&workflow))).await.expect(200)
    }

    /// A workflow with this code, ready to run; gives its id.
    pub async fn workflow_from_code(&self, code: &str) -> String {
        let body = json!({"description": "A program of the test", "code": code});
        let workflow = self.create_workflow(&body).await;
        assert_eq!(workflow["status"], "ready", "{workflow:#}");
        id(&workflow)
    }

    /// Posts an execute job and gives the answer.
    pub async fn execute(&self, workflow: &str, body: &Value) -> Answer {
        self.client.post(&format!("/workflows/{workflow}/execute"), body).await
    }

    /// Runs a workflow on this input to its end, and gives the job.
    pub async fn run(&self, workflow: &str, input: &str) -> Value {
        let job = self.execute(workflow, &json!({"user_input": input})).await.expect(202);
        self.wait_job(&id(&job)).await
    }

    /// Waits for the end of a job, woken by the api.
    ///
    /// # Panics
    /// When it is not final after the deadline.
    pub async fn wait_job(&self, job: &str) -> Value {
        let path = format!("/jobs/{job}?wait={POLL_SECS}");
        let waiting = async {
            loop {
                let job = self.client.get(&path).await.expect(200);
                if is_final(&job) {
                    return job;
                }
            }
        };
        let waited = tokio::time::timeout(crate::DEADLINE, waiting).await;
        waited.unwrap_or_else(|_| panic!("{job} is not final after {:?}", crate::DEADLINE))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tails());
        }
        // Each process kills its own group when dropped; runners with groups of their own end with their worker.
    }
}

/// The id of a workflow or a job.
///
/// # Panics
/// When the object has none.
pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id in {object}")).to_owned()
}

/// Whether a job's state can still change.
pub fn is_final(job: &Value) -> bool {
    matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled"))
}

fn start_program(name: &str, binary: &str, folder: &Path, environment: &BTreeMap<String, String>) -> Process {
    Process::start(Program {
        name: name.to_owned(),
        path: binaries::directory().join(binary),
        arguments: Vec::new(),
        environment: environment.clone(),
        directory: folder.to_path_buf(),
    })
}

fn with(environment: &BTreeMap<String, String>, wired: &[(&str, String)]) -> BTreeMap<String, String> {
    let mut all = environment.clone();
    all.extend(wired.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    all
}

fn of_api(environment: &BTreeMap<String, String>, wires: Option<&Wires>) -> BTreeMap<String, String> {
    let Some(wires) = wires else { return environment.clone() };
    with(environment, &[("REDIS_URL", format!("redis://{}", wires.api_redis.address()))])
}

fn of_worker(environment: &BTreeMap<String, String>, wires: Option<&Wires>) -> BTreeMap<String, String> {
    let Some(wires) = wires else { return environment.clone() };
    let wired = [
        ("REDIS_URL", format!("redis://{}", wires.worker_redis.address())),
        ("ANTHROPIC_BASE_URL", format!("http://{}", wires.worker_anthropic.address())),
        ("LIGHTON_BASE_URL", format!("http://{}", wires.worker_paradigm.address())),
    ];
    with(environment, &wired)
}

/// A client of the api that just started: of its own address, or of the wire that now leads to it.
async fn client_of(api: &Process, wires: Option<&Wires>, tenants: bool) -> Client {
    let address = bound_address(api).await;
    let client = match wires {
        None => Client::new(&format!("http://{address}")),
        Some(wires) => {
            wires.client_api.retarget(Target::Tcp(address));
            Client::new(&format!("http://{}", wires.client_api.address()))
        }
    };
    if tenants { client.with_key(OPERATOR) } else { client }
}

/// The address in the api's first log line; its own, because it was told to take any free port.
async fn bound_address(api: &Process) -> String {
    let address = |line: &String| {
        let line: Value = serde_json::from_str(line).ok()?;
        let found = line["fields"]["addr"].as_str().or(line["addr"].as_str())?;
        Some(found.to_owned())
    };
    tokio::select! {
        address = api.log().wait_until("the address of the api", address) => address,
        status = api.end() => panic!("the api ended with {status}:\n{}", api.tail(TAIL_LINES)),
    }
}
