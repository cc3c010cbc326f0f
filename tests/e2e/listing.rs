//! Lists: newest first, in pages, filtered.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::stack::{self, Stack};

use crate::ECHO;

/// Every id of a list, page by page.
async fn walk(stack: &Stack, path: &str, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut page = stack.client().get(&format!("{path}limit={limit}")).await.expect(200);
    loop {
        let data = page["data"].as_array().expect("data").clone();
        assert!(data.len() <= limit, "{page:#}");
        ids.extend(data.iter().map(stack::id));
        if page["has_more"] == json!(false) {
            assert!(page["next_cursor"].is_null(), "{page:#}");
            return ids;
        }
        let cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
        page = stack.client().get(&format!("{path}limit={limit}&after={cursor}")).await.expect(200);
    }
}

#[tokio::test]
async fn pages_of_a_list_hold_everything_once_newest_first() {
    let stack = Stack::builder().start().await;
    let mut workflows = Vec::new();
    for _ in 0..5 {
        workflows.push(stack.workflow_from_code(ECHO).await);
    }
    let mut jobs = Vec::new();
    for number in 0..5 {
        jobs.push(stack::id(&stack.run(&workflows[0], &number.to_string()).await));
    }
    jobs.push(stack::id(&stack.run(&workflows[1], "other").await));
    workflows.reverse();
    jobs.reverse();
    for limit in [1, 2, 5, 100] {
        assert_eq!(walk(&stack, "/workflows?", limit).await, workflows);
        assert_eq!(walk(&stack, "/jobs?kind=execute&", limit).await, jobs);
        assert_eq!(walk(&stack, "/jobs?", limit).await.len(), 11);
    }
    let of_first = walk(&stack, &format!("/jobs?kind=execute&workflow_id={}&", workflows[4]), 2).await;
    assert_eq!(of_first, jobs[1..]);
    assert_eq!(walk(&stack, "/jobs?status=succeeded&kind=execute&", 2).await, jobs);
    assert!(walk(&stack, "/jobs?status=failed&", 2).await.is_empty());
    let listed: Value = stack.client().get("/jobs?kind=execute&limit=1").await.expect(200)["data"][0].clone();
    assert!(listed["input"].is_null() && listed["result"].is_null(), "{listed:#}");
    let unique: BTreeSet<&String> = jobs.iter().collect();
    assert_eq!(unique.len(), jobs.len());
    stack.finish().await;
}
