//! The chart of `deploy/`, installed in a fleet by helm, as an operator does it.

use super::Fleet;
use crate::images;
use crate::{Binaries, eventually};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

/// The chart.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/chart");
/// The namespace and name of its release.
pub const NAMESPACE: &str = "gingham-system";
/// The name of its release.
pub const RELEASE: &str = "gingham";
/// Its DaemonSets.
pub const AGENTS: [&str; 2] = ["daemonset/gingham-node", "daemonset/gingham-reflector"];
/// The repository of the agent's image.
pub const REPOSITORY: &str = "localhost/gingham";
/// The tag of the tree's own.
pub const TAG: &str = "0.1.0";

/// The cluster's DNS.
const COREDNS: &str = include_str!("../../cluster/coredns.yaml");
/// How long a rollout may take.
const ROLLOUT: Duration = Duration::from_secs(180);

/// The archive of the agent's image with this tag, of the tree's own programs.
///
/// # Errors
/// They are not built.
pub fn image(tag: &str) -> Result<PathBuf> {
    let binaries = Binaries::locate()?;
    images::gingham(binaries.gingham()?, &format!("{REPOSITORY}:{tag}"))
}

impl Fleet {
    /// Installs or upgrades the chart with these values besides the image.
    ///
    /// # Errors
    /// What helm says.
    pub fn install(&self, values: &[&str]) -> Result<String> {
        let image = format!("image.repository={REPOSITORY},image.tag={TAG},image.pullPolicy=Never");
        let mut words = vec!["upgrade", "--install", RELEASE, CHART, "--set", &image];
        words.extend(["--namespace", NAMESPACE, "--create-namespace"]);
        for value in values {
            words.extend(["--set", value]);
        }
        self.client("helm", &words).text()
    }

    /// Takes the network off every node, then the release away.
    ///
    /// # Errors
    /// A node that cannot be put back as it was, in time.
    pub fn uninstall(&self) -> Result<()> {
        self.install(&["mode=Uninstall"])?;
        self.wait_for_agents()?;
        let words = ["uninstall", RELEASE, "--namespace", NAMESPACE, "--wait"];
        self.client("helm", &words)
            .deadline(ROLLOUT)
            .text()
            .map(drop)
    }

    /// Waits until both DaemonSets of the chart have what they want.
    ///
    /// # Errors
    /// As [`Fleet::wait_rolled_out`].
    pub fn wait_for_agents(&self) -> Result<()> {
        let mut agents = AGENTS.iter();
        agents.try_for_each(|agents| self.wait_rolled_out(NAMESPACE, agents))
    }

    /// Waits until all that an object wants runs.
    ///
    /// # Errors
    /// It does not in time; tells what agents said last.
    pub fn wait_rolled_out(&self, namespace: &str, object: &str) -> Result<()> {
        let words = [
            "-n",
            namespace,
            "rollout",
            "status",
            object,
            "--timeout=150s",
        ];
        let rolled_out = self.kubectl(&words).deadline(ROLLOUT).text();
        rolled_out.map(drop).with_context(|| {
            let ours = "--selector=app.kubernetes.io/name=gingham";
            let logs = [
                "logs",
                ours,
                "--all-containers",
                "--prefix",
                "--tail=9",
                "--ignore-errors",
            ];
            let said = self
                .kubectl(&[&["-n", NAMESPACE][..], &logs].concat())
                .text();
            format!("agents said last:\n{}", said.unwrap_or_default())
        })
    }

    /// The agent's pod on a node.
    ///
    /// # Errors
    /// There is none.
    pub fn agent(&self, node: &str) -> Result<String> {
        let on = format!("--field-selector=spec.nodeName={node}");
        let ours = "--selector=app.kubernetes.io/name=gingham";
        let pods = self.json(&["-n", NAMESPACE, "get", "pods", &on, ours])?;
        let pods = pods["items"].as_array().context("items")?;
        let mut names = pods
            .iter()
            .filter_map(|pod| pod["metadata"]["name"].as_str());
        Ok(names
            .next()
            .with_context(|| format!("no agent on {node}"))?
            .to_owned())
    }

    /// Gives the cluster its DNS, and waits for it.
    ///
    /// # Errors
    /// It was refused, or does not come up.
    pub fn apply_dns(&self) -> Result<()> {
        self.apply(COREDNS)?;
        self.wait_rolled_out("kube-system", "deployment/coredns")
    }

    /// Writes the fleet's settings once their kinds are known.
    ///
    /// # Errors
    /// They were refused until the end.
    pub fn settle(&self) -> Result<()> {
        eventually("the settings are taken", ROLLOUT, || self.apply_settings())
    }
}
