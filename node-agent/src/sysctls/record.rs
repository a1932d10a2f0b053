//! What the settings were before us: `sysctls.json`, by which `gingham-agent cleanup` puts them
//! back. It lies on the run directory's tmpfs and so lives one boot, as the settings do.

use super::{FORWARD_V4, FORWARD_V6};
use gingham_ipam::Version1;
use gingham_netlink::sysctl::Tree;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: Version1,
    settings: BTreeMap<String, Recorded>,
}

/// One setting that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    /// Its value before the first change.
    before: String,
    /// Its value after the last one. The same as before in a setting that we left alone and the
    /// kernel changes when another one is put back.
    set: String,
}

/// Why the file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct RecordError {
    path: PathBuf,
    reason: String,
}

/// A value to be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoration {
    /// The setting.
    pub name: String,
    /// What it is.
    pub now: String,
    /// What it was.
    pub before: String,
}

/// What putting everything back takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restorations {
    /// In the order in which they must be made.
    pub due: Vec<Restoration>,
    /// What somebody else has changed since, and what is therefore left alone.
    pub others: Vec<String>,
}

impl Record {
    /// Reads the file; an absent one is empty.
    ///
    /// # Errors
    /// Names the file and what is wrong.
    pub fn read(path: &Path) -> Result<Self, RecordError> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(error(path)),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            Err(source) => Err(error(path)(source)),
        }
    }

    /// Replaces the file, so that nobody ever reads half of it.
    ///
    /// # Errors
    /// Names the file and what is wrong.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let mut text = serde_json::to_string_pretty(self).map_err(error(path))?;
        text.push('\n');
        let draft = path.with_extension("json.tmp");
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
        written.map_err(error(path))
    }

    /// Takes in that `name`, which is `before`, becomes `set`. What was recorded as its value
    /// before stays. Says whether anything is new.
    pub fn remember(&mut self, name: &str, before: &str, set: &str) -> bool {
        let new = Recorded {
            before: before.to_owned(),
            set: set.to_owned(),
        };
        match self.settings.get_mut(name) {
            Some(known) if known.set == set => false,
            Some(known) => {
                known.set = new.set;
                true
            }
            None => self.settings.insert(name.to_owned(), new).is_none(),
        }
    }

    /// What is to be put back, by what the settings are now: `present` is `None` for one that is
    /// gone. The forwarding switches come first, because the kernel changes others with them.
    pub fn restorations(&self, present: impl Fn(&str) -> Option<String>) -> Restorations {
        let mut restorations = Restorations::default();
        let mut beside = Vec::new();
        for (name, Recorded { before, set }) in &self.settings {
            let Some(now) = present(name) else { continue };
            if now != *set && now != *before {
                let text =
                    format!("{name} is {now}, neither what it was ({before}) nor ours ({set})");
                restorations.others.push(text);
                continue;
            }
            let due = Restoration {
                name: name.clone(),
                now,
                before: before.clone(),
            };
            if due.now != due.before {
                restorations.due.push(due);
            } else if before == set {
                beside.push(due);
            }
        }
        if restorations.due.iter().any(|due| is_switch(&due.name)) {
            restorations.due.extend(beside);
        }
        restorations.due.sort_by_key(|due| !is_switch(&due.name));
        restorations
    }
}

fn error<E: ToString>(path: &Path) -> impl Fn(E) -> RecordError {
    move |error| RecordError {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn is_switch(name: &str) -> bool {
    [FORWARD_V4, FORWARD_V6].contains(&name)
}

/// The settings that switching `name` on and off again would leave otherwise than they are, with
/// their values. Switching forwarding off takes it from every interface, and IPv4 accepts redirects
/// again (kernel `inet_forward_change`, `addrconf_forward_change`).
pub(super) fn beside(name: &str, tree: &Tree) -> Vec<(String, String)> {
    let (conf, redirects) = match name {
        FORWARD_V4 => ("net/ipv4/conf", Some("net/ipv4/conf/all/accept_redirects")),
        FORWARD_V6 => ("net/ipv6/conf", None),
        _ => return Vec::new(),
    };
    let links = tree.names(conf).unwrap_or_default();
    // `all` is the switch itself.
    let links = links.iter().filter(|link| *link != "all");
    let forwarding = links.map(|link| (format!("{conf}/{link}/forwarding"), "1"));
    let redirects = redirects.map(|name| (name.to_owned(), "0"));
    let lost = forwarding.chain(redirects);
    let present = lost.filter_map(|(name, lost)| {
        let value = tree.read(&name).ok()?;
        (value == lost).then_some((name, value))
    });
    present.collect()
}
