//! Length-prefixed JSON: four bytes, big-endian, then as many bytes of JSON.
//!
//! Invariant: whatever bytes are pushed, decoding never panics and never holds more than `frame_bytes_max` plus one
//! pushed chunk.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Length of the prefix, bytes.
pub const PREFIX_BYTES: usize = 4;

/// 8 MiB: a program (256 kB) with its input (1 MiB) and replies of tools stay far below; larger is a bug.
pub const TO_CELL_FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// 2 MiB: a tool call's arguments, escaped. Results have their own limit on top (see `from_cell_frame_bytes_max`).
pub const CALL_FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Why bytes are not frames. Both mean that the other side does not keep the protocol.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The prefix announces more than the limit.
    #[error("a frame of {frame_bytes} bytes; the limit is {frame_bytes_max} bytes")]
    TooLarge {
        /// What the prefix says.
        frame_bytes: usize,
        /// The limit in force.
        frame_bytes_max: usize,
    },
    /// The body is not the JSON that was expected here.
    #[error("a frame that cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// The largest frame a cell may send when results of `result_bytes_max` are allowed.
pub fn from_cell_frame_bytes_max(result_bytes_max: u64) -> usize {
    let envelope_bytes = 1024;
    usize::try_from(result_bytes_max)
        .unwrap_or(usize::MAX)
        .saturating_add(envelope_bytes)
        .max(CALL_FRAME_BYTES_MAX)
}

/// One frame, ready to be written.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; PREFIX_BYTES];
    serde_json::to_writer(&mut bytes, message)?;
    let frame_bytes = bytes.len() - PREFIX_BYTES;
    let prefix = u32::try_from(frame_bytes)
        .map_err(|_| FrameError::TooLarge { frame_bytes, frame_bytes_max: u32::MAX as usize })?;
    bytes[..PREFIX_BYTES].copy_from_slice(&prefix.to_be_bytes());
    Ok(bytes)
}

/// The body of a frame as a message.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(body)?)
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that were handed out already.
    consumed: usize,
    frame_bytes_max: usize,
}

impl Decoder {
    /// A decoder that refuses frames above the limit.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), consumed: 0, frame_bytes_max }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next complete frame, `None` when more bytes are needed.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let rest = &self.buffer[self.consumed..];
        let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let frame_bytes = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if frame_bytes > self.frame_bytes_max {
            return Err(FrameError::TooLarge { frame_bytes, frame_bytes_max: self.frame_bytes_max });
        }
        if rest.len() < frame_bytes {
            return Ok(None);
        }
        let start = self.consumed + PREFIX_BYTES;
        self.consumed = start + frame_bytes;
        Ok(Some(&self.buffer[start..self.consumed]))
    }

    /// Bytes held that belong to no complete frame yet (or were not asked for).
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len() - self.consumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FromCell;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hostile_bytes_never_panic_and_never_pile_up(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..64)) {
            let mut decoder = Decoder::new(32);
            'stream: for chunk in &chunks {
                decoder.push(chunk);
                loop {
                    match decoder.next_frame() {
                        Ok(Some(body)) => { let _ = decode::<FromCell>(body); }
                        Ok(None) => break,
                        Err(_) => break 'stream,
                    }
                }
                prop_assert!(decoder.pending_bytes() <= 32 + PREFIX_BYTES);
            }
        }

        #[test]
        fn frames_survive_any_cut_of_the_stream(texts in prop::collection::vec(".{0,40}", 0..8), cut in 1_usize..16) {
            let stream: Vec<u8> = texts.iter().flat_map(|text| encode(text).expect("text is JSON")).collect();
            let mut decoder = Decoder::new(1024);
            let mut read = Vec::new();
            for chunk in stream.chunks(cut) {
                decoder.push(chunk);
                while let Some(body) = decoder.next_frame().expect("our own frames") {
                    read.push(decode::<String>(body).expect("our own JSON"));
                }
            }
            prop_assert_eq!(read, texts);
            prop_assert_eq!(decoder.pending_bytes(), 0);
        }

        #[test]
        fn json_shaped_frames_never_panic(body in r#"\{"(begun|call|entered|left|returned|checked|raised|too_large)":[\{\}\[\]",:a-z0-9]{0,40}"#) {
            let _ = decode::<FromCell>(body.as_bytes());
        }
    }

    #[test]
    fn an_announced_length_above_the_limit_is_refused_before_its_body_comes() {
        let mut decoder = Decoder::new(1024);
        decoder.push(&[0xff; PREFIX_BYTES]);
        assert!(matches!(decoder.next_frame(), Err(FrameError::TooLarge { frame_bytes: 0xffff_ffff, .. })));
    }

    #[test]
    fn a_deeply_nested_frame_is_an_error_not_a_stack_overflow() {
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let call = format!(
            "{{\"call\":{{\"id\":1,\"tool\":\"t\",\"arguments\":{{\"a\":{nested}}},\"step\":null}}}}"
        );
        assert!(decode::<FromCell>(call.as_bytes()).is_err());
        // A result is carried as bytes: its depth is the business of whoever reads them.
        assert!(decode::<FromCell>(format!("{{\"returned\":{nested}}}").as_bytes()).is_ok());
    }
}
