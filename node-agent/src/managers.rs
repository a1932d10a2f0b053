//! Programs that configure a host's network, and whether they leave ours alone: `gh*` interfaces,
//! and routes they did not make.
//!
//! What they do is read from their configuration files, below a root of the caller's choice: in a
//! container the host's may be mounted elsewhere.

mod files;
mod network_manager;
mod networkd;
mod pattern;
mod small;

use std::path::Path;

/// A name as every host end of a pod's interface has it, to try patterns on.
const POD_LINK: &str = "gh0123456789ab";

/// A program that runs, or has run since boot, and how it takes our interfaces and routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub manager: &'static str,
    /// What its configuration says, or does not.
    pub found: String,
    /// What makes it leave ours alone: files to write, commands to run. Empty when it does so
    /// already.
    pub mend: Vec<String>,
}

impl Finding {
    /// Whether the program leaves our interfaces and routes alone.
    pub fn is_well(&self) -> bool {
        self.mend.is_empty()
    }

    fn well(manager: &'static str, found: &str) -> Self {
        Finding {
            manager,
            found: found.to_owned(),
            mend: Vec::new(),
        }
    }
}

/// Looks for the programs on the host whose root file system is at `root`, in the order of their
/// names.
pub fn look(root: &Path) -> Vec<Finding> {
    let found = [
        small::connman(root),
        small::dhcpcd(root),
        network_manager::look(root),
        networkd::look(root),
    ];
    found.into_iter().flatten().collect()
}
