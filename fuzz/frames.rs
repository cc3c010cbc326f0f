// The body of the fuzz target `frames`, taken in with `include!` by it and by `worker/wire/tests/hostile_frames.rs`.

/// Cuts the bytes into pieces as the first two say, and does with them what the worker does with a cell's bytes.
fn read_as_the_worker_does(data: &[u8]) {
    let [cut, limit, stream @ ..] = data else { return };
    let (piece_bytes, frame_bytes_max) = (usize::from(*cut) + 1, usize::from(*limit) * 64);
    let mut decoder = wire::codec::Decoder::new(frame_bytes_max);
    for piece in stream.chunks(piece_bytes) {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(body)) => {
                    assert!(body.len() <= frame_bytes_max);
                    heed(body);
                }
                Ok(None) => break,
                // The worker ends the run here.
                Err(_) => return,
            }
        }
        assert!(decoder.pending_bytes() <= frame_bytes_max + wire::codec::PREFIX_BYTES);
    }
}

fn heed(body: &[u8]) {
    let Ok(frame) = wire::codec::decode::<wire::frame::FromCell>(body) else { return };
    if let wire::frame::FromCell::Returned(result) = &frame {
        // Results are read once more, strictly; what they are is the program's business.
        let _ = serde_json::from_str::<serde_json::Value>(result.get());
    }
    let again = wire::codec::encode(&frame).expect("what was read can be written");
    let (_, body) = again.split_at(wire::codec::PREFIX_BYTES);
    wire::codec::decode::<wire::frame::FromCell>(body).expect("what was written can be read");
}
