// The build script of every binary package (`api`, `worker`, `cli`), taken in with `include!`.
//
// It gives `BUILD_ID` to the compiler: a hash of all sources that end up in any of the binaries. The binaries are
// installed side by side and speak private protocols to each other, so `wf` compares these ids before it starts a
// sibling: a fresh `wf` over a stale `worker` is refused, not debugged. The id says "built from the same sources
// in the same profile", no more; it is not a checksum of the binary.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

/// What goes into the id, from the workspace root. Folders are read whole: scripts and pages are included in code too.
const BUILD_ID_SOURCES: [&str; 7] =
    ["Cargo.lock", "Cargo.toml", "build_id.rs", "api/src", "worker", "shared/src", "cli/src"];

fn main() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let root = package
        .ancestors()
        .find(|folder| folder.join("build_id.rs").is_file())
        .expect("build_id.rs lies in the workspace root");

    let mut files = Vec::new();
    for source in BUILD_ID_SOURCES {
        println!("cargo:rerun-if-changed={}", root.join(source).display());
        build_id_files(&root.join(source), &mut files);
    }
    files.sort();

    let mut hasher = DefaultHasher::new();
    for name in ["PROFILE", "TARGET"] {
        std::env::var_os(name).hash(&mut hasher);
    }
    for file in files {
        file.strip_prefix(root).expect("found below the root").hash(&mut hasher);
        // A file that vanished since the listing is another state of the tree: the next build sees it.
        std::fs::read(&file).unwrap_or_default().hash(&mut hasher);
    }
    println!("cargo:rustc-env=BUILD_ID={:016x}", hasher.finish());
}

fn build_id_files(path: &Path, files: &mut Vec<PathBuf>) {
    // Editors and Python leave hidden files and caches behind: they are not sources.
    if path.file_name().is_some_and(|name| name == "__pycache__" || name.as_encoded_bytes().starts_with(b".")) {
        return;
    }
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| build_id_files(&entry.path(), files)),
        Err(_) => files.push(path.to_owned()),
    }
}
