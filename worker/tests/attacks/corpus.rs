//! Every program of `runner/attacks/*.py` as data: what it does, how it must end on each tier, which walls stop it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker::cell::{RunEnd, RunLimits, RunReport, Tier, ToolVerdict};

use crate::elsewhere::CANARY_KEY;
use crate::support::{Answers, Bench, expect_value};

/// One program of the corpus.
pub struct Attack {
    pub name: String,
    pub title: String,
    tier_a: String,
    tier_b: String,
    pub walls: Vec<String>,
    pub program: String,
}

impl Attack {
    fn read(path: &Path) -> Self {
        let program = std::fs::read_to_string(path).expect("an attack is text");
        let mut lines = program.lines();
        let mut header = |prefix: &str| {
            let line = lines.next().unwrap_or_default();
            line.strip_prefix(prefix)
                .unwrap_or_else(|| panic!("{}: no line {prefix:?}", path.display()))
                .to_owned()
        };
        let title = header("# ");
        let (tier_a, tier_b) = (header("# tier A: "), header("# tier B: "));
        let walls = header("# walls: ").split(", ").map(str::to_owned).collect();
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        Self { name, title, tier_a, tier_b, walls, program }
    }

    /// What its name begins with: what it is after.
    pub fn class(&self) -> &str {
        self.name.split_once('_').expect("a class and a name").0
    }

    /// As its file says it: "timeout|no_result".
    pub fn outcome(&self, tier: Tier) -> &str {
        match tier {
            Tier::A => &self.tier_a,
            Tier::B => &self.tier_b,
        }
    }

    /// The outcomes this tier allows.
    pub fn allowed(&self, tier: Tier) -> Vec<&str> {
        self.outcome(tier).split('|').collect()
    }

    pub fn limits(&self, tier: Tier) -> RunLimits {
        // Those that must be ended by the clock need not wait long for it; nor may the slow ones be ended by it.
        let wall = if self.allowed(tier)[0] == "timeout" {
            Duration::from_millis(250)
        } else {
            Duration::from_secs(20)
        };
        RunLimits {
            wall,
            memory_bytes_max: 64 * 1024 * 1024,
            log_bytes_max: 64 * 1024,
            ..RunLimits::default()
        }
    }
}

/// All of them, in the order of their names.
pub fn corpus() -> Vec<Attack> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Attack::read(path)).collect()
}

/// Where they lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runner/attacks")
}

/// One word for how a run ended; "BREACH: ..." when the program got what it must not.
pub fn outcome_of(report: &RunReport) -> String {
    match &report.end {
        RunEnd::Returned(value) => match serde_json::from_str(value.get()).expect("the worker checked it") {
            Value::String(text) if text == "contained" => "contained".to_owned(),
            Value::String(text) if text.starts_with("BREACH") => text,
            _ => "returned".to_owned(),
        },
        RunEnd::Failed(failure) => failure.code.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}

/// What the jobs beside and before were given, said, and left in their folders.
const CANARY_JOB: &str = "CANARY-OF-ANOTHER-JOB";

/// A host that holds a secret while it answers; in workers started elsewhere the environment holds it too.
pub fn host() -> Arc<Answers> {
    let secret = CANARY_KEY.to_owned();
    Answers::new(move |call| {
        assert_ne!(call.tool, secret);
        ToolVerdict::Answer(json!("answer"))
    })
}

/// The canaries in whatever a program gave out: its end, its prints, its calls, its steps.
fn canaries_in(report: &RunReport, host: &Answers) -> Vec<&'static str> {
    let out = format!(
        "{:?} {} {} {:?} {:?}",
        report.end,
        String::from_utf8_lossy(&host.stdout()),
        String::from_utf8_lossy(&host.stderr()),
        host.calls(),
        host.steps()
    );
    [CANARY_KEY, CANARY_JOB].into_iter().filter(|canary| out.contains(canary)).collect()
}

/// Runs it once; an error says what it got instead.
pub async fn attempt(bench: &Bench, tier: Tier, attack: &Attack) -> Result<(), String> {
    let limits = attack.limits(tier);
    let host = host();
    let report = bench.run(&attack.program, "input", limits, host.clone(), CancellationToken::new()).await;
    let found = canaries_in(&report, &host);
    if !found.is_empty() {
        return Err(format!("{} on tier {tier} GAVE OUT {found:?}: {:?}", attack.name, report.end));
    }
    let outcome = outcome_of(&report);
    let in_time = report.usage.wall <= limits.wall + Duration::from_secs(1);
    if attack.allowed(tier).contains(&outcome.as_str()) && in_time {
        return Ok(());
    }
    Err(format!(
        "{} on tier {tier}: {outcome} ({:?}), must be {}: {:?}",
        attack.name,
        report.usage.wall,
        attack.outcome(tier),
        report.end
    ))
}

/// A benign job with something to hide, which it keeps in its memory, its environment and its folder, prints and sends.
pub async fn another_job(bench: &Bench) {
    let program = "import hashlib, os\nasync def execute_workflow(x):\n    os.environ['KEPT'] = x\n    open('kept', 'w').write(x * 100)\n    print(x)\n    return hashlib.sha256((x + await paradigm_search(x)).encode()).hexdigest()[:8]";
    let report = bench.run(program, CANARY_JOB, RunLimits::default(), host(), CancellationToken::new()).await;
    assert_eq!(expect_value(&report, program), json!("8afc44e0"));
}

/// That job, again and again; its results must stay right whatever runs beside it. How often it ran.
pub async fn beside(bench: Arc<Bench>, stop: CancellationToken) -> u32 {
    let mut rounds = 0;
    while !stop.is_cancelled() {
        another_job(&bench).await;
        rounds += 1;
    }
    rounds
}
