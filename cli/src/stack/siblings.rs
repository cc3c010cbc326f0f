//! The programs beside this one, and whether they are of the same build.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::StackError;
use crate::BUILD_ID;

/// How a newcomer gets siblings of this `wf`.
pub(super) const BUILD_COMMAND: &str =
    if cfg!(debug_assertions) { "cargo build" } else { "cargo build --release" };
/// 10 s for a program to say its id: it does nothing else, but a cold disk or a busy machine may be slow.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The programs of these names beside this one, all of this build.
pub(super) async fn find(names: &[&'static str]) -> Result<Vec<(&'static str, PathBuf)>, StackError> {
    let own = std::env::current_exe()
        .map_err(|source| StackError::Folder { path: "the path of this program".into(), source })?;
    let folder = own.parent().unwrap_or(Path::new("/"));
    let mut found = Vec::new();
    for name in names {
        let path = folder.join(name);
        check(&path, BUILD_ID).await.map_err(|reason| StackError::Sibling { path: path.clone(), reason })?;
        found.push((*name, path));
    }
    Ok(found)
}

async fn check(path: &Path, expected: &str) -> Result<(), String> {
    if !path.is_file() {
        return Err("is missing".to_owned());
    }
    let mut command = Command::new(path);
    // An older program may not know the flag and start serving instead: it has no settings and little time.
    command.arg("--build-id").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, command.output()).await;
    let answer = answer.map_err(|_| "does not say which build it is".to_owned())?;
    let answer = answer.map_err(|error| format!("does not start: {error}"))?;
    if answer.status.success() && String::from_utf8_lossy(&answer.stdout).trim() == expected {
        return Ok(());
    }
    Err("is of another build than wf".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_program_of_the_same_build_is_a_sibling() {
        // `echo` says back what it is asked, `true` ends well and says nothing.
        assert_eq!(check(Path::new("/bin/echo"), "--build-id").await, Ok(()));
        assert_eq!(check(Path::new("/bin/echo"), "0123").await.unwrap_err(), "is of another build than wf");
        assert_eq!(check(Path::new("/bin/true"), "0123").await.unwrap_err(), "is of another build than wf");
        assert_eq!(check(Path::new("/nowhere"), "0123").await.unwrap_err(), "is missing");
    }
}
