//! Looks for everything of ours.

use super::{CleanupError, Found, Installed, Places};
use crate::bgp::presence::WITHDRAW;
use crate::check::cni::{CONFLIST, PLUGIN};
use crate::firewall::TABLE;
use crate::install;
use crate::memory;
use crate::nft::{Nft, NftError};
use crate::run_dir::SYSCTLS;
use crate::sysctls::Record;
use gingham_model::{Owner, POD_LINK_GROUP, TABLE_MAIN};
use gingham_netlink::{Link, Socket};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the agent and the plugin write into the run directory. `node.json` comes first, because no
/// pod is wired without it; what is recorded of the settings last.
const FILES: [&str; 11] = [
    "node.json",
    "node.json.tmp",
    "leases.json",
    "leases.json.tmp",
    "leases.json.damaged",
    "leases.lock",
    "adds.lock",
    "agent.sock",
    WITHDRAW,
    "sysctls.json.tmp",
    SYSCTLS,
];

/// What the agent writes into its state directory.
const STATE: [&str; 2] = [memory::DRAFT, memory::FILE];

/// Looks.
pub(super) fn find(places: &Places, socket: &mut Socket) -> Result<Found, CleanupError> {
    let links = socket.links()?.into_iter();
    let routes = socket.routes(TABLE_MAIN)?.into_iter();
    let record = Record::read(&places.run_dir.join(SYSCTLS))?;
    let settings = record.restorations(|name| places.settings.read(name).ok());
    let (mut files, others) = ours(&places.run_dir, &FILES);
    let state: &[&str] = match places.installed {
        Installed::Undone => &[&STATE[..], &install::FILES].concat(),
        Installed::Left => &STATE,
    };
    let (state, other_state) = ours(&places.state_dir, state);
    files.extend(state);
    let mut stays = settings.others.clone();
    stays.extend(others.into_iter().chain(other_state));
    let folders = [&places.cni_conf_dir, &places.cni_bin_dir];
    let installed = match places.installed {
        Installed::Undone => install::due(&places.state_dir, folders.map(PathBuf::as_path))?,
        Installed::Left => left(folders),
    };
    stays.extend(installed.stays.iter().cloned());
    Ok(Found {
        links: links.filter(is_pods).collect(),
        routes: routes
            .filter(|route| Owner::of(route.protocol).is_some())
            .collect(),
        table: table()?,
        settings,
        installed,
        files,
        stays,
    })
}

/// What stays although it is of use to nobody but us.
fn left([confs, programs]: [&PathBuf; 2]) -> install::Due {
    let installed = [confs.join(CONFLIST), programs.join(PLUGIN)];
    let installed = installed.iter().filter(|path| path.exists());
    let stays =
        installed.map(|path| format!("{}: whoever installed it removes it", path.display()));
    install::Due {
        stays: stays.collect(),
        ..install::Due::default()
    }
}

/// The name of our nftables table if it is there. Without `nft` nobody can have made it.
fn table() -> Result<Option<&'static str>, NftError> {
    match Nft::new().is_present() {
        Ok(present) => Ok(present.then_some(TABLE)),
        Err(NftError::Missing) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_pods(link: &Link) -> bool {
    link.group == POD_LINK_GROUP
}

/// The files of these names in a directory of ours, and last the directory itself; and what keeps it.
fn ours(directory: &Path, names: &[&str]) -> (Vec<PathBuf>, Option<String>) {
    let mut ours: Vec<PathBuf> = names.iter().map(|name| directory.join(name)).collect();
    // Not `exists`, which a socket nobody listens on passes as well but a broken link does not.
    ours.retain(|path| fs::symlink_metadata(path).is_ok());
    match others(directory, &ours) {
        Ok(others) if others.is_empty() => {
            ours.push(directory.to_owned());
            (ours, None)
        }
        Ok(others) => {
            let names: Vec<String> = others
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            (ours, Some(format!("{}: not ours", names.join(", "))))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (ours, None),
        Err(error) => (ours, Some(format!("{}: {error}", directory.display()))),
    }
}

fn others(directory: &Path, ours: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| !ours.contains(path));
    paths.sort();
    Ok(paths)
}
