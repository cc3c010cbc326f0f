//! The fuzz target of `fuzz/` without a fuzzer: its corpus, and the same mutations of it every time.

use std::path::Path;

include!("../../../fuzz/frames.rs");

/// 100,000 take two seconds in a debug build.
const MUTATIONS: usize = 100_000;
/// Pieces that mean something to the decoder.
const PIECES: [&[u8]; 12] = [
    b"\0\0\0\0",
    b"\0\0\0\x02",
    b"\xff\xff\xff\xff",
    b"{\"call\":{\"id\":",
    b"{\"returned\":",
    b"\"begun\"",
    b"{}",
    b"[[[[[[[[",
    b"\\ud800",
    b"1e400",
    b"\xf0\x28\x8c\x28",
    b"null",
];

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/frames");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// Marsaglia's xorshift: the same numbers on every machine.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).expect("31 bits")
}

fn mutated(corpus: &[Vec<u8>], state: &mut u64) -> Vec<u8> {
    let mut data = corpus[next(state) % corpus.len()].clone();
    for _ in 0..=next(state) % 4 {
        let place = next(state) % (data.len() + 1);
        match next(state) % 5 {
            0 => data.truncate(place.max(2)),
            1 => drop(data.splice(place..place, PIECES[next(state) % PIECES.len()].iter().copied())),
            2 => data.insert(place, u8::try_from(next(state) % 256).expect("a byte")),
            3 => {
                let other = &corpus[next(state) % corpus.len()];
                data.extend_from_slice(&other[next(state) % other.len()..]);
            }
            _ => {
                if let Some(byte) = data.get_mut(place) {
                    *byte ^= 1 << (next(state) % 8);
                }
            }
        }
    }
    data
}

#[test]
fn the_fuzzers_corpus_is_read_without_a_panic() {
    let corpus = corpus();
    assert!(corpus.len() >= 10);
    for data in &corpus {
        read_as_the_worker_does(data);
    }
}

#[test]
fn mutations_of_the_corpus_are_read_without_a_panic() {
    let corpus = corpus();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..MUTATIONS {
        read_as_the_worker_does(&mutated(&corpus, &mut state));
    }
}
