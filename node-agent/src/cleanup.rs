//! `gingham-agent cleanup`: puts the host back as it was before the agent and the plugin.
//!
//! ```text
//!   Cleanup::begin ── lock, look ──► list ──► carry_out ── look again ──► what is left
//! ```
//!
//! Everything of ours is known by a mark: routes by their protocol numbers, pods' interfaces by
//! their group, the nftables table by its name, settings by `sysctls.json`. May be repeated.

mod find;
mod remove;

use crate::install;
use crate::nft::NftError;
use crate::run_dir::{self, Holder, RunDir, RunDirError};
use crate::sysctls::{RecordError, Restorations};
use gingham_model::{POD_LINK_GROUP, Route};
use gingham_netlink::sysctl::Tree;
use gingham_netlink::{Link, Socket};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Version of the document.
const VERSION: u32 = 1;
/// The longest one request to the kernel may take: to take away a pod's interface it waits for
/// every processor.
const REQUEST: Duration = Duration::from_secs(15);

/// Where to look.
#[derive(Clone, Debug)]
pub struct Places {
    /// The agent's run directory.
    pub run_dir: PathBuf,
    /// Where it kept what outlives a reboot.
    pub state_dir: PathBuf,
    /// Where the kernel's settings are.
    pub settings: Tree,
    /// Where the runtime looks for network configurations.
    pub cni_conf_dir: PathBuf,
    /// Where it looks for plugins.
    pub cni_bin_dir: PathBuf,
    /// What becomes of what was installed there.
    pub installed: Installed,
}

/// What becomes of the plugins and the network configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// Whoever installed them removes them.
    Left,
    /// What our own record has goes, and what it replaced comes back.
    Undone,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// An agent runs, and would make everything again.
    #[error("an agent works with {} ({holder}): stop it first", path.display())]
    AgentRuns {
        /// Who.
        holder: Holder,
        /// Its run directory.
        path: PathBuf,
    },
    /// Pods would be cut off.
    #[error(
        "pods are wired on this node, {0} in number, and would be cut off; \
         `ip link show group {POD_LINK_GROUP}` lists them; add --pods to go on all the same"
    )]
    Pods(usize),
    /// The run directory.
    #[error(transparent)]
    RunDir(RunDirError),
    /// The record of settings cannot be read. Without it, they stay as they are.
    #[error("{0}; remove it to leave the settings as they are")]
    Record(#[from] RecordError),
    /// The record of what was installed cannot be read. Without it nobody knows what is whose.
    #[error("--state-dir: {0}; remove it to leave what was installed")]
    Installed(#[from] install::RecordError),
    /// The kernel cannot be read.
    #[error(transparent)]
    Kernel(#[from] gingham_netlink::Error),
    /// The nftables ruleset cannot be read.
    #[error(transparent)]
    Nft(#[from] NftError),
}

/// A clean-up under way, with the run directory held.
pub struct Cleanup {
    places: Places,
    socket: Socket,
    found: Found,
    /// `None` where there is no directory to hold.
    _held: Option<RunDir>,
}

/// Everything of ours that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The host ends of pods.
    pub links: Vec<Link>,
    /// Routes in the main table.
    pub routes: Vec<Route>,
    /// The nftables table.
    pub table: Option<&'static str>,
    /// Settings.
    pub settings: Restorations,
    /// What was installed.
    pub installed: install::Due,
    /// Files in the run and the state directory, and each directory itself if it holds no others.
    pub files: Vec<PathBuf>,
    /// What stays, and why.
    pub stays: Vec<String>,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// 1.
    pub version: u32,
    /// Whether it was done, or only looked at.
    pub done: bool,
    /// What was to be done.
    pub items: Vec<Item>,
    /// What stays on purpose, and why.
    pub stays: Vec<String>,
    /// What is still there after the work; empty before it.
    pub left: Vec<Item>,
    /// What went wrong.
    pub errors: Vec<String>,
}

/// One thing to be removed or put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What kind of thing.
    pub kind: Kind,
    /// Which.
    pub what: String,
}

/// Kinds of things, in the order in which they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A pod's interface on the host, and with it the pod's network.
    Link,
    /// A route.
    Route,
    /// The nftables table.
    Table,
    /// A kernel setting.
    Sysctl,
    /// A file or directory.
    File,
    /// A file that was replaced, and is put back.
    Replaced,
}

