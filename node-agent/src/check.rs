//! `gingham-agent check`: whether this host is fit for the agent, and what to do where it is not.
//!
//! ```text
//!   gather (the rim) ──Facts──► rows (pure) ──Report──► table or JSON
//! ```
//!
//! Asks no agent and changes nothing. Each part has a module of its own, with its facts and a
//! function that makes rows of them.

pub mod cni;
mod gather;
pub mod host;
pub mod routes;
pub mod run_dir;
pub mod settings;

pub use gather::gather;

use crate::managers::Finding;
use gingham_netlink::sysctl::Tree;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Version of the document.
const VERSION: u32 = 1;

/// Where to look.
#[derive(Clone, Debug)]
pub struct Places {
    /// The agent's run directory.
    pub run_dir: PathBuf,
    /// Where the runtime looks for network configurations.
    pub cni_conf_dir: PathBuf,
    /// Where it looks for plugins.
    pub cni_bin_dir: PathBuf,
    /// Where the kernel's settings are written.
    pub settings: Tree,
    /// Where the host's root file system is.
    pub host_root: PathBuf,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The kernel and what it lets us do.
    pub host: host::Facts,
    /// Kernel settings.
    pub settings: settings::Facts,
    /// Programs that configure the network.
    pub managers: Vec<Finding>,
    /// The run directory.
    pub run_dir: run_dir::Facts,
    /// The plugin and its configuration.
    pub cni: cni::Facts,
    /// Interfaces and routes; why they cannot be read otherwise.
    pub routes: Result<routes::Facts, String>,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing to do.
    Ok,
    /// It works; read it.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What was looked at.
    pub check: String,
    /// What it came to.
    pub state: State,
    /// What was found.
    pub found: String,
    /// How to mend it, line by line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<String>,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub version: u32,
    /// Every check, in the same order every time.
    pub checks: Vec<Row>,
}

impl Report {
    /// Judges what was found.
    pub fn of(facts: &Facts) -> Self {
        let mut checks = host::rows(&facts.host);
        checks.extend(settings::rows(&facts.settings));
        checks.extend(managers(&facts.managers));
        checks.extend(run_dir::rows(&facts.run_dir));
        checks.extend(cni::rows(&facts.cni));
        match &facts.routes {
            Ok(facts) => checks.extend(routes::rows(facts)),
            Err(error) => checks.push(Row::fail("routes", error.clone(), &[])),
        }
        Report {
            version: VERSION,
            checks,
        }
    }

    /// How many checks failed.
    pub fn failed(&self) -> usize {
        let failed = self.checks.iter().filter(|row| row.state == State::Fail);
        failed.count()
    }
}

impl Row {
    fn new(check: &str, state: State, found: impl Into<String>) -> Self {
        Row {
            check: check.to_owned(),
            state,
            found: found.into(),
            mend: Vec::new(),
        }
    }

    fn ok(check: &str, found: impl Into<String>) -> Self {
        Row::new(check, State::Ok, found)
    }

    fn warn(check: &str, found: impl Into<String>, mend: &[&str]) -> Self {
        Row {
            mend: mend.iter().map(ToString::to_string).collect(),
            ..Row::new(check, State::Warn, found)
        }
    }

    fn fail(check: &str, found: impl Into<String>, mend: &[&str]) -> Self {
        Row {
            state: State::Fail,
            ..Row::warn(check, found, mend)
        }
    }
}

fn managers(findings: &[Finding]) -> Vec<Row> {
    const CHECK: &str = "network manager";
    if findings.is_empty() {
        return vec![Row::ok(CHECK, "none that would touch gh* or our routes")];
    }
    let row = |finding: &Finding| Row {
        check: CHECK.to_owned(),
        state: if finding.is_well() {
            State::Ok
        } else {
            State::Warn
        },
        found: format!("{}: {}", finding.manager, finding.found),
        mend: finding.mend.clone(),
    };
    findings.iter().map(row).collect()
}
