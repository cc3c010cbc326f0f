//! Gives `WIRE_BUILD_ID` to the compiler: a hash of the sources of `wire` and `runner` and of `Cargo.lock`.
//!
//! Worker and runner both link this crate, so both carry the id of the tree they were built from; the worker refuses
//! a runner with another id instead of talking past it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    let wire = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let worker = wire.parent().expect("wire lies in worker/");
    let root = worker.parent().expect("worker lies in the workspace root");
    let mut files = Vec::new();
    for source in [wire.join("src"), worker.join("runner"), root.join("Cargo.lock")] {
        println!("cargo:rerun-if-changed={}", source.display());
        collect(&source, &mut files);
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        file.strip_prefix(root).unwrap_or(file).hash(&mut hasher);
        // A file that vanished since the listing is another state of the tree: the next build sees it.
        std::fs::read(file).unwrap_or_default().hash(&mut hasher);
    }
    println!("cargo:rustc-env=WIRE_BUILD_ID={:016x}", hasher.finish());
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    // Caches of Python and editors are not sources; the attack corpus is data of tests.
    if path.file_name().is_some_and(|name| {
        name == "__pycache__"
            || name == "attacks"
            || name == "tests"
            || name.as_encoded_bytes().starts_with(b".")
    }) {
        return;
    }
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), files)),
        Err(_) => files.push(path.to_owned()),
    }
}
