//! Removes what was found and puts back what was changed: each thing for itself, so that one
//! failure keeps nothing else.

use super::{Found, Places};
use crate::install;
use crate::nft::Nft;
use crate::run_dir::SYSCTLS;
use gingham_model::{Change, POD_LINK_GROUP};
use gingham_netlink::sysctl::Tree;
use gingham_netlink::{Socket, link};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Does the work; says what went wrong.
pub(super) fn remove(found: &Found, places: &Places, socket: &mut Socket) -> Vec<String> {
    // First, so that no pod is wired any more.
    let mut errors = install::undo(&found.installed, &places.state_dir);
    let is_record = |path: &&PathBuf| path.ends_with(SYSCTLS) || **path == places.run_dir;
    let (record, state): (Vec<_>, Vec<_>) = found.files.iter().partition(is_record);
    errors.extend(state.into_iter().filter_map(|path| unlink(path).err()));
    if !found.links.is_empty() {
        let unwired = socket.run(&[link::delete_group(POD_LINK_GROUP)]);
        errors.extend(unwired.err().map(|error| error.to_string()));
    }
    // Those of pods have gone with their interfaces, which is as good.
    let routes: Vec<Change> = found.routes.iter().cloned().map(Change::Remove).collect();
    let failed = socket.apply(&routes).into_iter().filter_map(Result::err);
    errors.extend(failed.map(|error| error.to_string()));
    if found.table.is_some() {
        let removed = Nft::new().remove();
        errors.extend(removed.err().map(|error| error.to_string()));
    }
    let unset = put_back(found, &places.settings);
    // What could not be put back is still known next time.
    if unset.is_empty() {
        errors.extend(record.into_iter().filter_map(|path| unlink(path).err()));
    }
    errors.extend(unset);
    errors
}

fn put_back(found: &Found, settings: &Tree) -> Vec<String> {
    let all = found.settings.due.iter();
    let failed = all.filter_map(|due| settings.set(&due.name, &due.before).err());
    failed.map(|error| error.to_string()).collect()
}

fn unlink(path: &Path) -> Result<(), String> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(|error| format!("{}: {error}", path.display())),
    }
}
