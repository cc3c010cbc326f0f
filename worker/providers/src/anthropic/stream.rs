//! A streamed message, put together again. It counts as an answer only when `message_stop` came: a stream that ends
//! early is a broken connection, whatever text it brought.

use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::PROVIDER;
use super::sse::EventParser;
use super::wire::{Event, Message, StreamError};
use crate::context::Meter;
use crate::error::ProviderError;
use crate::http::{connection_broke, is_retryable, status_error};
use crate::limits::{CONTENT_BLOCKS_MAX, REPLY_BYTES_MAX, STREAM_BYTES_MAX, STREAM_SILENCE_TIMEOUT};
use crate::retry::{Advice, Failure};

/// Reads a stream to its end. What it cost is counted also when it breaks.
pub(super) async fn read(response: Response, meter: Meter) -> Result<Message, Failure> {
    let mut assembly = Assembly::default();
    let outcome = assembly.read(response).await;
    meter.add_usage(assembly.message.usage.tokens());
    outcome.map(|()| assembly.message)
}

#[derive(Debug, Default)]
struct Assembly {
    message: Message,
    stopped: bool,
    /// What the message holds so far.
    kept_bytes: usize,
}

impl Assembly {
    async fn read(&mut self, mut response: Response) -> Result<(), Failure> {
        let mut parser = EventParser::default();
        let mut bytes_read = 0;
        loop {
            let chunk = timeout(STREAM_SILENCE_TIMEOUT, response.chunk())
                .await
                .map_err(|_| Failure::transient(ProviderError::Timeout { provider: PROVIDER }))?
                .map_err(|_| connection_broke(PROVIDER))?;
            let Some(chunk) = chunk else { return Err(connection_broke(PROVIDER)) };
            bytes_read += chunk.len();
            if bytes_read > STREAM_BYTES_MAX || self.kept_bytes > REPLY_BYTES_MAX {
                return Err(malformed("its stream is too long"));
            }
            let mut events = Vec::new();
            parser
                .feed(&chunk, |data| events.push(data))
                .map_err(|_| malformed("an event of its stream is too long"))?;
            for data in events {
                self.take(&data)?;
                if self.stopped {
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        let event: Event = match serde_json::from_slice(data) {
            Ok(event) => event,
            Err(_) => return Err(malformed("an event of its stream is not the JSON that was expected")),
        };
        match event {
            Event::MessageStart { message } => self.message = message,
            Event::ContentBlockStart { index, content_block } => {
                if index != self.message.content.len() || index >= CONTENT_BLOCKS_MAX {
                    return Err(malformed("the blocks of its stream are out of order"));
                }
                self.message.content.push(content_block);
            }
            Event::ContentBlockDelta { index, delta } => {
                let block = self.message.content.get_mut(index);
                let block =
                    block.ok_or_else(|| malformed("its stream continues a block that never began"))?;
                self.kept_bytes += extend(block, &delta);
            }
            Event::MessageDelta { delta, usage } => {
                self.message.stop_reason = delta.stop_reason.or(self.message.stop_reason.take());
                self.message.stop_details = delta.stop_details.or(self.message.stop_details.take());
                self.message.usage.update(usage);
            }
            Event::MessageStop => self.stopped = true,
            Event::Error { error } => return Err(failed(&error)),
            Event::Other => {}
        }
        Ok(())
    }
}

/// Appends a delta to the field of its block that it continues; answers how many bytes that were.
fn extend(block: &mut Value, delta: &Value) -> usize {
    let field = match delta["type"].as_str() {
        Some("text_delta") => "text",
        Some("thinking_delta") => "thinking",
        Some("signature_delta") => "signature",
        _ => return 0, // citations and tool input: nothing of ours needs them
    };
    let (Some(more), Some(block)) = (delta[field].as_str(), block.as_object_mut()) else { return 0 };
    match block.get_mut(field) {
        Some(Value::String(text)) => text.push_str(more),
        _ => {
            block.insert(field.to_owned(), Value::String(more.to_owned()));
        }
    }
    more.len()
}

fn malformed(reason: &str) -> Failure {
    Failure::fatal(ProviderError::malformed(PROVIDER, reason))
}

/// An error event stands for the status it could no longer send.
fn failed(error: &StreamError) -> Failure {
    let status = match error.kind.as_str() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error = status_error(PROVIDER, status, "it stopped in the middle".to_owned(), Advice::default());
    if is_retryable(status) {
        Failure { closes_gate: status == StatusCode::TOO_MANY_REQUESTS, ..Failure::transient(error) }
    } else {
        Failure::fatal(error)
    }
}
