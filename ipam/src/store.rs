//! `leases.json` under its lock.

use crate::leases::line;
use crate::{BootId, FileError, LeaseError, LeaseKey, Leases, Recovered, file};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
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
    damaged: PathBuf,
    lock: PathBuf,
}

/// Who can say what the kernel has, when the store cannot be trusted.
pub trait Witness {
    /// Every attachment of this node that stands in the kernel.
    ///
    /// # Errors
    /// It could not be looked. Nothing is given out then.
    fn attachments(&self) -> Result<Vec<Recovered>, String>;

    /// The store was repaired: to be written to a log.
    fn repaired(&self, repair: &Repair);
}

/// How a store that was damaged or lost came to leases again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What was wrong with the file.
    pub fault: String,
    /// Leases that still stood in it.
    pub kept: usize,
    /// Leases that the kernel alone knew.
    pub adopted: usize,
    /// Lines of the file that were no leases any more, or told otherwise than the kernel.
    pub dropped: usize,
}

/// Reads as `leases.json is lost: 3 leases kept, 2 taken from the kernel, 1 dropped`.
impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repair {
            fault,
            kept,
            adopted,
            dropped,
        } = self;
        write!(
            f,
            "{fault}: {kept} leases kept, {adopted} taken from the kernel, {dropped} dropped"
        )
    }
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
    /// The file is damaged or lost, and what pods the kernel has could not be read either.
    #[error("{fault}; and the kernel's pods cannot be read: {why}")]
    NoWitness {
        /// What is wrong with the file.
        fault: String,
        /// Why the kernel could not be read.
        why: String,
    },
}

/// What was found where the leases should be.
enum Loaded {
    /// Those of this boot, and the content of the file.
    Leases(Leases, Vec<u8>),
    /// None of this boot that can be read.
    Nothing(Lost),
}

/// Why there are no leases.
enum Lost {
    Missing,
    OtherBoot(BootId),
    /// The content of the file, and what is wrong with it.
    Damaged(Vec<u8>, FileError),
}

impl Lost {
    fn fault(&self, file: &Path) -> String {
        let file = file.display();
        match self {
            Lost::Missing => format!("{file}: missing"),
            Lost::OtherBoot(theirs) => format!("{file}: of another boot, {theirs}"),
            Lost::Damaged(_, error) => error.to_string(),
        }
    }
}

