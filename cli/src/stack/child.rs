//! One child process: how it is started so that it cannot outlive us, and how it is stopped.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::task::Poll;

use rustix::process::{Pid, Signal};
use tokio::process::{ChildStdin, Command};

use super::StackError;
use super::log::Follower;

/// A child, leader of a process group of its own: Ctrl-C at the terminal is ours to pass on, in our order.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    group: Option<Pid>,
    log: Follower,
    /// api and worker end when this does (`--exit-with-parent`), and it ends with us in any case.
    stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts a child whose stdin is a pipe held by us.
    pub(super) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self, StackError> {
        command.stdin(Stdio::piped());
        Self::start_with_stdin(name, command, log)
    }

    /// Starts a child whose stdin is set already.
    pub(super) fn start_with_stdin(
        name: &'static str,
        mut command: Command,
        log: &Path,
    ) -> Result<Self, StackError> {
        let spawned =
            output_to(&mut command, log).and_then(|()| command.process_group(0).kill_on_drop(true).spawn());
        let mut process = spawned.map_err(|source| StackError::Start { name, source })?;
        let group = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        // Taken out at once: tokio closes a child's stdin when it is waited for.
        let stdin = process.stdin.take();
        Ok(Self { name, process, group, log: Follower::new(log), stdin })
    }

    /// Where its output goes.
    pub(super) fn log_path(&self) -> &Path {
        self.log.path()
    }

    /// SIGTERM to the child alone: what it started is its own to end.
    pub(super) fn ask_to_stop(&mut self) {
        // `id` is known while the child has not been waited for, so the number cannot be another's.
        if let (Some(pid), Some(_)) = (self.group, self.process.id()) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
    }

    /// Ends the child and all of its group, whether it has ended or not.
    pub(super) async fn end(&mut self) {
        self.stdin = None;
        self.kill_group();
        let _ = self.process.wait().await;
        // Asked once more: what the child had just started when it was killed.
        self.kill_group();
    }

    /// Waits for its end.
    async fn ended(&mut self) -> (&'static str, ExitStatus) {
        match self.process.wait().await {
            Ok(status) => (self.name, status),
            // Somebody else has waited for it: it has ended, we cannot know how.
            Err(_) => (self.name, ExitStatus::default()),
        }
    }

    /// Passes on the warnings in its log.
    pub(super) fn show_warnings(&mut self) {
        for line in self.log.new_warnings() {
            eprintln!("{}: {line}", self.name);
        }
    }

    fn kill_group(&self) {
        if let Some(group) = self.group {
            // Nobody there any more is what we want.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Only after a panic or an early return: `end` was not reached, and there is nobody to wait.
        if self.process.id().is_some() {
            self.kill_group();
        }
    }
}

fn output_to(command: &mut Command, log: &Path) -> std::io::Result<()> {
    // Emptied, then appended to: the file may be cut while the child writes.
    File::create(log)?;
    let log = File::options().append(true).open(log)?;
    command.stdout(log.try_clone()?).stderr(log);
    Ok(())
}

/// The first of them to end.
pub(super) async fn first_end(children: impl IntoIterator<Item = &mut Child>) -> (&'static str, ExitStatus) {
    let mut ends: Vec<_> = children.into_iter().map(|child| Box::pin(child.ended())).collect();
    poll_fn(|context| {
        let mut ended = ends.iter_mut().map(|end| end.as_mut().poll(context));
        ended.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// All of them have ended.
pub(super) async fn all_ended(children: impl IntoIterator<Item = &mut Child>) {
    for child in children {
        child.ended().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &Path, script: &str) -> Child {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Child::start("shell", command, &folder.join("shell.log")).unwrap()
    }

    #[tokio::test]
    async fn the_first_to_end_is_named_with_its_status() {
        let folder = tempfile::tempdir().unwrap();
        // `read` lasts as long as we hold its stdin.
        let mut children = [shell(folder.path(), "read line"), shell(folder.path(), "exit 7")];
        children[0].name = "patient";
        let (name, status) = first_end(&mut children).await;
        assert_eq!((name, status.code()), ("shell", Some(7)));
    }

    #[tokio::test]
    async fn being_waited_for_does_not_close_a_childs_stdin() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = shell(folder.path(), "read line; exit 3");
        // One look is enough for tokio to close a stdin that it still owns.
        let look = tokio::time::timeout(std::time::Duration::ZERO, child.ended()).await;
        assert!(look.is_err());
        assert!(child.stdin.is_some());
        child.stdin = None;
        assert_eq!(child.ended().await.1.code(), Some(3));
    }
}
