//! The run directory, shared with the plugin: made, locked and watched over by one agent.

use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The file by which the kernel settings can be put back.
pub const SYSCTLS: &str = "sysctls.json";
/// A killed agent holds its lock until the last of its threads is gone, which may be after whoever
/// killed it has started the next one.
const HANDOVER: Duration = Duration::from_secs(2);

/// The run directory, held by this agent.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Held open for its lock; the kernel drops it with the process.
    handle: File,
}

/// Why the agent cannot work with its run directory.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// It cannot be made or opened.
    #[error("run directory {}: {source}", path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else works with it.
    #[error("run directory {}: another gingham-agent holds it", .0.display())]
    Held(PathBuf),
    /// It was removed or replaced: what is written there now would reach nobody.
    #[error("run directory {}: was removed or replaced while the agent ran", .0.display())]
    Replaced(PathBuf),
}

impl RunDir {
    /// Makes the directory (0755) where it is missing, and takes it. Waits a moment for an agent
    /// that is on its way out.
    ///
    /// # Errors
    /// [`RunDirError::Held`] when another agent keeps it.
    pub fn open(path: &Path) -> Result<Self, RunDirError> {
        let io = |source| RunDirError::Io {
            path: path.to_owned(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(io)?;
        let handle = File::open(path).map_err(io)?;
        let start = Instant::now();
        loop {
            match handle.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < HANDOVER => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Err(RunDirError::Held(path.to_owned())),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        Ok(RunDir {
            path: path.to_owned(),
            handle,
        })
    }

    /// Whether the path still leads to the directory that was opened.
    ///
    /// # Errors
    /// [`RunDirError::Replaced`] when it does not.
    pub fn check(&self) -> Result<(), RunDirError> {
        let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let held = self.handle.metadata().map(id);
        match (fs::metadata(&self.path).map(id), held) {
            (Ok(found), Ok(held)) if found == held => Ok(()),
            _ => Err(RunDirError::Replaced(self.path.clone())),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the agent tells the plugin.
    pub fn node_state(&self) -> PathBuf {
        self.path.join("node.json")
    }

    /// Where the agent answers.
    pub fn socket(&self) -> PathBuf {
        socket(&self.path)
    }
}

/// The process that holds a run directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id; `None` for one that cannot be seen, as from another container.
    pub pid: Option<u32>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}"),
            None => f.write_str("a process that cannot be seen from here"),
        }
    }
}

/// Who holds the run directory at `path`, by `/proc/locks` alone: to try the lock could hinder an
/// agent that starts. `None` when nobody does, or there is no such directory.
pub fn holder(path: &Path) -> Option<Holder> {
    let metadata = fs::metadata(path).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    held_by(&locks, metadata.dev(), metadata.ino())
}

/// Finds the holder in the text of `/proc/locks` (proc_locks(5)): its sixth column is
/// `MAJOR:MINOR:INODE`, device numbers in hexadecimal.
fn held_by(locks: &str, device: u64, inode: u64) -> Option<Holder> {
    // glibc `gnu_dev_major` and `gnu_dev_minor`, within the 32 bits the kernel uses.
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (kind, pid, locked) = (words.get(1)?, words.get(4)?, words.get(5)?);
        // A process of another PID namespace shows as 0.
        let pid = pid.parse().ok().filter(|pid| *pid != 0);
        (*kind == "FLOCK" && *locked == file).then_some(Holder { pid })
    })
}

/// Where an agent with that run directory answers.
pub fn socket(run_dir: &Path) -> PathBuf {
    run_dir.join("agent.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_found_by_device_and_inode() {
        let locks = "\
1: POSIX  ADVISORY  WRITE 77 00:1c:99 0 EOF
2: FLOCK  ADVISORY  WRITE 78 00:1c:99 0 EOF
2: -> FLOCK  ADVISORY  WRITE 80 00:1c:99 0 EOF
3: FLOCK  ADVISORY  WRITE 0 103:02:7 0 EOF
";
        let pid = Some(78);
        assert_eq!(held_by(locks, 0x1c, 99), Some(Holder { pid }));
        assert_eq!(held_by(locks, 0x10302, 7), Some(Holder { pid: None }));
        assert_eq!(held_by(locks, 0x1c, 9), None);
    }
}