impl LeaseStore {
    /// The store in `run_dir`; touches nothing yet.
    pub fn new(run_dir: impl Into<PathBuf>) -> Self {
        let run_dir = run_dir.into();
        LeaseStore {
            file: run_dir.join("leases.json"),
            damaged: run_dir.join("leases.json.damaged"),
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
        match self.load(boot)? {
            Loaded::Leases(leases, _) => Ok(leases),
            Loaded::Nothing(Lost::Damaged(_, error)) => Err(error),
            Loaded::Nothing(Lost::Missing | Lost::OtherBoot(_)) => Ok(Leases::new(boot.clone())),
        }
    }

    /// Takes the lock within `deadline`, lets `change` change the leases, and writes them back if it
    /// succeeded and changed any. Whatever fails, the file stays as it was.
    ///
    /// A file that cannot be understood is repaired first: it is kept as `leases.json.damaged`, and
    /// the leases are those of its lines that can still be read and those the `witness` tells of.
    /// One that is missing or of another boot is nothing to be repaired, unless there are pods.
    ///
    /// # Errors
    /// What `change` returns, or a [`StoreError`]; both as the caller's `E`.
    pub fn update<T, E: From<StoreError>>(
        &self,
        boot: &BootId,
        deadline: Duration,
        witness: &dyn Witness,
        change: impl FnOnce(&mut Leases) -> Result<T, E>,
    ) -> Result<T, E> {
        let _lock = self.lock(deadline)?;
        let (mut leases, before) = match self.load(boot).map_err(StoreError::from)? {
            Loaded::Leases(leases, bytes) => (leases, Some(bytes)),
            Loaded::Nothing(lost) => self.repair(boot, witness, lost)?,
        };
        let outcome = change(&mut leases)?;
        let saved = self.save(&leases, before.as_deref());
        saved.map_err(StoreError::from)?;
        Ok(outcome)
    }

    /// [`Leases::confirm`], quicker than in an [`LeaseStore::update`]: only the line of this lease is read
    /// where the file is as we write it.
    ///
    /// # Errors
    /// As these two.
    pub fn confirm(
        &self,
        boot: &BootId,
        deadline: Duration,
        witness: &dyn Witness,
        (key, now): (&LeaseKey, u64),
    ) -> Result<(), LeaseError> {
        let done = self.change_line(deadline, |file| line::confirm(file, boot, key, now))?;
        if done {
            return Ok(());
        }
        self.update(boot, deadline, witness, |leases| leases.confirm(key, now))
    }

    /// [`Leases::release`], as quickly.
    ///
    /// # Errors
    /// As [`LeaseStore::update`].
    pub fn release(
        &self,
        boot: &BootId,
        deadline: Duration,
        witness: &dyn Witness,
        (key, host_if, now): (&LeaseKey, &str, u64),
    ) -> Result<(), StoreError> {
        let done = self.change_line(deadline, |file| line::release(file, boot, key, now))?;
        if done {
            return Ok(());
        }
        self.update(boot, deadline, witness, |leases| {
            leases.release(key, host_if, now);
            Ok(())
        })
    }

    /// Replaces the file by what `change` makes of it; `false` where it makes nothing of it, or there is
    /// none.
    fn change_line(
        &self,
        deadline: Duration,
        change: impl FnOnce(&str) -> Option<String>,
    ) -> Result<bool, StoreError> {
        let _lock = self.lock(deadline)?;
        let Ok(before) = fs::read_to_string(&self.file) else {
            return Ok(false);
        };
        match change(&before) {
            Some(after) => file::replace(&self.file, after.as_bytes(), 0o600)?,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// What the file holds.
    fn load(&self, boot: &BootId) -> Result<Loaded, FileError> {
        let bytes = match file::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(Loaded::Nothing(Lost::Missing)),
            Err(error) => return Err(error),
        };
        Ok(match Leases::parse(&bytes) {
            Ok(leases) if leases.boot_id() == boot => Loaded::Leases(leases, bytes),
            Ok(leases) => Loaded::Nothing(Lost::OtherBoot(leases.boot_id().clone())),
            Err(fault) => {
                let error = FileError::malformed(&self.file, fault);
                Loaded::Nothing(Lost::Damaged(bytes, error))
            }
        })
    }

    /// The leases as they can be known again. They are written before anything else is done: what
    /// follows may fail.
    fn repair(
        &self,
        boot: &BootId,
        witness: &dyn Witness,
        lost: Lost,
    ) -> Result<(Leases, Option<Vec<u8>>), StoreError> {
        let fault = lost.fault(&self.file);
        let attachments = witness.attachments().map_err(|why| StoreError::NoWitness {
            fault: fault.clone(),
            why,
        })?;
        let remains: &[u8] = match &lost {
            Lost::Damaged(bytes, _) => bytes,
            _ if !attachments.iter().any(Recovered::has_address) => {
                return Ok((Leases::new(boot.clone()), None));
            }
            Lost::Missing | Lost::OtherBoot(_) => &[],
        };
        let rescue = Leases::rescue(boot, remains, attachments);
        let bytes = self.encode(&rescue.leases)?;
        if let Lost::Damaged(..) = lost {
            // Where the evidence cannot be kept, pods matter more.
            let _ = fs::remove_file(&self.damaged);
            let _ = fs::hard_link(&self.file, &self.damaged);
        }
        file::replace(&self.file, &bytes, 0o600)?;
        witness.repaired(&Repair {
            fault,
            kept: rescue.kept,
            adopted: rescue.adopted,
            dropped: rescue.dropped,
        });
        Ok((rescue.leases, Some(bytes)))
    }

    fn encode(&self, leases: &Leases) -> Result<Vec<u8>, FileError> {
        let encoded = leases.to_json();
        encoded.map_err(|error| FileError::io(&self.file, "encode")(error.into()))
    }

    /// Writes what differs from `before`. Comparing bytes is cheaper than keeping a copy of the
    /// leases; at worst a file that somebody wrote by hand is put into our own form.
    fn save(&self, leases: &Leases, before: Option<&[u8]>) -> Result<(), FileError> {
        let after = self.encode(leases)?;
        let unchanged = match before {
            Some(before) => *before == after,
            None => *leases == Leases::new(leases.boot_id().clone()),
        };
        if unchanged {
            return Ok(());
        }
        file::replace(&self.file, &after, 0o600)
    }

    /// The lock, held until the file is dropped. Who does not get it at once queues up in the kernel,
    /// which serves all in turn; a thread does so, for such a wait has no end of its own.
    fn lock(&self, deadline: Duration) -> Result<File, StoreError> {
        let file = self.open_lock()?;
        let failed =
            |action| move |source| StoreError::from(FileError::io(&self.lock, action)(source));
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
            Err(TryLockError::WouldBlock) => {}
        }
        let start = Instant::now();
        let (granted, grant) = mpsc::channel();
        // Granted too late, the file has no receiver and is dropped, and the lock with it.
        let queue = move || drop(granted.send(file.lock().map(|()| file)));
        let queued = thread::Builder::new().spawn(queue);
        queued.map_err(failed("queue for"))?;
        match grant.recv_timeout(deadline) {
            Ok(file) => file.map_err(failed("lock")),
            Err(_) => Err(StoreError::LockTimeout {
                path: self.lock.clone(),
                waited: start.elapsed(),
            }),
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
