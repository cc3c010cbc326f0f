//! What goes wrong in a round: chosen before it begins, carried out in the order of their moments.

use std::fmt;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::time::Instant;

use super::dice::Dice;
use super::{LEASE, mend_all, running};
use crate::process;
use crate::proxy::Proxy;
use crate::stack::Stack;

/// Log lines at level ERROR that these faults mean to cause.
pub(super) const ERRORS_MEANT: &[&str] = &[
    "The zygote died; starting another",
    // Its successor was killed while it started. Not "The worker cannot start.": the first one has successors too, more
    // of them than a round has faults.
    "No zygote can be started",
];

/// A kind of fault. Those with a duration end by themselves when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    WorkerKilled,
    WorkerReplaced,
    WorkerStopped,
    ZygoteKilled,
    ApiKilled,
    RedisKilled,
    RedisStopped,
    RedisPaused,
    Cut(Pair),
    Silenced(Pair),
}

/// Two parts and the wire between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pair {
    ApiRedis,
    WorkerRedis,
    WorkerAnthropic,
    WorkerParadigm,
    WorkerReceiver,
}

const PAIRS: [Pair; 5] =
    [Pair::ApiRedis, Pair::WorkerRedis, Pair::WorkerAnthropic, Pair::WorkerParadigm, Pair::WorkerReceiver];

impl Kind {
    /// Each process as often as all wires together.
    fn choose(dice: &mut Dice) -> Self {
        match dice.below(10) {
            0 | 7 => Self::WorkerKilled,
            1 => Self::WorkerReplaced,
            2 => Self::WorkerStopped,
            3 => Self::ZygoteKilled,
            4 => Self::ApiKilled,
            5 => Self::RedisKilled,
            6 => dice.one_of(&[Self::RedisStopped, Self::RedisPaused]),
            8 => Self::Cut(dice.one_of(&PAIRS)),
            _ => Self::Silenced(dice.one_of(&PAIRS)),
        }
    }

    fn duration(self, dice: &mut Dice) -> Duration {
        let between = |dice: &mut Dice, least, most| {
            dice.between(Duration::from_millis(least), Duration::from_millis(most))
        };
        match self {
            Self::WorkerStopped => LEASE + between(dice, 300, 1500),
            Self::RedisKilled | Self::RedisStopped | Self::RedisPaused => between(dice, 0, 2500),
            Self::Cut(_) | Self::Silenced(_) => between(dice, 50, 4000),
            _ => Duration::ZERO,
        }
    }

    /// Whether a worker that is hit by this may lose its attempts.
    pub(super) fn may_lose_attempts(self) -> bool {
        matches!(
            self,
            Self::WorkerKilled
                | Self::WorkerStopped
                | Self::ZygoteKilled
                | Self::Cut(Pair::WorkerRedis)
                | Self::Silenced(Pair::WorkerRedis)
        )
    }

    /// Whether this may take the answer to a claim that was carried out: its jobs wait for the end of their lease.
    pub(super) fn may_lose_answers(self) -> bool {
        matches!(self, Self::RedisKilled | Self::RedisStopped | Self::RedisPaused)
    }

    /// Whether requests to this provider may break on their way, and be repeated within a tool call.
    pub(super) fn breaks(self, provider: Pair) -> bool {
        self == Self::Cut(provider) || self == Self::Silenced(provider)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |pair: &Pair| match pair {
            Pair::ApiRedis => "api – Redis",
            Pair::WorkerRedis => "worker – Redis",
            Pair::WorkerAnthropic => "worker – model",
            Pair::WorkerParadigm => "worker – search",
            Pair::WorkerReceiver => "worker – receiver",
        };
        match self {
            Self::WorkerKilled => out.pad("worker killed (KILL)"),
            Self::WorkerReplaced => out.pad("worker replaced (TERM)"),
            Self::WorkerStopped => out.pad("worker stopped past its lease (STOP, CONT)"),
            Self::ZygoteKilled => out.pad("runner zygote killed (KILL)"),
            Self::ApiKilled => out.pad("api killed (KILL)"),
            Self::RedisKilled => out.pad("Redis killed (KILL)"),
            Self::RedisStopped => out.pad("Redis stopped (STOP, CONT)"),
            Self::RedisPaused => out.pad("Redis paused (CLIENT PAUSE)"),
            Self::Cut(of) => out.pad(&format!("wire cut: {}", pair(of))),
            Self::Silenced(of) => out.pad(&format!("wire silent: {}", pair(of))),
        }
    }
}

/// A fault to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    moment: Duration,
    duration: Duration,
    kind: Kind,
    /// Which one, where there are several.
    number: usize,
}

/// A fault that was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happened {
    pub kind: Kind,
    /// When it began and ended, in milliseconds since the epoch.
    pub from_ms: i64,
    pub until_ms: i64,
}

/// Chooses the faults of a round.
pub(super) fn plan(dice: &mut Dice, count: usize, within: Duration) -> Vec<Planned> {
    let mut planned: Vec<Planned> = (0..count)
        .map(|_| {
            let kind = Kind::choose(dice);
            let moment = dice.between(within / 10, within);
            Planned { moment, duration: kind.duration(dice), kind, number: dice.below(1000) }
        })
        .collect();
    planned.sort_by_key(|fault| fault.moment);
    planned
}

