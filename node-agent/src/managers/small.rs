//! ConnMan and dhcpcd: one file, one line.

use super::{Finding, POD_LINK, files, pattern};
use std::path::Path;

/// Finds out about ConnMan; `None` where it does not run.
///
/// Its list holds beginnings of names; one of the administrator's takes the place of its own
/// (connman.conf(5), `NetworkInterfaceBlacklist`).
pub(super) fn connman(root: &Path) -> Option<Finding> {
    const NAME: &str = "connman";
    if !root.join("run/connman").exists() {
        return None;
    }
    let entries = files::entries(&files::text(&root.join("etc/connman/main.conf")));
    let key = "NetworkInterfaceBlacklist";
    let list = entries.iter().rev().find(|entry| entry.key == key);
    let mut starts = list.iter().flat_map(|entry| entry.value.split(','));
    if starts.any(|start| !start.trim().is_empty() && POD_LINK.starts_with(start.trim())) {
        return Some(Finding::well(NAME, "its blacklist holds gh"));
    }
    let list = match list {
        Some(entry) => entry.value.as_str(),
        None => "vmnet,vboxnet,virbr,ifb,ve-,vb-,ham,veth",
    };
    Some(Finding {
        manager: NAME,
        found: format!("{key} does not hold gh"),
        mend: vec![
            "in /etc/connman/main.conf, section [General], write:".to_owned(),
            format!("    {key}={list},gh"),
            "then run: systemctl restart connman".to_owned(),
        ],
    })
}

/// Finds out about dhcpcd; `None` where it does not run (dhcpcd.conf(5), `denyinterfaces`,
/// `allowinterfaces`).
pub(super) fn dhcpcd(root: &Path) -> Option<Finding> {
    const NAME: &str = "dhcpcd";
    if !["run/dhcpcd", "run/dhcpcd.pid"]
        .iter()
        .any(|path| root.join(path).exists())
    {
        return None;
    }
    let text = files::text(&root.join("etc/dhcpcd.conf"));
    let listed = |key: &str| {
        let mut lines = text.lines().map(|line| line.split([' ', '\t', ',']));
        let mut lists = lines
            .by_ref()
            .filter_map(|mut words| (words.next()? == key).then_some(words));
        lists.next().map(|first| {
            let mut all = first.chain(lists.flatten());
            all.any(|word| pattern::matches(word, POD_LINK))
        })
    };
    if listed("denyinterfaces") == Some(true) {
        return Some(Finding::well(NAME, "denyinterfaces holds gh*"));
    }
    if listed("allowinterfaces") == Some(false) {
        return Some(Finding::well(NAME, "allowinterfaces does not hold gh*"));
    }
    Some(Finding {
        manager: NAME,
        found: "not told to leave gh* alone".to_owned(),
        mend: [
            "to /etc/dhcpcd.conf, before the first `interface`, add:",
            "    denyinterfaces gh*",
            "then run: systemctl restart dhcpcd",
        ]
        .map(str::to_owned)
        .into(),
    })
}
