//! A stream that gives one piece at a time, and then nothing for a moment.
//!
//! The parser of forms takes from its stream until nothing is there: of a fast client it would hold whatever has arrived,
//! up to the whole file. A rest after each piece makes it pass on what it has first.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Stream, StreamExt as _};

pub(super) struct Piecewise<S> {
    pieces: S,
    rests: bool,
}

impl<S> Piecewise<S> {
    pub(super) fn new(pieces: S) -> Self {
        Self { pieces, rests: false }
    }
}

impl<S: Stream + Unpin> Stream for Piecewise<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(self.pieces.poll_next_unpin(context));
        self.rests = true;
        Poll::Ready(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_takes_all_there_is_gets_one_piece_and_misses_none() {
        let mut pieces = Piecewise::new(futures_util::stream::iter(0..3));
        for piece in 0..3 {
            let mut at_once = Vec::new();
            std::future::poll_fn(|context| {
                while let Poll::Ready(Some(piece)) = pieces.poll_next_unpin(context) {
                    at_once.push(piece);
                }
                if at_once.is_empty() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            assert_eq!(at_once, [piece]);
        }
        assert_eq!(pieces.next().await, None);
    }
}
