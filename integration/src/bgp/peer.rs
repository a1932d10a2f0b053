//! A daemon that runs in a host: started, asked, killed, started again.

use super::plan::Speaker;
use super::table::{Table, heard};
use super::world::Host;
use super::{bird::Bird, frr::Frr, gobgp::GoBgp, openbgpd::OpenBgpd, ours::Ours};
use crate::{Exec, Process, eventually};
use anyhow::{Context, Result, bail};
use gingham_model::Family;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Where a daemon's files are, in its box; goes with the box.
pub(super) const FOLDER: &str = "/run/bgp";
/// How long a daemon may take to answer for the first time, or to end.
const DEADLINE: Duration = Duration::from_secs(60);

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// BIRD 2.
    Bird,
    /// FRR's bgpd, without zebra.
    Frr,
    /// OpenBGPD.
    OpenBgpd,
    /// GoBGP.
    GoBgp,
    /// The speaker under test.
    Ours,
}

/// One session as its daemon sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The name of the state, as the daemon spells it.
    pub state: String,
    /// Whether that is Established.
    pub established: bool,
}

impl Session {
    pub(super) fn named(state: &str) -> Self {
        Session {
            state: state.to_owned(),
            established: state.eq_ignore_ascii_case("established"),
        }
    }
}

/// How a daemon is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Launch {
    /// With nothing to take up.
    Fresh,
    /// While its peers keep its routes from before.
    Again,
}

/// What is particular to one daemon.
pub(super) trait Daemon: std::fmt::Debug + Send + Sync {
    /// Its files: path in the box, and text.
    fn files(&self, speaker: &Speaker) -> Vec<(String, String)>;

    /// Commands to run before it starts.
    fn preparations(&self) -> &'static [&'static [&'static str]] {
        &[]
    }

    /// Its command line. It stays in the foreground.
    fn argv(&self, launch: Launch) -> Result<Vec<String>>;

    /// Its client, asked something.
    fn client(&self, host: &Host, request: &[&str]) -> Result<String>;

    /// What is told to it once it answers.
    fn tell(&self, _host: &Host, _speaker: &Speaker) -> Result<()> {
        Ok(())
    }

    /// Its sessions, by the address of the peer.
    fn sessions(&self, host: &Host) -> Result<BTreeMap<IpAddr, Session>>;

    /// Everything it knows of one family.
    fn table(&self, host: &Host, family: Family) -> Result<Table>;
}

impl Kind {
    /// The four that are not ours.
    pub const OTHERS: [Kind; 4] = [Kind::Bird, Kind::Frr, Kind::OpenBgpd, Kind::GoBgp];

    fn daemon(self) -> &'static dyn Daemon {
        match self {
            Kind::Bird => &Bird,
            Kind::Frr => &Frr,
            Kind::OpenBgpd => &OpenBgpd,
            Kind::GoBgp => &GoBgp,
            Kind::Ours => &Ours,
        }
    }
}

/// A daemon in a host. Dropped, it is killed.
#[derive(Debug)]
pub struct Peer {
    kind: Kind,
    host: Host,
    speaker: Speaker,
    process: Process,
}

impl Peer {
    /// Starts a daemon, and waits until it answers its client.
    ///
    /// # Errors
    /// It is not installed, refuses its configuration, or says nothing for a minute.
    pub fn start(kind: Kind, host: &Host, speaker: Speaker) -> Result<Self> {
        let daemon = kind.daemon();
        fs::create_dir_all(host.inside().path(FOLDER)).context("a folder in the box")?;
        for words in daemon.preparations() {
            host.inside().exec(words)?;
        }
        configure(daemon, host, &speaker)?;
        let process = launch(kind, host, Launch::Fresh)?;
        let peer = Peer {
            kind,
            host: host.clone(),
            speaker,
            process,
        };
        peer.settle()?;
        Ok(peer)
    }

    /// Which daemon it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it runs.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What it was told to be.
    pub fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Asks its client something in its own words.
    ///
    /// # Errors
    /// The client fails or says so.
    pub fn ask(&self, request: &[&str]) -> Result<String> {
        self.kind.daemon().client(&self.host, request)
    }

