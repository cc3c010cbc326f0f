//! What writing and reading the frames of a run costs: three of them in a run that calls no tool.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use wire::codec::{Decoder, decode, encode, from_cell_frame_bytes_max};
use wire::frame::{CellLimits, FromCell, Start, Task, ToCell};

/// 2 KiB of program: what a model writes for a workflow of five steps.
const PROGRAM_BYTES: usize = 2 << 10;
/// 4 KiB of a tool's answer, and 1 MiB, the largest result.
const ANSWER_BYTES: [usize; 2] = [4 << 10, 1 << 20];

fn start() -> ToCell {
    ToCell::Start(Box::new(Start {
        program: "# a line of a program\n".repeat(PROGRAM_BYTES / 22),
        task: Task::Execute { user_input: "Where does the contract end?".to_owned() },
        seed: 7,
        limits: CellLimits {
            memory_bytes_max: 1 << 29,
            cpu_secs: 300,
            result_bytes_max: 1 << 20,
            file_bytes_max: 1 << 26,
            arguments_bytes_max: 1 << 20,
        },
    }))
}

fn returned(bytes: usize) -> FromCell {
    let text = "Ein Satz, une phrase, one sentence. ".repeat(bytes / 36);
    let value = serde_json::value::to_raw_value(&json!(text)).expect("a string is JSON");
    FromCell::Returned(value)
}

fn codec(criterion: &mut Criterion) {
    let start = start();
    criterion.bench_function("write a start frame", |bench| bench.iter(|| encode(black_box(&start))));
    for bytes in ANSWER_BYTES {
        let frame = encode(&returned(bytes)).expect("it is a frame");
        let mut group = criterion.benchmark_group(format!("a result of {bytes} bytes"));
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function("write", |bench| bench.iter(|| encode(black_box(&returned(bytes)))));
        group.bench_function("cut out of the stream and read", |bench| {
            bench.iter(|| {
                let mut reader = Decoder::new(from_cell_frame_bytes_max(2 << 20));
                reader.push(black_box(&frame));
                let body = reader.next_frame().expect("it is well formed").expect("it is whole");
                decode::<FromCell>(body).expect("it is a frame of a cell")
            });
        });
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
