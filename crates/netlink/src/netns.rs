//! Network namespaces, and short visits to them.

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The calling thread's own namespace. Not `/proc/self/ns/net`: that is the main thread's.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace held open: it lives at least as long as this.
#[derive(Debug)]
pub struct Netns {
    fd: OwnedFd,
}

/// What a namespace is, whatever path it was opened by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetnsId {
    device: u64,
    inode: u64,
}

/// Why a namespace could not be opened, entered or made.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// Nothing there: for a DEL the normal case after the sandbox is gone.
    #[error("network namespace {path}: no such file")]
    Missing {
        /// The path asked for.
        path: PathBuf,
    },
    /// A file, but no namespace.
    #[error("network namespace {path}: is not a namespace")]
    NotNamespace {
        /// The path asked for.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{what} network namespace {path}: {errno}")]
    System {
        /// The step.
        what: &'static str,
        /// The path asked for.
        path: PathBuf,
        /// Its reason.
        errno: nix::Error,
    },
}

impl Netns {
    /// Opens the namespace at `path`, such as `/run/netns/NAME` or `/proc/PID/ns/net`.
    ///
    /// # Errors
    /// [`NetnsError::Missing`] and [`NetnsError::NotNamespace`] tell apart what a DEL may pass over.
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let system = |what| move |errno| system(what, path, errno);
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let fd = open(path, flags, Mode::empty()).map_err(|errno| match errno {
            nix::Error::ENOENT | nix::Error::ENOTDIR | nix::Error::ENXIO => NetnsError::Missing {
                path: path.to_owned(),
            },
            errno => system("open")(errno),
        })?;
        let filesystem = fstatfs(&fd).map_err(system("inspect"))?.filesystem_type();
        if filesystem != NSFS_MAGIC {
            return Err(NetnsError::NotNamespace {
                path: path.to_owned(),
            });
        }
        Ok(Netns { fd })
    }

    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// When procfs is not mounted.
    pub fn current() -> Result<Self, NetnsError> {
        Self::open(Path::new(OWN))
    }

    /// A new namespace without a name or a mount: it is gone when the last reference is, so that
    /// nothing is left behind by a process that dies.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`.
    pub fn create() -> Result<Self, NetnsError> {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|errno| system("create", Path::new(OWN), errno))?;
            Self::current()
        };
        on_a_thread_of_its_own(make)
    }

    /// Device and inode: equal for two paths to the same namespace.
    ///
    /// # Errors
    /// Never in practice; what `fstat` says.
    pub fn id(&self) -> Result<NetnsId, NetnsError> {
        let stat = fstat(&self.fd).map_err(|errno| system("inspect", Path::new(OWN), errno))?;
        Ok(NetnsId {
            device: stat.st_dev,
            inode: stat.st_ino,
        })
    }

    /// Runs `work` inside the namespace, on a thread of its own that ends there.
    ///
    /// Switching back could fail and would leave a caller in the wrong place; a thread that dies
    /// cannot. A socket opened by `work` may be carried out: it stays with the namespace.
    ///
    /// # Errors
    /// When the thread may not enter. What `work` returns is its own affair.
    pub fn visit<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        on_a_thread_of_its_own(|| {
            self.settle_in("enter")?;
            Ok(work())
        })
    }

    /// As [`Netns::visit`], on the calling thread: for a process that has only this one and would
    /// have to make another first, which takes longer than the visit. `home` is where the thread is,
    /// and is again afterwards.
    ///
    /// # Errors
    /// When the thread may not enter, or cannot return. After the latter, of which no cause is known,
    /// nothing may be done that depends on the thread's namespace; the same if `work` panics.
    pub fn step_in<T>(&self, home: &Netns, work: impl FnOnce() -> T) -> Result<T, NetnsError> {
        self.settle_in("enter")?;
        let done = work();
        home.settle_in("return from").map(|()| done)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the two ways in say how they get out"
    )]
    fn settle_in(&self, what: &'static str) -> Result<(), NetnsError> {
        nix::sched::setns(&self.fd, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| system(what, Path::new(OWN), errno))
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn system(what: &'static str, path: &Path, errno: nix::Error) -> NetnsError {
    NetnsError::System {
        what,
        path: path.to_owned(),
        errno,
    }
}

fn on_a_thread_of_its_own<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