/// One line of what happened.
pub(super) fn told(happened: &[Happened]) -> String {
    let told = happened.iter().map(|fault| {
        let ms = fault.until_ms - fault.from_ms;
        if ms > 20 { format!("{} for {ms} ms", fault.kind) } else { fault.kind.to_string() }
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A beginning or an end, and what it belongs to.
enum Act {
    Begin(Planned),
    End(usize),
}

/// Carries out the faults; when this is over, everything is mended and the api is ready.
pub(super) async fn happen(stack: &mut Stack, receiver_wire: &Proxy, planned: Vec<Planned>) -> Vec<Happened> {
    let mut acts = Vec::new();
    for (number, fault) in planned.into_iter().enumerate() {
        acts.push((fault.moment, Act::Begin(fault)));
        acts.push((fault.moment + fault.duration, Act::End(number)));
    }
    // Stable: a fault without duration begins before it ends.
    acts.sort_by_key(|(moment, _)| *moment);
    let began = Instant::now();
    let mut happened: Vec<Happened> = Vec::new();
    let mut stopped = Vec::new();
    for (moment, act) in acts {
        tokio::time::sleep_until(began + moment).await;
        match act {
            Act::Begin(fault) => {
                let from_ms = now_ms();
                stopped.push(begin(stack, receiver_wire, fault).await);
                happened.push(Happened { kind: fault.kind, from_ms, until_ms: now_ms() });
            }
            Act::End(number) => {
                end(stack, receiver_wire, happened[number].kind, stopped[number]).await;
                happened[number].until_ms = now_ms();
            }
        }
    }
    mend_all(stack, receiver_wire).await;
    happened
}

fn now_ms() -> i64 {
    shared::time::Timestamp::now().as_millis()
}

/// Gives the worker that was stopped, if one was.
async fn begin(stack: &mut Stack, receiver_wire: &Proxy, fault: Planned) -> Option<usize> {
    let workers = running(stack);
    let worker = workers[fault.number % workers.len()];
    match fault.kind {
        Kind::WorkerKilled => {
            stack.signal_worker(worker, Signal::KILL);
            stack.workers[worker].end().await;
            stack.start_worker();
        }
        Kind::WorkerReplaced => {
            // In this order, as a rolling restart does.
            stack.start_worker();
            stack.signal_worker(worker, Signal::TERM);
        }
        Kind::WorkerStopped => {
            stack.signal_worker(worker, Signal::STOP);
            return Some(worker);
        }
        Kind::ZygoteKilled => {
            let mut zygotes = process::children(stack.workers[worker].pid());
            zygotes.retain(|child| child.command.contains("runner"));
            for pid in zygotes.iter().filter_map(|zygote| Pid::from_raw(zygote.pid)) {
                // It may have ended by itself: its worker starts another one.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        Kind::ApiKilled => {
            stack.api.signal(Signal::KILL);
            stack.api.end().await;
            stack.restart_api().await;
        }
        Kind::RedisKilled => stack.redis.stop(Signal::KILL).await,
        Kind::RedisStopped => stack.redis.process().signal(Signal::STOP),
        Kind::RedisPaused => pause_redis(stack, fault.duration).await,
        Kind::Cut(pair) => wire(stack, receiver_wire, pair).cut(),
        Kind::Silenced(pair) => wire(stack, receiver_wire, pair).silence(),
    }
    None
}

async fn end(stack: &mut Stack, receiver_wire: &Proxy, kind: Kind, stopped: Option<usize>) {
    match kind {
        Kind::WorkerStopped => {
            if let Some(worker) = stopped {
                stack.workers[worker].signal(Signal::CONT);
            }
        }
        Kind::RedisKilled if !stack.redis.process().is_running() => stack.redis.start_again().await,
        Kind::RedisStopped => stack.redis.process().signal(Signal::CONT),
        Kind::Cut(pair) | Kind::Silenced(pair) => wire(stack, receiver_wire, pair).mend(),
        _ => {}
    }
}

fn wire<'a>(stack: &'a Stack, receiver_wire: &'a Proxy, pair: Pair) -> &'a Proxy {
    match pair {
        Pair::ApiRedis => &stack.wires().api_redis,
        Pair::WorkerRedis => &stack.wires().worker_redis,
        Pair::WorkerAnthropic => &stack.wires().worker_anthropic,
        Pair::WorkerParadigm => &stack.wires().worker_paradigm,
        Pair::WorkerReceiver => receiver_wire,
    }
}

/// `CLIENT PAUSE`; a Redis that is away, or stopped, is paused enough.
async fn pause_redis(stack: &Stack, duration: Duration) {
    let pausing = async {
        let mut connection = stack.redis.connection().await?;
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        redis::cmd("CLIENT").arg("PAUSE").arg(ms).query_async::<()>(&mut connection).await
    };
    let _ = tokio::time::timeout(Duration::from_millis(500), pausing).await;
}
