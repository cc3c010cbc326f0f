//! The generated parts of `docs/threat-model.md`.

use std::path::Path;

/// Writes a part anew and fails when it was another.
pub fn keep(part: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/threat-model.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
    let (before, rest) = page.split_once(&begin).expect("the page has the part");
    let (_, after) = rest.split_once(&end).expect("the part has an end");
    let fresh = format!("{before}{begin}\n{text}\n{end}{after}");
    if fresh != page {
        std::fs::write(&path, fresh).expect("the page can be written");
        panic!("{} was stale and is written anew: look at it and commit it", path.display());
    }
}
