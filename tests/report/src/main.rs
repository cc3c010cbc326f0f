//! `report NAME …`: what these benchmarks wrote to `target/bench/NAME.json`, as one table.

use std::process::ExitCode;

use report::Report;

fn main() -> ExitCode {
    for name in std::env::args().skip(1) {
        match Report::read(&name) {
            Ok(report) => print!("{report}"),
            Err(error) => {
                eprintln!("target/bench/{name}.json: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
