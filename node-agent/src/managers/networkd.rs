//! systemd-networkd.
//!
//! An interface is managed by the first `.network` file that matches it, and left alone when none
//! does (systemd.network(5)). From the interfaces it manages, which the uplinks may be among, it
//! removes routes it did not make whenever it configures them anew, unless told otherwise
//! (networkd.conf(5), `ManageForeignRoutes=`).

use super::files::{self, Entry};
use super::{Finding, POD_LINK, pattern};
use std::path::Path;

const NAME: &str = "systemd-networkd";
/// What it must not manage, in `networkd.conf`.
const FOREIGN: [&str; 2] = ["ManageForeignRoutes", "ManageForeignRoutingPolicyRules"];

/// Finds out about it; `None` where it does not run.
pub(super) fn look(root: &Path) -> Option<Finding> {
    // The folder alone is made at boot, whether or not it runs.
    if !root.join("run/systemd/netif/state").exists() {
        return None;
    }
    let main = files::main(root, "systemd/networkd.conf");
    let more = files::drop_ins(root, "systemd/networkd.conf.d", "conf");
    let conf = std::iter::once(main).chain(more.into_iter().map(|(_, text)| text));
    let networks = files::drop_ins(root, "systemd/network", "network");
    Some(judge(&conf.collect::<Vec<_>>(), &networks))
}

/// Judges by the texts of `networkd.conf` and its drop-ins, the last one counting, and of the
/// `.network` files with their paths, the first one counting.
fn judge(conf: &[String], networks: &[(String, String)]) -> Finding {
    let mut found = Vec::new();
    let mut mend = Vec::new();
    let managing = networks
        .iter()
        .map(|(path, text)| (path, files::entries(text)))
        .find(|(_, entries)| matches_pods(entries));
    match managing {
        None => found.push("no .network file matches gh*".to_owned()),
        Some((path, entries)) if is_unmanaged(&entries) => {
            found.push(format!("{path} leaves gh* alone"));
        }
        Some((path, _)) => {
            found.push(format!("{path} matches gh*"));
            mend.extend([
                "write /etc/systemd/network/00-gingham.network:".to_owned(),
                "    [Match]".to_owned(),
                "    Name=gh*".to_owned(),
                "    [Link]".to_owned(),
                "    Unmanaged=yes".to_owned(),
                "then run: networkctl reload".to_owned(),
            ]);
        }
    }
    let conf: Vec<Entry> = conf.iter().flat_map(|text| files::entries(text)).collect();
    let takes = FOREIGN.into_iter().filter(|key| !is_refused(&conf, key));
    let takes: Vec<&str> = takes.collect();
    if takes.is_empty() {
        found.push("foreign routes stay".to_owned());
    } else {
        found.push(format!("{} not set to no", takes.join(" and ")));
        mend.extend([
            "write /etc/systemd/networkd.conf.d/99-gingham.conf:".to_owned(),
            "    [Network]".to_owned(),
            "    ManageForeignRoutes=no".to_owned(),
            "    ManageForeignRoutingPolicyRules=no".to_owned(),
            // It reads this file at its start only; the routes it removes on the way come back.
            "then run: systemctl restart systemd-networkd".to_owned(),
        ]);
    }
    Finding {
        manager: NAME,
        found: found.join("; "),
        mend,
    }
}

fn is_refused(conf: &[Entry], key: &str) -> bool {
    let set = conf
        .iter()
        .rev()
        .find(|e| e.section == "Network" && e.key == key);
    set.is_some_and(|entry| files::is_no(&entry.value))
}

fn is_unmanaged(network: &[Entry]) -> bool {
    let set = network
        .iter()
        .rev()
        .find(|e| e.section == "Link" && e.key == "Unmanaged");
    set.is_some_and(|entry| files::is_yes(&entry.value))
}

/// Whether a `.network` file matches the pods' interfaces: every key of its `[Match]` does. A key
/// that is not looked at is taken for one that picks out something else, such as a MAC address; a
/// file without any matches nothing.
fn matches_pods(network: &[Entry]) -> bool {
    let mut keys = network
        .iter()
        .filter(|entry| entry.section == "Match")
        .peekable();
    keys.peek().is_some()
        && keys.all(|entry| match entry.key.as_str() {
            "Name" => is_listed(&entry.value, POD_LINK),
            "Kind" | "Driver" => is_listed(&entry.value, "veth"),
            "Type" => is_listed(&entry.value, "ether"),
            _ => false,
        })
}

/// Whether one of the patterns, parted by blanks, matches; a `!` in front of them all turns them
/// round.
fn is_listed(patterns: &str, text: &str) -> bool {
    let (negated, patterns) = match patterns.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, patterns),
    };
    let mut patterns = patterns.split_whitespace();
    patterns.any(|one| pattern::matches(one, text)) != negated
}
