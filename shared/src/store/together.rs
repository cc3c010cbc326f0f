//! Writes that go to Redis together: those that come while a call is on its way wait for its answer and are the next
//! call, as many as one may carry. One that comes alone leaves at once.
//!
//! Each is a job of its own to the script, with an answer of its own: what is refused or fails there concerns no other.
//! A call that fails, or whose answer is lost, is an error of all that were in it, as it was for each alone; nothing is
//! repeated here. Who waits is bounded by those who ask: each waits for its own answer. Who stopped waiting before its
//! call left is left out.

use std::{
    collections::VecDeque,
    fmt::Display,
    io::Write as _,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind};
use tokio::sync::oneshot;

use super::{StoreError, link::Link, state::unexpected};
use crate::limits;

/// What a call says of one job, one argument after the other.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Arguments {
    pub(super) fn push(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn push_shown(&mut self, shown: impl Display) {
        write!(self.bytes, "{shown}").expect("memory takes it");
        self.ends.push(self.bytes.len());
    }

    /// How many values, then each field and its value.
    pub(super) fn push_fields(&mut self, fields: &[(impl AsRef<str>, String)]) {
        self.push_shown(fields.len() * 2);
        for (name, value) in fields {
            self.push(name.as_ref());
            self.push(value);
        }
    }

    pub(super) fn append(&mut self, other: &Self) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| from + end));
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn each(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.bytes[begin..end])
    }
}

type Answer = Result<String, StoreError>;

struct Asked {
    arguments: Arguments,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Asked>,
    /// Somebody sends, and goes on until nobody waits.
    sending: bool,
}

struct Shared {
    link: Link,
    script: &'static LazyLock<Script>,
    prefix: String,
    header: Vec<String>,
    line: Mutex<Line>,
}

/// The writes of one kind. Cheap to clone: clones send together.
#[derive(Clone)]
pub(super) struct Together(Arc<Shared>);

impl Together {
    /// `header`: what each call says before its jobs.
    pub(super) fn new(
        link: Link,
        script: &'static LazyLock<Script>,
        prefix: &str,
        header: Vec<String>,
    ) -> Self {
        let shared = Shared { link, script, prefix: prefix.to_owned(), header, line: Mutex::default() };
        Self(Arc::new(shared))
    }

    /// Sends this with whatever else is to be sent; the script's answer to it.
    pub(super) async fn ask(&self, arguments: Arguments) -> Answer {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut line = self.0.line();
            line.waiting.push_back(Asked { arguments, answer });
            !std::mem::replace(&mut line.sending, true)
        };
        if begins {
            // A task of its own: who asked may stop waiting, and the others go on.
            tokio::spawn(Sending { shared: self.0.clone(), ended: false }.run());
        }
        match tokio::time::timeout(limits::BATCH_ANSWER_TIMEOUT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(StoreError::Unavailable("what sends to it has ended".to_owned())),
            Err(_) => Err(StoreError::Unavailable("it did not answer in time".to_owned())),
        }
    }
}

/// Who sends for all. When it ends before its time, with its runtime, nobody waits for it in vain.
struct Sending {
    shared: Arc<Shared>,
    /// Nobody waited any more: another one may have begun since.
    ended: bool,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.ended {
            *self.shared.line() = Line::default();
        }
    }
}

impl Sending {
    async fn run(mut self) {
        loop {
            // Those who ask at this very moment come along: who was answered just now asks again at once.
            until_still(|| self.shared.line().waiting.len()).await;
            let call = self.shared.next_call();
            if call.is_empty() {
                self.ended = true;
                return;
            }
            match self.shared.send(&call).await {
                Ok(answers) => call.into_iter().zip(answers).for_each(|(asked, answer)| {
                    // Nobody may be waiting for it any more.
                    let _ = asked.answer.send(read(answer));
                }),
                Err(error) => call.into_iter().for_each(|asked| {
                    let _ = asked.answer.send(Err(error.clone()));
                }),
            }
        }
    }
}

/// 16 times at most others have their turn: a few microseconds each while they raise the count.
const TURNS_MAX: usize = 16;

/// Lets the other tasks have their turn until this count of what they do rises no more, or is as much as one call carries;
/// nobody is waited for.
pub(crate) async fn until_still(count: impl Fn() -> usize) {
    let (mut last, mut still) = (count(), 0);
    for _ in 0..TURNS_MAX {
        tokio::task::yield_now().await;
        let now = count();
        still = if now > last { 0 } else { still + 1 };
        if still == 2 || now >= limits::BATCH_JOBS_MAX {
            return;
        }
        last = now;
    }
}

/// What went wrong with this job in the script.
fn read(answer: String) -> Answer {
    match answer.strip_prefix("error ") {
        Some(told) => Err(StoreError::Unavailable(told.to_owned())),
        None => Ok(answer),
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As many as one call carries, in their order. Without any, nobody sends any more.
    fn next_call(&self) -> Vec<Asked> {
        let (mut call, mut bytes) = (Vec::new(), 0);
        let mut line = self.line();
        while let Some(asked) = line.waiting.pop_front() {
            if asked.answer.is_closed() {
                continue;
            }
            bytes += asked.arguments.bytes();
            if !call.is_empty() && bytes > limits::BATCH_BYTES_MAX {
                line.waiting.push_front(asked);
                break;
            }
            call.push(asked);
            if call.len() == limits::BATCH_JOBS_MAX {
                break;
            }
        }
        line.sending = !call.is_empty();
        call
    }

    async fn send(&self, call: &[Asked]) -> Result<Vec<String>, StoreError> {
        let command = self.command(call);
        let mut link = self.link.clone();
        let mut answers: Result<Vec<String>, RedisError> = command.query_async(&mut link).await;
        if let Err(error) = &answers
            && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        {
            self.script.load_async(&mut link).await?;
            answers = command.query_async(&mut link).await;
        }
        let answers = answers?;
        if answers.len() == call.len() {
            return Ok(answers);
        }
        Err(unexpected(&format!("{} to {} jobs", answers.len(), call.len())))
    }

    fn command(&self, call: &[Asked]) -> Cmd {
        let sum = |number: fn(&Arguments) -> usize| -> usize {
            call.iter().map(|asked| number(&asked.arguments)).sum()
        };
        let parts = 4 + self.header.len() + sum(|arguments| arguments.ends.len());
        let mut command = Cmd::with_capacity(parts, 128 + sum(Arguments::bytes));
        command.arg("EVALSHA").arg(self.script.get_hash()).arg(1).arg(&self.prefix).arg(&self.header);
        for argument in call.iter().flat_map(|asked| asked.arguments.each()) {
            command.arg(argument);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn arguments_come_out_as_they_went_in_the_empty_ones_too() {
        let (mut first, mut second) = (Arguments::default(), Arguments::default());
        first.push("");
        first.push_shown(12);
        second.push_bytes(b"\0\xff");
        second.push_fields(&[("name", String::new())]);
        first.append(&second);
        first.push("é");
        let expected: [&[u8]; 7] = [b"", b"12", b"\0\xff", b"2", b"name", b"", "é".as_bytes()];
        assert_eq!(first.each().collect::<Vec<_>>(), expected);
        assert_eq!(first.bytes(), expected.concat().len());
    }

    #[tokio::test]
    async fn all_who_ask_one_after_the_other_at_the_same_moment_are_let_come() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        for turns in 0..5 {
            tokio::spawn(async move {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                ASKED.fetch_add(1, Ordering::SeqCst);
            });
        }
        until_still(|| ASKED.load(Ordering::SeqCst)).await;
        assert_eq!(ASKED.load(Ordering::SeqCst), 5);
    }
}
