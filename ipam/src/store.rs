//! `leases.json` under its lock.

use crate::{BootId, FileError, Leases, file};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The lease store in a run directory, shared by all plugin processes and the agent.
///
/// `leases.json` is only ever replaced by rename, so that reading needs no lock. Writers take
/// `leases.lock`, a file of its own: a lock on the replaced file would be a lock on its past. The
/// kernel drops the lock of a killed writer.
#[derive(Clone, Debug)]
pub struct LeaseStore {
    run_dir: PathBuf,
    file: PathBuf,
    lock: PathBuf,
}

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The agent has not made the run directory yet, or it was removed.
    #[error("{}: no such directory; the agent makes it", .0.display())]
    NoRunDir(PathBuf),
    /// Somebody else had the lock all the time.
    #[error("{}: still locked by another process after {} ms", path.display(), waited.as_millis())]
    LockTimeout {
        /// The lock file.
        path: PathBuf,
        /// How long we waited.
        waited: Duration,
    },
    /// A file could not be read, understood or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Longest sleep between two tries for the lock; it is held for a fraction of a millisecond.
const LONGEST_SLEEP: Duration = Duration::from_millis(4);

impl LeaseStore {
    /// The store in `run_dir`; touches nothing yet.
    pub fn new(run_dir: impl Into<PathBuf>) -> Self {
        let run_dir = run_dir.into();
        LeaseStore {
            file: run_dir.join("leases.json"),
            lock: run_dir.join("leases.lock"),
            run_dir,
        }
    }

    /// The path of `leases.json`, for those who watch it.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// The leases of the boot `boot`, without the lock. Empty when there are none, or only those of
    /// another boot.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn read(&self, boot: &BootId) -> Result<Leases, FileError> {
        Ok(self.load(boot)?.0)
    }

    /// Takes the lock within `deadline`, lets `change` change the leases, and writes them back if it
    /// succeeded and changed any. Whatever fails, the file stays as it was.
    ///
    /// # Errors
    /// What `change` returns, or a [`StoreError`]; both as the caller's `E`.
    pub fn update<T, E: From<StoreError>>(
        &self,
        boot: &BootId,
        deadline: Duration,
        change: impl FnOnce(&mut Leases) -> Result<T, E>,
    ) -> Result<T, E> {
        let _lock = self.lock(deadline)?;
        let (mut leases, before) = self.load(boot).map_err(StoreError::from)?;
        let outcome = change(&mut leases)?;
        let saved = self.save(&leases, before.as_deref());
        saved.map_err(StoreError::from)?;
        Ok(outcome)
    }

    /// The leases of this boot, and the content of the file, if there is one.
    fn load(&self, boot: &BootId) -> Result<(Leases, Option<Vec<u8>>), FileError> {
        let none = || Leases::new(boot.clone());
        let bytes = match file::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok((none(), None)),
            Err(error) => return Err(error),
        };
        let parsed = Leases::parse(&bytes);
        let leases = parsed.map_err(|fault| FileError::malformed(&self.file, fault))?;
        let leases = if leases.boot_id() == boot {
            leases
        } else {
            none()
        };
        Ok((leases, Some(bytes)))
    }

    /// Writes what differs from `before`. Comparing bytes is cheaper than keeping a copy of the
    /// leases; at worst a file that somebody wrote by hand is put into our own form.
    fn save(&self, leases: &Leases, before: Option<&[u8]>) -> Result<(), FileError> {
        let encoded = leases.to_json();
        let after = encoded.map_err(|error| FileError::io(&self.file, "encode")(error.into()))?;
        let unchanged = match before {
            Some(before) => *before == after,
            None => *leases == Leases::new(leases.boot_id().clone()),
        };
        if unchanged {
            return Ok(());
        }
        file::replace(&self.file, &after, 0o600)
    }

    /// The lock, held until the file is dropped.
    fn lock(&self, deadline: Duration) -> Result<File, StoreError> {
        let file = self.open_lock()?;
        let start = Instant::now();
        let mut sleep = Duration::from_micros(50);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => {
                    return Err(FileError::io(&self.lock, "lock")(source).into());
                }
                Err(TryLockError::WouldBlock) => {}
            }
            let waited = start.elapsed();
            let Some(left) = deadline.checked_sub(waited).filter(|left| !left.is_zero()) else {
                let path = self.lock.clone();
                return Err(StoreError::LockTimeout { path, waited });
            };
            thread::sleep(sleep.min(left));
            sleep = (sleep * 2).min(LONGEST_SLEEP);
        }
    }

    fn open_lock(&self) -> Result<File, StoreError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.open(&self.lock).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                StoreError::NoRunDir(self.run_dir.clone())
            } else {
                FileError::io(&self.lock, "open")(source).into()
            }
        })
    }
}
