//! Pods: a network namespace in a node, wired by the plugin under test.

use crate::cni::Attachment;
use crate::exec::Exec;
use crate::lab_box::LabBox;
use crate::node::Node;
use crate::ping::{self, PingResult};
use crate::process::Process;
use anyhow::{Context, Result, bail};
use gingham_model::Family;
use serde_json::Value;
use std::net::IpAddr;

/// A pod with its network.
#[derive(Clone, Debug)]
pub struct Pod {
    node: Node,
    attachment: Attachment,
    result: Value,
    addresses: Vec<IpAddr>,
}

impl Node {
    /// Makes a pod: a network namespace under the node's own `/run/netns`, then ADD.
    ///
    /// # Errors
    /// The plugin's error; the namespace is then removed again.
    pub fn add_pod(&self, name: &str) -> Result<Pod> {
        self.exec(&["ip", "netns", "add", name])?;
        // What the runtime's loopback plugin does.
        let loopback = self.exec(&["ip", "-n", name, "link", "set", "lo", "up"]);
        let pod = loopback.and_then(|_| self.attach(name));
        if pod.is_err() {
            self.exec(&["ip", "netns", "delete", name])?;
        }
        pod
    }

    fn attach(&self, name: &str) -> Result<Pod> {
        let attachment = Attachment::of_pod(name);
        let outcome = self.cni(&self.cni_call("ADD", &attachment)?)?;
        if outcome.exit != Some(0) {
            bail!(
                "{}: ADD of {name}: {}{}",
                self.name(),
                outcome.stdout,
                outcome.stderr
            );
        }
        let result = outcome.json()?;
        self.cache_result(&attachment, Some(&result))?;
        Ok(Pod {
            addresses: addresses(&result)
                .with_context(|| format!("{}: result of ADD of {name}", self.name()))?,
            node: self.clone(),
            attachment,
            result,
        })
    }

    /// Takes a pod away: DEL, then its network namespace.
    ///
    /// # Errors
    /// The plugin's error; the namespace then stays.
    pub fn del_pod(&self, name: &str) -> Result<()> {
        let attachment = Attachment::of_pod(name);
        let outcome = self.cni(&self.cni_call("DEL", &attachment)?)?;
        if outcome.exit != Some(0) {
            bail!(
                "{}: DEL of {name}: {}{}",
                self.name(),
                outcome.stdout,
                outcome.stderr
            );
        }
        self.cache_result(&attachment, None)?;
        self.exec(&["ip", "netns", "delete", name])?;
        Ok(())
    }
}

impl Pod {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.attachment.pod_name
    }

    /// The node it runs on.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// What the plugin was told about it.
    pub fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// What the plugin said about it.
    pub fn result(&self) -> &Value {
        &self.result
    }

    /// Its addresses, in the order of the result.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Its address of `family`.
    ///
    /// # Errors
    /// It has none.
    pub fn address(&self, family: Family) -> Result<IpAddr> {
        let mut addresses = self.addresses.iter().copied();
        addresses
            .find(|address| Family::of(*address) == family)
            .with_context(|| format!("pod {} has no {family} address", self.name()))
    }

    /// A command in the pod's network namespace, to be given more and then run.
    pub fn command(&self, argv: &[&str]) -> Exec {
        self.node.command(&self.inside(argv))
    }

    /// Runs a command in the pod's network namespace and returns what it printed.
    ///
    /// # Errors
    /// As [`Exec::text`].
    pub fn exec(&self, argv: &[&str]) -> Result<String> {
        self.command(argv).text()
    }

    /// Starts a program that stays. See [`LabBox::spawn`].
    ///
    /// # Errors
    /// As there.
    pub fn spawn(&self, name: &str, argv: &[&str]) -> Result<Process> {
        let name = format!("{}.{name}", self.name());
        self.node.host().spawn(&name, &self.inside(argv))
    }

    /// Pings an address `count` times.
    ///
    /// # Errors
    /// `ping` could not even send.
    pub fn ping(&self, address: IpAddr, count: u32) -> Result<PingResult> {
        ping::run(|argv| self.command(argv), address, count)
    }

    fn inside<'a>(&'a self, argv: &[&'a str]) -> Vec<&'a str> {
        [&["ip", "netns", "exec", self.name()], argv].concat()
    }
}

impl LabBox {
    /// Pings an address `count` times from the box itself.
    ///
    /// # Errors
    /// `ping` could not even send.
    pub fn ping(&self, address: IpAddr, count: u32) -> Result<PingResult> {
        ping::run(|argv| self.command(argv), address, count)
    }
}

/// `ips[].address` of a result, without the length.
fn addresses(result: &Value) -> Result<Vec<IpAddr>> {
    let ips = result["ips"].as_array().context("ips: is missing")?;
    ips.iter()
        .map(|ip| {
            let text = ip["address"]
                .as_str()
                .context("ips[].address: is missing")?;
            let (address, _) = text.split_once('/').unwrap_or((text, ""));
            address
                .parse()
                .with_context(|| format!("ips[].address {text:?}"))
        })
        .collect()
}
