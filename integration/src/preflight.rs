//! What a lab needs of the machine it stands on.

use crate::topology::{Daemon, Topology};
use anyhow::{Result, bail};
use std::fs;
use std::io::{Write, stderr};
use std::path::Path;

/// The programs that the lab starts, with the Debian packages that hold them.
const PROGRAMS: [(&str, &str); 4] = [
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("ping", "iputils-ping"),
    ("tcpdump", "tcpdump"),
];
/// Lines of each log that a failed test shows.
const LAST_LINES: usize = 20;

/// Says loudly what is missing.
///
/// # Errors
/// Not root, or a program that is not installed.
pub fn check() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the lab makes network namespaces: it needs root");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    for (program, package) in PROGRAMS {
        if !folders.iter().any(|folder| folder.join(program).is_file()) {
            bail!("the lab needs `{program}` (Debian package {package})");
        }
    }
    Ok(())
}

/// Says loudly which routing daemon of the topology is missing.
///
/// # Errors
/// One that is not installed.
pub(crate) fn check_daemons(topology: &Topology) -> Result<()> {
    for (plan, router) in topology.routers() {
        let (program, package) = match router.daemon {
            Daemon::Frr => ("/usr/lib/frr/bgpd", "frr"),
            Daemon::Bird => ("/usr/sbin/bird", "bird2"),
        };
        if !Path::new(program).is_file() {
            bail!(
                "router {} needs `{program}` (Debian package {package})",
                plan.name
            );
        }
    }
    Ok(())
}

/// Shows the end of every log of a failing test, before the logs go.
pub(crate) fn show_logs(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let shown = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        if !shown.is_empty() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let _ = writeln!(stderr(), "--- {name}\n{shown}");
        }
    }
}
