//! The description: the golden copy, and that it says what the server does.

use crate::fixture::Fixture;

/// The golden copy changes with the API and is reviewed with it: `UPDATE_GOLDEN=1 cargo test -p api` writes it.
#[test]
fn the_description_is_as_it_was_reviewed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi.json");
    let document = api::openapi::document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        golden == document,
        "the description has changed: UPDATE_GOLDEN=1 cargo test -p api, then review it"
    );
}

#[tokio::test]
async fn what_is_served_is_the_description_of_this_process() {
    let api = Fixture::start().await;
    let served = api.client.get("/openapi.json").await.expect(200);
    assert_eq!(served["openapi"], "3.1.0");
    assert!(served.get("security").is_none(), "no keys are required here");
    let mut expected = serde_json::to_value(api::openapi::document()).unwrap();
    expected.as_object_mut().unwrap().remove("security");
    assert_eq!(served, expected);
    api.finish().await;
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let api = Fixture::start().await;
    let page = api.client.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = page.text();
    assert!(!page.contains("http"), "{page}");
    for part in page.split('"').filter(|part| part.starts_with("/docs/")) {
        let file = api.client.get(part).await;
        assert_eq!(file.status, 200, "{part}");
        assert!(!file.body.is_empty(), "{part}");
    }
    let start = api.client.get("/docs/swagger-initializer.js").await.text();
    assert!(start.contains("\"/openapi.json\"") && !start.contains("petstore"), "{start}");
    api.client.get("/docs/none.js").await.problem(404, "not_found");
    api.finish().await;
}
