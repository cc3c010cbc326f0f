//! The data folder of a stack: who holds it, its secrets key, its logs, Redis's files and socket.
//!
//! ```text
//! lock          held (flock) by whoever uses the folder, with its process id for the message
//! secrets.key   32 bytes, base64, made once, 0600
//! redis/        append-only file and redis.sock
//! logs/         one file per child, from its last start
//! ```

use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustix::fs::FlockOperation;
use tempfile::TempDir;

use super::StackError;

/// 100 bytes of path for a unix socket: the kernel takes 107 on Linux and 103 elsewhere.
const SOCKET_PATH_BYTES_MAX: usize = 100;
/// 32 bytes, as the contract of `SECRETS_KEY` says.
const SECRETS_KEY_BYTES: usize = 32;

/// The folder, held until dropped (and until Redis, which holds the same lock, has ended).
#[derive(Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
    lock: File,
    socket: PathBuf,
    /// Where the socket is when the data folder's path is too long for one.
    _socket_folder: Option<TempDir>,
}

impl DataFolder {
    /// Makes the folder where needed, and takes it.
    pub(super) fn open(path: &Path) -> Result<Self, StackError> {
        for folder in [path.to_owned(), path.join("redis"), path.join("logs")] {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed(&folder))?;
        }
        let path = path.canonicalize().map_err(failed(path))?;
        let lock = lock(&path)?;
        // Whoever keeps the project in git must not commit our data.
        write_new(&path.join(".gitignore"), "*\n")?;
        let socket = path.join("redis/redis.sock");
        if socket.as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX {
            return Ok(Self { path, lock, socket, _socket_folder: None });
        }
        let folder =
            tempfile::Builder::new().prefix("wf-").tempdir().map_err(failed(&std::env::temp_dir()))?;
        let socket = folder.path().join("redis.sock");
        Ok(Self { path, lock, socket, _socket_folder: Some(folder) })
    }

    /// The folder, absolute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Redis's working folder.
    pub(super) fn redis(&self) -> PathBuf {
        self.path.join("redis")
    }

    /// Where Redis listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// What a killed Redis leaves behind.
    pub(super) fn remove_socket(&self) {
        // A Redis that ended well has removed it.
        let _ = std::fs::remove_file(&self.socket);
    }

    /// A child's log.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(name).with_extension("log")
    }

    /// The lock, to be held by one more process.
    pub(super) fn share_lock(&self) -> std::io::Result<File> {
        self.lock.try_clone()
    }

    /// The key that seals what is stored here; made at the first use.
    pub(super) fn secrets_key(&self) -> Result<String, StackError> {
        let path = self.path.join("secrets.key");
        if !path.exists() {
            let mut key = [0; SECRETS_KEY_BYTES];
            getrandom::fill(&mut key)
                .map_err(|error| failed(&path)(std::io::Error::other(error.to_string())))?;
            write_new(&path, &format!("{}\n", BASE64_STANDARD.encode(key)))?;
        }
        std::fs::read_to_string(&path).map(|key| key.trim().to_owned()).map_err(failed(&path))
    }
}

fn lock(folder: &Path) -> Result<File, StackError> {
    let path = folder.join("lock");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(failed(&path))?;
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut owner = String::new();
        // Only for the message; the lock is the flock, not the text.
        let _ = (&file).take(32).read_to_string(&mut owner);
        return Err(StackError::InUse { path: folder.to_owned(), owner: owner.trim().to_owned() });
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed(&path))?;
    Ok(file)
}

/// Writes a private file that is not there yet, whole or not at all.
fn write_new(path: &Path, text: &str) -> Result<(), StackError> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    // A temporary file is 0600 from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed(path))?;
    file.persist(path).map(drop).map_err(|error| failed(path)(error.error))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> StackError {
    let path = path.to_owned();
    |source| StackError::Folder { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_has_one_holder_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataFolder::open(&path).unwrap();
        let error = DataFolder::open(&path).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()) && error.contains("--data"), "{error}");
        // Redis holds the lock on: the folder is free when it has ended too.
        let shared = first.share_lock().unwrap();
        drop(first);
        assert!(DataFolder::open(&path).is_err());
        drop(shared);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn the_secrets_key_is_made_once_and_private() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&parent.path().join("data")).unwrap();
        let key = folder.secrets_key().unwrap();
        assert_eq!(BASE64_STANDARD.decode(&key).unwrap().len(), 32);
        assert_eq!(folder.secrets_key().unwrap(), key);
        let mode = std::fs::metadata(folder.path().join("secrets.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_path_too_long_for_a_socket_gets_one_elsewhere() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(&parent.path().join("d".repeat(SOCKET_PATH_BYTES_MAX))).unwrap();
        assert!(folder.socket().as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
        assert!(!folder.socket().starts_with(folder.path()));
        let folder = DataFolder::open(&parent.path().join("short")).unwrap();
        assert!(folder.socket().starts_with(folder.path()));
    }
}
