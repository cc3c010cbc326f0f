//! What one job costs Redis: microseconds, commands and bytes of each script, and memory.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use shared::{
    job::{EntryId, Queue},
    store::{Progress, Room, Spending},
};

use report::{Goal, Report};

use crate::{
    ground::{Ground, succeeded},
    rate::{submit_all, workflows},
};

const SECTION: &str = "Queue: what one job costs Redis";
/// 8,000 jobs go through each script.
const JOBS: usize = 8_000;
/// 32 at once.
const CONCURRENCY: usize = 32;

/// What Redis counted since it was told to begin anew.
struct Counted {
    script_micros: f64,
    /// Of Redis's one thread: scripts, sockets and the file.
    processor_micros: f64,
    scripts: f64,
    /// Commands that scripts carried out.
    commands: f64,
    appended_bytes: f64,
    received_bytes: f64,
    sent_bytes: f64,
}

pub async fn of_each_script(report: &mut Report) {
    let ground = crate::ground().await;
    let workflows = workflows(&ground).await;
    let empty = used_memory(&ground).await;

    let submit =
        counted(&ground, async || submit_all(&ground.store, &workflows, JOBS, CONCURRENCY).await).await;
    told(report, "submit", &submit, JOBS);
    let queued = used_memory(&ground).await;

    let mut held: Vec<(EntryId, u64)> = Vec::new();
    let claim = counted(&ground, async || {
        while held.len() < JOBS {
            let answer = ground.store.claim(Queue::Execute, "bench", Room::of(CONCURRENCY)).await;
            held.extend(
                answer.expect("Redis answers").jobs.into_iter().map(|(job, claim)| (job.id, claim.fence)),
            );
        }
    });
    told(report, "claim (32 at a time)", &claim.await, JOBS);

    let renew = counted(&ground, async || {
        for batch in held.chunks(CONCURRENCY) {
            ground.store.renew(batch).await.expect("Redis answers");
        }
    });
    told(report, "renew (32 at a time)", &renew.await, JOBS);

    let call = counted(&ground, async || {
        let writes = held.iter().map(|(id, fence)| async {
            for number in 1..=2 {
                let written = ground.store.progress(*id, *fence, &tool_call(number), 1 << 24).await;
                written.expect("Redis answers");
            }
        });
        stream::iter(writes).buffer_unordered(CONCURRENCY).collect::<()>().await;
    });
    told(report, "tool call (begun and answered)", &call.await, JOBS);

    let finish = counted(&ground, async || {
        let ends = held.iter().map(|(id, fence)| async {
            let written = ground.store.finish(*id, *fence, &succeeded(r#""done""#)).await;
            assert!(written.expect("Redis answers"), "the attempt is current");
        });
        stream::iter(ends).buffer_unordered(CONCURRENCY).collect::<()>().await;
    });
    told(report, "finish", &finish.await, JOBS);

    let finished = used_memory(&ground).await;
    report.add(SECTION, "memory of a queued job", (queued - empty) / count(JOBS), "bytes", Goal::None);
    report.add(
        SECTION,
        "memory of a finished job with one tool call",
        (finished - empty) / count(JOBS),
        "bytes",
        Goal::None,
    );
}

fn tool_call(number: u64) -> Progress {
    let entry =
        format!(r#"{{"seq":0,"kind":"tool_call","name":"paradigm_search","answer":"{number:>200}"}}"#);
    Progress {
        number,
        events: vec![("tool_call.started", r#"{"seq":0,"tool":"paradigm_search"}"#.to_owned())],
        journal: vec![("paradigm_search:00112233445566778899aabbccddeeff:0".to_owned(), entry)],
        spending: Spending { tool_calls: u64::from(number == 1), ..Spending::default() },
        ..Progress::default()
    }
}

fn told(report: &mut Report, script: &str, counted: &Counted, jobs: usize) {
    let each = |amount: f64| amount / count(jobs);
    report.add(SECTION, format!("{script}: script"), each(counted.script_micros), "µs/job", Goal::None);
    let name = format!("{script}: processor of Redis, all in");
    report.add(SECTION, name, each(counted.processor_micros), "µs/job", Goal::None);
    report.add(SECTION, format!("{script}: commands inside"), each(counted.commands), "/job", Goal::None);
    report.add(SECTION, format!("{script}: calls"), each(counted.scripts), "/job", Goal::None);
    report.add(
        SECTION,
        format!("{script}: appended to the file"),
        each(counted.appended_bytes),
        "bytes/job",
        Goal::None,
    );
    let wire = counted.received_bytes + counted.sent_bytes;
    report.add(SECTION, format!("{script}: over the wire"), each(wire), "bytes/job", Goal::None);
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn count(jobs: usize) -> f64 {
    jobs as f64
}

/// What Redis counts while this is done.
async fn counted(ground: &Ground, work: impl AsyncFnOnce()) -> Counted {
    ground.redis::<()>(&["CONFIG", "RESETSTAT"]).await;
    let appended = info(ground, "persistence").await["aof_current_size"];
    let processor = processor_secs(ground).await;
    work().await;
    let processor = processor_secs(ground).await - processor;
    let stats = info(ground, "stats").await;
    let text: String = ground.redis(&["INFO", "commandstats"]).await;
    let mut counted = Counted {
        script_micros: 0.0,
        processor_micros: processor * 1e6,
        scripts: 0.0,
        commands: 0.0,
        appended_bytes: info(ground, "persistence").await["aof_current_size"] - appended,
        received_bytes: stats["total_net_input_bytes"],
        sent_bytes: stats["total_net_output_bytes"],
    };
    for line in text.lines() {
        let Some((command, numbers)) = line.strip_prefix("cmdstat_").and_then(|line| line.split_once(':'))
        else {
            continue;
        };
        let number = |name: &str| {
            let found = numbers.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.and_then(|text| text.parse::<f64>().ok()).unwrap_or_default()
        };
        match command {
            "evalsha" | "eval" => {
                counted.script_micros += number("usec");
                counted.scripts += number("calls");
            }
            "info" | "config|resetstat" | "config|get" => {}
            _ => counted.commands += number("calls"),
        }
    }
    counted
}

async fn info(ground: &Ground, section: &str) -> BTreeMap<String, f64> {
    let text: String = ground.redis(&["INFO", section]).await;
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

async fn processor_secs(ground: &Ground) -> f64 {
    let cpu = info(ground, "cpu").await;
    cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"]
}

async fn used_memory(ground: &Ground) -> f64 {
    let memory = info(ground, "memory").await;
    memory["used_memory"] - memory.get("mem_not_counted_for_evict").copied().unwrap_or_default()
}