    /// Its sessions, by the address of the peer.
    ///
    /// # Errors
    /// It does not answer, or not in words that are known.
    pub fn sessions(&self) -> Result<BTreeMap<IpAddr, Session>> {
        self.kind.daemon().sessions(&self.host)
    }

    /// Everything it knows of one family.
    ///
    /// # Errors
    /// It does not answer, or not in words that are known.
    pub fn table(&self, family: Family) -> Result<Table> {
        self.kind.daemon().table(&self.host, family)
    }

    /// What it knows of one family from one peer.
    ///
    /// # Errors
    /// As [`Peer::table`].
    pub fn heard(&self, family: Family, from: IpAddr) -> Result<Table> {
        Ok(heard(&self.table(family)?, from))
    }

    /// Whether the session with the peer at `address` is established.
    ///
    /// # Errors
    /// It is not, or the daemon does not answer; says what was seen.
    pub fn established(&self, address: IpAddr) -> Result<()> {
        match self.sessions()?.get(&address) {
            Some(session) if session.established => Ok(()),
            other => bail!("{:?}: {address} is {other:?}", self.kind),
        }
    }

    /// Kills it without a chance to say anything, the processes it has made included.
    ///
    /// # Errors
    /// They do not go.
    pub fn crash(&self) -> Result<()> {
        let Some(pid) = self.process.pid() else {
            return Ok(());
        };
        // Every program of a box leads a group of its own.
        let group = Pid::from_raw(pid);
        eventually("the end of a daemon", DEADLINE, || {
            match killpg(group, Signal::SIGKILL) {
                Err(Errno::ESRCH) => Ok(()),
                seen => bail!("its process group is there: {seen:?}"),
            }
        })
    }

    /// Starts it again after [`Peer::crash`]: under graceful restart as one that comes back.
    ///
    /// # Errors
    /// As [`Peer::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let how = match self.speaker.restart {
            Some(_) => Launch::Again,
            None => Launch::Fresh,
        };
        self.process = launch(self.kind, &self.host, how)?;
        self.settle()
    }

    /// Writes its files anew, from a changed description. What re-reads them is the daemon's own verb.
    ///
    /// # Errors
    /// The box is gone.
    pub fn reconfigure(&mut self, speaker: Speaker) -> Result<()> {
        configure(self.kind.daemon(), &self.host, &speaker)?;
        self.speaker = speaker;
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        let daemon = self.kind.daemon();
        eventually(&format!("{:?} answers", self.kind), DEADLINE, || {
            if !self.process.running() {
                bail!("it has ended: {}", self.process.printed()?);
            }
            let sessions = daemon.sessions(&self.host)?;
            // Its client may be answered before it has read all of its configuration.
            let mut peers = self.speaker.neighbours.iter();
            match peers.find(|peer| !sessions.contains_key(&peer.address)) {
                Some(missing) => bail!("it does not know {} yet", missing.address),
                None => Ok(()),
            }
        })?;
        daemon.tell(&self.host, &self.speaker)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Otherwise the box's end is the last resort.
        let _ = self.process.signal(Signal::SIGKILL);
    }
}

fn launch(kind: Kind, host: &Host, launch: Launch) -> Result<Process> {
    let argv = kind.daemon().argv(launch)?;
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    host.inside()
        .spawn(&format!("{kind:?}").to_lowercase(), &words)
}

fn configure(daemon: &dyn Daemon, host: &Host, speaker: &Speaker) -> Result<()> {
    for (path, text) in daemon.files(speaker) {
        let outside = host.inside().path(&path);
        fs::write(&outside, text).with_context(|| format!("writing {path}"))?;
        // OpenBGPD refuses a configuration that others may read.
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o600))
            .with_context(|| format!("setting the mode of {path}"))?;
    }
    Ok(())
}

/// A command of a client with time enough for a large table.
pub(super) fn patient(host: &Host, words: &[&str]) -> Exec {
    host.inside().command(words).deadline(DEADLINE)
}
