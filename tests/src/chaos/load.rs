//! The load of a round: jobs of several shapes, posted as a careful client does.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::dice::Dice;
use crate::DEADLINE;
use crate::client::Client;
use crate::stack::{self, Stack};

/// 100 ms before a post without an answer is repeated.
const REPEAT_AFTER: Duration = Duration::from_millis(100);
/// 4 searches and a question in each program that uses tools.
pub(super) const SEARCHES: usize = 4;

const IN_TURN: &str = "
async def execute_workflow(user_input):
    found = [await paradigm_search(f'{user_input} {n}') for n in range(4)]
    return found + [await chat_completion(f'{user_input} in short')]
";
const SIDE_BY_SIDE: &str = "
import asyncio

async def execute_workflow(user_input):
    with step('Search'):
        found = await asyncio.gather(*(paradigm_search(f'{user_input} {n}') for n in range(4)))
    return found + [await chat_completion(f'{user_input} in short')]
";
const BLOCKING: &str = "
def execute_workflow(user_input):
    print('working on', user_input)
    found = [paradigm_search(f'{user_input} {n}') for n in range(4)]
    return found + [chat_completion(f'{user_input} in short')]
";
const ALONE: &str = "
import hashlib

def execute_workflow(user_input):
    digest = user_input.encode()
    for _ in range(20000):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()
";

/// What a program does, which says what is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    InTurn,
    SideBySide,
    Blocking,
    Alone,
}

const SHAPES: [(Shape, &str); 4] = [
    (Shape::InTurn, IN_TURN),
    (Shape::SideBySide, SIDE_BY_SIDE),
    (Shape::Blocking, BLOCKING),
    (Shape::Alone, ALONE),
];

impl Shape {
    /// The result this program gives for this input.
    pub(super) fn right(self, input: &str) -> Value {
        if self == Shape::Alone {
            let first = input.as_bytes().to_vec();
            let digest = (0..20_000).fold(first, |digest, _| Sha256::digest(&digest).to_vec());
            let hex = digest.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}"); // writing into a String never fails
                hex
            });
            return Value::from(hex);
        }
        let found = (0..SEARCHES).map(|number| format!("Answer to: {input} {number}"));
        found.chain([format!("Reply to: {input} in short")]).collect::<Vec<_>>().into()
    }

    /// How many tool calls it makes.
    pub(super) fn calls(self) -> usize {
        if self == Shape::Alone { 0 } else { SEARCHES + 1 }
    }
}

/// A workflow of each shape.
pub(super) struct Workflows(Vec<(Shape, String)>);

impl Workflows {
    pub(super) async fn create(stack: &Stack) -> Self {
        let mut all = Vec::new();
        for (shape, code) in SHAPES {
            all.push((shape, stack.workflow_from_code(code).await));
        }
        Self(all)
    }

    fn id(&self, shape: Shape) -> &str {
        let found = self.0.iter().find(|(of, _)| *of == shape);
        &found.expect("a workflow of each shape").1
    }
}

/// A job to be posted.
pub(super) struct Post {
    moment: Duration,
    input: String,
    shape: Shape,
}

/// A job that got its 202.
#[derive(Debug)]
pub(super) struct Accepted {
    pub id: String,
    /// Unique: also its idempotency key and the path of its callback.
    pub input: String,
    pub shape: Shape,
}

/// Chooses the jobs of a round.
pub(super) fn plan(dice: &mut Dice, round: usize, jobs: usize, within: Duration) -> Vec<Post> {
    let shapes = SHAPES.map(|(shape, _)| shape);
    let post = |number| Post {
        moment: dice.between(Duration::ZERO, within),
        input: format!("r{round}-{number}"),
        shape: dice.one_of(&shapes),
    };
    (0..jobs).map(post).collect()
}

/// Posts each job at its moment, until it is accepted.
pub(super) async fn post_all(
    client: &Client,
    workflows: &Workflows,
    callback: &str,
    posts: Vec<Post>,
) -> Vec<Accepted> {
    let began = Instant::now();
    let posts = posts.into_iter().map(|post| async move {
        tokio::time::sleep_until(began + post.moment).await;
        let path = format!("/workflows/{}/execute", workflows.id(post.shape));
        let body = json!({"user_input": post.input, "callback_url": format!("{callback}/{}", post.input)});
        let id = post_until_accepted(client, &path, &post.input, &body).await;
        Accepted { id, input: post.input, shape: post.shape }
    });
    join_all(posts).await
}

/// The same post under the same key: after no answer, and after a 503 as soon as it says.
async fn post_until_accepted(client: &Client, path: &str, key: &str, body: &Value) -> String {
    let posting = async {
        loop {
            let request = client.request(Method::POST, path).header("idempotency-key", key).json(body);
            let pause = match client.try_send(request.timeout(Duration::from_secs(5))).await {
                Ok(answer) if answer.status == 200 => return stack::id(&answer.json()), // over by now
                Ok(answer) if answer.status != 503 => return stack::id(&answer.expect(202)),
                Ok(answer) => answer.header("retry-after").and_then(|seconds| seconds.parse().ok()),
                Err(_) => None,
            };
            tokio::time::sleep(pause.map_or(REPEAT_AFTER, Duration::from_secs)).await;
        }
    };
    tokio::time::timeout(DEADLINE, posting).await.unwrap_or_else(|_| panic!("{key} was not accepted"))
}
