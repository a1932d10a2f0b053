//! NetworkManager.
//!
//! It leaves an interface alone that is named by `unmanaged-devices` of `[keyfile]`, or whose
//! `[device]` section says `managed=0` (NetworkManager.conf(5)).

use super::files::{self, Entry};
use super::{Finding, POD_LINK, pattern};
use std::path::Path;

const NAME: &str = "NetworkManager";

/// Finds out about it; `None` where it does not run.
pub(super) fn look(root: &Path) -> Option<Finding> {
    if !root.join("run/NetworkManager").exists() {
        return None;
    }
    // The packages' and the boot's drop-ins come before the main file, the administrator's after.
    let (own, given): (Vec<_>, Vec<_>) = files::drop_ins(root, "NetworkManager/conf.d", "conf")
        .into_iter()
        .partition(|(path, _)| path.starts_with("/etc/"));
    let main = files::text(&root.join("etc/NetworkManager/NetworkManager.conf"));
    let main = ("/etc/NetworkManager/NetworkManager.conf".to_owned(), main);
    let all = given.into_iter().chain([main]).chain(own);
    Some(judge(&all.collect::<Vec<_>>()))
}

/// Judges by the texts of its files with their paths, the last one counting.
fn judge(files: &[(String, String)]) -> Finding {
    let mut unmanaged = String::new();
    let mut by_device = false;
    for (_, text) in files {
        let entries = files::entries(text);
        for entry in entries.iter().filter(|entry| entry.section == "keyfile") {
            match entry.key.as_str() {
                "unmanaged-devices" => unmanaged.clone_from(&entry.value),
                "unmanaged-devices+" => unmanaged = format!("{unmanaged};{}", entry.value),
                _ => {}
            }
        }
        by_device |= leaves_by_device(&entries);
    }
    if is_listed(&unmanaged) {
        return Finding::well(NAME, "unmanaged-devices holds gh*");
    }
    if by_device {
        return Finding::well(NAME, "a device section leaves gh* alone");
    }
    Finding {
        manager: NAME,
        found: "not told to leave gh* alone".to_owned(),
        mend: [
            "write /etc/NetworkManager/conf.d/99-gingham.conf:",
            "    [keyfile]",
            "    unmanaged-devices+=interface-name:gh*",
            "then run: nmcli general reload",
        ]
        .map(str::to_owned)
        .into(),
    }
}

/// Whether a `[device...]` section holds both a match of the pods' interfaces and `managed=0`.
fn leaves_by_device(entries: &[Entry]) -> bool {
    let devices = entries.iter().filter(|e| e.section.starts_with("device"));
    let refusing = devices.filter(|e| e.key == "managed" && files::is_no(&e.value));
    refusing.into_iter().any(|refusing| {
        let same = entries.iter().filter(|e| e.section == refusing.section);
        same.into_iter()
            .any(|e| e.key == "match-device" && is_listed(&e.value))
    })
}

/// Whether a list of devices holds the pods' interfaces: one item does, and none that begins with
/// `except:`.
fn is_listed(list: &str) -> bool {
    let items = list.split([';', ',']).map(str::trim);
    let mut listed = false;
    for item in items.filter(|item| !item.is_empty()) {
        match item.strip_prefix("except:") {
            Some(item) if is_pods(item) => return false,
            Some(_) => {}
            None => listed |= is_pods(item),
        }
    }
    listed
}

fn is_pods(item: &str) -> bool {
    match item.split_once(':') {
        None => pattern::matches(item, POD_LINK),
        Some(("interface-name", name)) => match name.strip_prefix('=') {
            Some(exact) => exact == POD_LINK,
            None => pattern::matches(name.strip_prefix('~').unwrap_or(name), POD_LINK),
        },
        Some(("driver", driver)) => pattern::matches(driver, "veth"),
        Some(("type", kind)) => ["veth", "ethernet"].contains(&kind),
        Some(_) => false,
    }
}
