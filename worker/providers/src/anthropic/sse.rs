//! Server-sent events from bytes: the part of the WHATWG format that an API uses (`data` lines, blank line ends an
//! event; `event`, `id`, `retry` and comments carry nothing we need, the type is in the data). Chunks may end
//! anywhere, also within a character or between CR and LF. One event is bounded.

use crate::limits::EVENT_BYTES_MAX;

/// An event longer than [`EVENT_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventTooLong;

/// Collects bytes into events.
#[derive(Debug, Default)]
pub(super) struct EventParser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_cr: bool,
}

impl EventParser {
    /// Takes the next bytes and hands the data of each event they complete to `event`.
    pub(super) fn feed(&mut self, bytes: &[u8], mut event: impl FnMut(Vec<u8>)) -> Result<(), EventTooLong> {
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    if let Some(data) = self.end_line() {
                        event(data);
                    }
                }
                _ if self.line.len() + self.data.len() >= EVENT_BYTES_MAX => return Err(EventTooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<Vec<u8>> {
        if self.line.is_empty() {
            let complete = std::mem::take(&mut self.has_data);
            let data = std::mem::take(&mut self.data);
            return complete.then_some(data);
        }
        if let Some(value) = self.line.strip_prefix(b"data:") {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.has_data = true;
        }
        self.line.clear();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<String> {
        let mut parser = EventParser::default();
        let mut events = Vec::new();
        for chunk in chunks {
            parser.feed(chunk, |data| events.push(String::from_utf8(data).unwrap())).unwrap();
        }
        events
    }

    #[test]
    fn events_survive_being_cut_at_every_byte() {
        let text = "event: a\r\ndata: {\"é\":1}\r\n\r\n: ping\n\ndata:two\rdata: lines\r\rid: 3\n\ndata: cut"
            .as_bytes();
        let expected = ["{\"é\":1}", "two\nlines"];
        assert_eq!(parse(&[text]), expected);
        for cut in 0..text.len() {
            assert_eq!(parse(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
        assert_eq!(parse(&text.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn an_endless_event_is_stopped_at_the_limit() {
        let mut parser = EventParser::default();
        let line = [b"data: ".as_slice(), &vec![b'x'; 60_000], b"\n"].concat();
        let fed = (0..100).position(|_| parser.feed(&line, |_| {}).is_err());
        assert!(fed.is_some_and(|lines| lines * line.len() <= EVENT_BYTES_MAX));
    }
}