impl Kind {
    /// What it is called in a list.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Link => "interface",
            Kind::Route => "route",
            Kind::Table => "nftables table",
            Kind::Sysctl => "setting",
            Kind::File => "file",
            Kind::Replaced => "replaced file",
        }
    }
}

impl Cleanup {
    /// Takes the run directory and looks for everything of ours. Changes nothing.
    ///
    /// # Errors
    /// An agent runs, or something cannot be read.
    pub fn begin(places: Places) -> Result<Self, CleanupError> {
        let held = hold(&places)?;
        let mut socket = Socket::open(REQUEST)?;
        let found = find::find(&places, &mut socket)?;
        Ok(Cleanup {
            places,
            socket,
            found,
            _held: held,
        })
    }

    /// Goes on only while no pod is wired.
    ///
    /// # Errors
    /// [`CleanupError::Pods`].
    pub fn spare_pods(&self) -> Result<(), CleanupError> {
        match self.found.links.len() {
            0 => Ok(()),
            pods => Err(CleanupError::Pods(pods)),
        }
    }

    /// What would be done.
    pub fn preview(&self) -> Report {
        Report {
            version: VERSION,
            done: false,
            items: self.found.items(),
            stays: self.found.stays.clone(),
            left: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Does it, as far as it goes, and looks again.
    ///
    /// # Errors
    /// What is left cannot be read.
    pub fn carry_out(mut self) -> Result<Report, CleanupError> {
        let before = self.preview();
        let errors = remove::remove(&self.found, &self.places, &mut self.socket);
        let after = find::find(&self.places, &mut self.socket)?;
        Ok(Report {
            done: true,
            left: after.items(),
            errors,
            ..before
        })
    }
}

/// Holds the run directory. One that is not there is not made for it.
fn hold(places: &Places) -> Result<Option<RunDir>, CleanupError> {
    let path = &places.run_dir;
    if !path.exists() {
        return Ok(None);
    }
    RunDir::open(path).map(Some).map_err(|error| match error {
        RunDirError::Held(path) => CleanupError::AgentRuns {
            holder: run_dir::holder(&path).unwrap_or(Holder { pid: None }),
            path,
        },
        error => CleanupError::RunDir(error),
    })
}

impl Found {
    /// Everything found, in the order in which it goes.
    pub fn items(&self) -> Vec<Item> {
        let item = |kind, what| Item { kind, what };
        let links = self.links.iter().map(|link| {
            let alias = link.alias.as_deref().unwrap_or("no alias");
            item(Kind::Link, format!("{} ({alias})", link.name))
        });
        let routes = self.routes.iter().map(|route| {
            let (key, protocol) = (route.key, route.protocol.0);
            let text = format!("{} proto {protocol} metric {}", key.prefix, key.metric);
            item(Kind::Route, text)
        });
        let table = self.table.map(|name| item(Kind::Table, name.to_owned()));
        let settings = self.settings.due.iter().map(|due| {
            let (name, before) = (&due.name, &due.before);
            let text = if due.now == *before {
                format!("{name} kept at {before}")
            } else {
                format!("{name} {} to {before}", due.now)
            };
            item(Kind::Sysctl, text)
        });
        let files = self.installed.remove.iter().chain(&self.files);
        let files = files.map(|path| item(Kind::File, path.display().to_string()));
        let replaced = self.installed.put_back.iter();
        let replaced = replaced.map(|(path, _)| item(Kind::Replaced, path.display().to_string()));
        let removed = links.chain(routes).chain(table);
        let files = files.chain(replaced);
        removed.chain(settings).chain(files).collect()
    }
}
