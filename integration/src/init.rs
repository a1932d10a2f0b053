//! The inside of a box: what its process 1 does, from the namespaces to the end.
//!
//! ```text
//!  owner ──spawns──► lab box SPEC      new network, mount, PID and UTS namespace
//!    │                  └─spawns──► lab init SPEC    pid 1: mounts, names, reaps, waits
//!    └───────── lifeline: a pipe, its reading end is pid 1's stdin ────────┘
//! ```
//!
//! When process 1 dies the kernel kills every process of its PID namespace, and with the last of
//! them go the mounts and the network namespace: nothing of a box outlives it.
//!
//! The lifeline ties a box to its owner: its end, by whatever death of the owner, is the end of the
//! box; a byte on it sets the box free (`lab up`). `PR_SET_PDEATHSIG` would not do: it follows the
//! *thread* that made the child, and test threads end before their process.
//!
//! The host may lack `/etc/cni` and `/opt/cni` and must never get them, so `/etc`, `/opt` and
//! `/var/lib` are overlays of the host's own. An overlay of the whole root would not show other
//! mounts, such as the one a checkout lies on.

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{dup2_stdout, sethostname, setsid};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Folders in which a box keeps its own changes.
const OWN: [(&str, &str); 3] = [("/etc", "etc"), ("/opt", "opt"), ("/var/lib", "var-lib")];
/// An argument of mount(2) that the operation does not look at.
const NONE: Option<&str> = None;
/// The kernel's boot id: of the box, once `init` has covered it.
pub(crate) const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Where a box sees the directory of cluster objects.
pub const CLUSTER_DIR: &str = "/run/cluster";

/// What process 1 has to know; travels as one JSON argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitSpec {
    /// Host name of the box.
    pub name: String,
    /// The directory of cluster objects, shared by all boxes.
    pub cluster_dir: PathBuf,
    /// Settings below `/proc/sys`: path and value.
    pub sysctls: Vec<(String, String)>,
    /// A folder to remove when the owner dies without having done so.
    pub sweep: Option<PathBuf>,
}

/// `lab box`: makes the namespaces and starts process 1 in them. Prints `pid N`, its pid outside.
///
/// # Errors
/// No permission for namespaces, or the executable cannot be started again.
pub fn enter(spec: &str) -> Result<()> {
    // Before the mounts change: in a chroot the path would read otherwise after that.
    let own = std::env::current_exe().context("finding the own executable")?;
    let namespaces = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS;
    unshare(namespaces).context("making namespaces")?;
    // Not waited for: the box outlives its maker and is reaped by whoever adopts it.
    let child = Command::new(own)
        .args(["init", spec])
        .spawn()
        .context("starting lab init")?;
    say(&format!("pid {}", child.id()))
}

/// `lab init`: process 1 of a box. Prints `ready` or `failed WHY`, then stays until the owner ends.
///
/// # Errors
/// A step of the preparation that failed.
pub fn run(spec: &str) -> Result<()> {
    let spec: InitSpec = serde_json::from_str(spec).context("the init spec")?;
    if std::process::id() != 1 {
        bail!("lab init must be process 1 of a box; it is started by lab box");
    }
    if let Err(error) = prepare(&spec) {
        say(&format!("failed {error:#}"))?;
        return Err(error);
    }
    say("ready")?;
    let null = File::options()
        .write(true)
        .open("/dev/null")
        .context("opening /dev/null")?;
    dup2_stdout(null).context("letting go of stdout")?;
    stay(spec.sweep.as_deref())
}

/// `lab spawn`: starts a program that becomes a child of process 1, and prints its pid in the box.
/// The own stderr, a log file, becomes stdout and stderr of the program.
///
/// # Errors
/// The program could not be started.
pub fn spawn(argv: &[String]) -> Result<()> {
    let (program, arguments) = argv.split_first().context("lab spawn: no program given")?;
    let log = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .context("sharing the log")?;
    // Not waited for: process 1 adopts and reaps it.
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("sharing the log")?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    say(&child.id().to_string())
}

fn say(line: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

fn prepare(spec: &InitSpec) -> Result<()> {
    // Away from the terminal: a Ctrl-C there is the owner's affair.
    setsid().context("setsid")?;
    sethostname(&spec.name).context("setting the host name")?;
    // Before anything is mounted, or the host would see it.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).context("making the mounts private")?;
    fresh("proc", "/proc", "")?;
    fresh("sysfs", "/sys", "")?;
    // Opened first: the directory may lie below /run, which is about to be covered.
    let cluster = File::open(&spec.cluster_dir)
        .with_context(|| format!("opening {}", spec.cluster_dir.display()))?;
    own_folders()?;
    fresh("tmpfs", "/run", "mode=755")?;
    fs::create_dir(CLUSTER_DIR).with_context(|| format!("creating {CLUSTER_DIR}"))?;
    bind(
        &format!("/proc/self/fd/{}", cluster.as_raw_fd()),
        CLUSTER_DIR,
    )?;
    for (path, value) in &spec.sysctls {
        let path = Path::new("/proc/sys").join(path);
        fs::write(&path, value)
            .with_context(|| format!("writing {value} to {}", path.display()))?;
    }
    Ok(())
}

/// Overlays and the boot id. Their upper folders lie on a tmpfs that the own `/run` then covers.
fn own_folders() -> Result<()> {
    fresh("tmpfs", "/run", "")?;
    for (folder, name) in OWN {
        let (upper, work) = (format!("/run/{name}/upper"), format!("/run/{name}/work"));
        fs::create_dir_all(&upper).with_context(|| format!("creating {upper}"))?;
        fs::create_dir_all(&work).with_context(|| format!("creating {work}"))?;
        let options = format!("lowerdir={folder},upperdir={upper},workdir={work}");
        fresh("overlay", folder, &options)?;
    }
    // The kernel gives a new id at every read.
    let id = fs::read("/proc/sys/kernel/random/uuid").context("drawing a boot id")?;
    fs::write("/run/boot_id", id).context("writing the boot id")?;
    bind("/run/boot_id", BOOT_ID)
}

/// A new file system of `kind`.
fn fresh(kind: &str, target: &str, options: &str) -> Result<()> {
    mount(
        Some(kind),
        target,
        Some(kind),
        MsFlags::empty(),
        Some(options),
    )
    .with_context(|| format!("mounting {kind} on {target}"))
}

/// The file or folder `source` also at `target`.
fn bind(source: &str, target: &str) -> Result<()> {
    mount(Some(source), target, NONE, MsFlags::MS_BIND, NONE)
        .with_context(|| format!("mounting {source} on {target}"))
}

/// Reaps whatever is left to process 1, until the lifeline ends.
fn stay(sweep: Option<&Path>) -> Result<()> {
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block().context("blocking SIGCHLD")?;
    let signals = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context("signalfd")?;
    let mut lifeline = io::stdin();
    let mut owned = true;
    loop {
        reap();
        let ended = {
            let mut fds = [
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
                PollFd::new(lifeline.as_fd(), PollFlags::POLLIN),
            ];
            let watched = if owned { 2 } else { 1 };
            match poll(&mut fds[..watched], PollTimeout::NONE) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error).context("poll"),
            }
            owned && fds[1].any().unwrap_or(false)
        };
        while signals.read_signal().context("reading signals")?.is_some() {}
        if ended {
            match lifeline.read(&mut [0]).context("reading the lifeline")? {
                0 => break,
                _ => owned = false,
            }
        }
    }
    if let Some(folder) = sweep {
        // Every box of the lab tries; all but the first find it gone.
        let _ = fs::remove_dir_all(folder);
    }
    Ok(())
}

fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}
