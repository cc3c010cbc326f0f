//! Secrets that can be searched for: whatever holds one of them outside of its own place has leaked it.

use std::path::Path;

use crate::client::Client;
use crate::process::{Process, Sighting};

/// 64 MiB: the largest piece of memory that is read at once.
const MEMORY_PIECE_BYTES: usize = 64 * 1024 * 1024;

/// The secrets of one stack.
#[derive(Debug, Clone)]
pub struct Canaries {
    /// `ANTHROPIC_API_KEY`.
    pub anthropic: String,
    /// `LIGHTON_API_KEY`.
    pub lighton: String,
    /// `SECRETS_KEY`: 32 bytes in base64.
    pub secrets_key: String,
}

impl Canaries {
    /// Secrets that exist nowhere else, because `nonce` does not.
    pub fn new(nonce: &str) -> Self {
        use base64::Engine as _;
        use sha2::Digest as _;
        Self {
            anthropic: format!("sk-ant-CANARY-7f3a-{nonce}"),
            lighton: format!("lgt-CANARY-7f3a-{nonce}"),
            secrets_key: base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(nonce)),
        }
    }

    /// The secret that occurs in `bytes`, if one does.
    pub fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        [&self.anthropic, &self.lighton, &self.secrets_key]
            .into_iter()
            .find(|secret| occurs(bytes, secret.as_bytes()))
            .map(String::as_str)
    }

    /// Everything that leaked into the logs of a process.
    pub fn found_in_log(&self, process: &Process) -> Vec<String> {
        let lines = process.log().all();
        let leaked = lines.iter().filter(|line| self.found_in(line.as_bytes()).is_some());
        leaked.map(|line| format!("log of {}: {line}", process.name())).collect()
    }

    /// Everything that leaked into a folder: with Redis' append-only file, every value it ever held.
    pub fn found_in_folder(&self, folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("the folder exists");
        let paths = entries.map(|entry| entry.expect("a folder of ours can be read").path());
        let search = |path: std::path::PathBuf| {
            if path.is_dir() {
                return self.found_in_folder(&path);
            }
            let leaked = std::fs::read(&path).ok().is_some_and(|bytes| self.found_in(&bytes).is_some());
            leaked.then(|| path.display().to_string()).into_iter().collect()
        };
        paths.flat_map(search).collect()
    }

    /// Everything that leaked into what the API shows of these jobs.
    pub async fn found_in_jobs(&self, client: &Client, jobs: &[String]) -> Vec<String> {
        let mut leaked = Vec::new();
        for job in jobs {
            for view in ["", "/steps", "/logs", "/events"] {
                let path = format!("/jobs/{job}{view}");
                let request =
                    client.request(reqwest::Method::GET, &path).header("accept", "application/json");
                let answer = client.send(request).await;
                let headers = format!("{:?}", answer.headers);
                if self.found_in(answer.text.as_bytes()).or(self.found_in(headers.as_bytes())).is_some() {
                    leaked.push(path);
                }
            }
        }
        leaked
    }

    /// Everything that leaked into a process: environment, command line and readable memory.
    ///
    /// `Err` when the kernel does not let us look into its memory.
    pub fn found_in_process(&self, seen: &Sighting) -> Result<Vec<String>, std::io::Error> {
        let folder = format!("/proc/{}", seen.pid);
        let mut leaked = Vec::new();
        for name in ["environ", "cmdline"] {
            let bytes = std::fs::read(format!("{folder}/{name}"))?;
            if let Some(secret) = self.found_in(&bytes) {
                leaked.push(format!("{folder}/{name}: {secret}"));
            }
        }
        if self.memory_leaks(seen.pid)? {
            leaked.push(format!("{folder}/mem"));
        }
        Ok(leaked)
    }

    fn memory_leaks(&self, pid: i32) -> Result<bool, std::io::Error> {
        use std::os::unix::fs::FileExt as _;
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let memory = std::fs::File::open(format!("/proc/{pid}/mem"))?;
        // Only what the process itself can have written: private or shared, but writable.
        let writable =
            maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|mode| mode.contains('w')));
        for line in writable {
            let Some((from, to)) = range(line) else { continue };
            let mut piece = vec![0; usize::try_from(to - from).unwrap_or(0).min(MEMORY_PIECE_BYTES)];
            // A mapping may be gone, or be a device: what cannot be read holds nothing for us.
            let read = memory.read_at(&mut piece, from).unwrap_or(0);
            if self.found_in(&piece[..read]).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn range(line: &str) -> Option<(u64, u64)> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
}

fn occurs(bytes: &[u8], wanted: &[u8]) -> bool {
    // The first byte is found fast; a window-by-window comparison of a whole memory takes minutes in a debug build.
    let Some((&first, _)) = wanted.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(wanted) {
            return true;
        }
        from += at + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_secret_is_found_wherever_it_lies() {
        let canaries = Canaries::new("nonce");
        let text = format!("x{}y", canaries.lighton);
        assert_eq!(canaries.found_in(text.as_bytes()), Some(canaries.lighton.as_str()));
        assert_eq!(canaries.found_in(b"nothing here"), None);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        std::fs::write(folder.path().join("deep/file"), text).unwrap();
        assert_eq!(canaries.found_in_folder(folder.path()).len(), 1);
    }

    #[test]
    fn a_secret_in_the_memory_of_a_process_is_found() {
        let canaries = Canaries::new("memory");
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(canaries.memory_leaks(me).unwrap());
    }
}
