//! Chaos, the long run: `chaos [ROUNDS] [SEED]`, or `make chaos ROUNDS=100`. One table at the end; exit 1 when a
//! promise was broken.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use tests::chaos::{self, Plan};

/// 10 rounds when nothing is said: two minutes.
const ROUNDS_DEFAULT: usize = 10;
/// 40 jobs and 3 faults in each round: about as much as two cores carry in its 3 s.
const JOBS: usize = 40;
const FAULTS: usize = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(ROUNDS_DEFAULT), |text| text.parse());
    let seed = arguments.next().map_or(Ok(seed_of_now()), |text| text.parse());
    let (Ok(rounds), Ok(seed), None) = (rounds, seed, arguments.next()) else {
        eprintln!("usage: chaos [ROUNDS] [SEED]");
        return ExitCode::from(2);
    };
    let table = chaos::run(Plan { rounds, jobs: JOBS, faults: FAULTS, seed, until_forgotten: true }).await;
    print!("{table}");
    if table.anomalies.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Another one each time; the run prints it.
fn seed_of_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
