//! The chart in a fleet: installed by Helm, of an image that the nodes have.

use super::Fleet;
use crate::binaries::Binaries;
use crate::{Exec, eventually, images};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

/// The chart.
pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/chart");
/// Where its release is.
pub const NAMESPACE: &str = "gingham-system";
/// What its release is called.
pub const RELEASE: &str = "gingham";
/// Its DaemonSets.
pub const AGENTS: [&str; 2] = ["daemonset/gingham-node", "daemonset/gingham-reflector"];
/// The repository of the agent's image.
pub const REPOSITORY: &str = "localhost/gingham";
/// The tag of the tree's own.
pub const TAG: &str = "0.1.0";
/// The cluster's DNS.
const COREDNS: &str = include_str!("../../cluster/coredns.yaml");
/// How much earlier than ourselves kubectl gives up, so that it says on what.
const EARLIER: Duration = Duration::from_secs(10);

/// The archive of the agent's image with this tag, of the tree's own programs.
///
/// # Errors
/// A program that is missing, with what makes it.
pub fn image(tag: &str) -> Result<PathBuf> {
    let binaries = Binaries::locate()?;
    images::gingham(binaries.gingham()?, &format!("{REPOSITORY}:{tag}"))
}

impl Fleet {
    /// Helm with a verb about the release.
    pub fn helm(&self, words: &[&str]) -> Exec {
        self.client("helm", &[words, &["--namespace", NAMESPACE]].concat())
    }

    /// Installs or upgrades the chart with these values besides the image.
    ///
    /// # Errors
    /// What Helm or the API server refused.
    pub fn upgrade(&self, values: &[&str]) -> Result<()> {
        let image = format!("image.repository={REPOSITORY},image.tag={TAG},image.pullPolicy=Never");
        let mut words = vec!["upgrade", "--install", RELEASE, CHART, "--create-namespace"];
        for value in [&[image.as_str()], values].concat() {
            words.extend(["--set", value]);
        }
        self.helm(&words).text().map(drop)
    }

    /// Gives the cluster its DNS, and waits until it runs.
    ///
    /// # Errors
    /// It does not within `deadline`.
    pub fn apply_dns(&self, deadline: Duration) -> Result<()> {
        self.apply(COREDNS)?;
        self.wait_rolled_out("kube-system", "deployment/coredns", deadline)
            .map(drop)
    }

    /// Waits until both DaemonSets have what they want, and returns what kubectl says of each.
    ///
    /// # Errors
    /// One has not within `deadline`.
    pub fn wait_agents(&self, deadline: Duration) -> Result<Vec<String>> {
        let rolled_out = |agents| self.wait_rolled_out(NAMESPACE, agents, deadline);
        AGENTS.into_iter().map(rolled_out).collect()
    }

    /// Waits until all that an object wants runs, and returns what kubectl says last.
    ///
    /// # Errors
    /// It does not within `deadline`.
    pub fn wait_rolled_out(
        &self,
        namespace: &str,
        object: &str,
        deadline: Duration,
    ) -> Result<String> {
        let timeout = format!("--timeout={}s", deadline.saturating_sub(EARLIER).as_secs());
        let words = ["-n", namespace, "rollout", "status", object, &timeout];
        let said = self.kubectl(&words).deadline(deadline).text();
        let said = said.with_context(|| self.agents_say())?;
        Ok(said.lines().last().unwrap_or_default().to_owned())
    }

    /// What the agents have said last.
    fn agents_say(&self) -> String {
        let ours = "--selector=app.kubernetes.io/name=gingham";
        let words = [
            "-n",
            NAMESPACE,
            "logs",
            ours,
            "--all-containers",
            "--prefix",
        ];
        let last = ["--tail=9", "--ignore-errors"];
        let said = self.kubectl(&[&words[..], &last].concat()).text();
        format!("agents said last:\n{}", said.unwrap_or_default())
    }

    /// Writes the fleet's settings once their kinds are known.
    ///
    /// # Errors
    /// They were refused until `deadline`.
    pub fn settle(&self, deadline: Duration) -> Result<()> {
        eventually("the settings are taken", deadline, || self.apply_settings())
    }

    /// Takes the network off every node, then the release away.
    ///
    /// # Errors
    /// A node that cannot be put back as it was within `deadline`.
    pub fn uninstall(&self, deadline: Duration) -> Result<()> {
        self.upgrade(&["mode=Uninstall"])?;
        self.wait_agents(deadline)?;
        let words = ["uninstall", RELEASE, "--wait"];
        self.helm(&words).deadline(deadline).text().map(drop)
    }

    /// The name of the agent's pod on a node.
    ///
    /// # Errors
    /// There is none.
    pub fn agent(&self, node: &str) -> Result<String> {
        let on = format!("--field-selector=spec.nodeName={node}");
        let pods = self.json(&["-n", NAMESPACE, "get", "pods", &on])?;
        let pods = pods["items"].as_array().context("items")?;
        let names = pods
            .iter()
            .filter_map(|pod| pod["metadata"]["name"].as_str());
        let mut agents = names.filter(|name| name.starts_with("gingham-"));
        let agent = agents.next().with_context(|| format!("{node}: no agent"))?;
        Ok(agent.to_owned())
    }
}
