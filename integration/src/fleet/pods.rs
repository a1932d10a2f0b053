//! Pods of a fleet: made by the API server, scheduler or no, kubelet and containerd.

use super::Fleet;
use crate::images::BUSYBOX;
use crate::{Endpoint, Exec, eventually};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// How long a pod may take to be ready, or to go.
const PATIENCE: Duration = Duration::from_secs(120);

/// A pod to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct PodSpec {
    name: String,
    node: Option<String>,
    command: Vec<String>,
    image: String,
    container: Value,
}

/// A pod that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetPod {
    /// Its name, in the namespace `default`.
    pub name: String,
    /// Its node.
    pub node: String,
    /// Its addresses, in the order of the cluster's families.
    pub addresses: Vec<IpAddr>,
}

impl PodSpec {
    /// A pod of busybox that sleeps. Its label `app` is its name.
    pub fn new(name: &str) -> Self {
        PodSpec {
            name: name.to_owned(),
            node: None,
            command: ["sleep", "86400"].map(str::to_owned).into(),
            image: BUSYBOX.to_owned(),
            container: json!({}),
        }
    }

    /// On this node, past the scheduler.
    pub fn on(mut self, node: &str) -> Self {
        self.node = Some(node.to_owned());
        self
    }

    /// Runs this instead.
    pub fn running(mut self, command: &[&str]) -> Self {
        self.command = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Of this image, by its own entrypoint with the command as arguments.
    pub fn of(mut self, image: &str) -> Self {
        self.image = image.to_owned();
        self
    }

    /// More fields of its container, as `ports`.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.container[field] = value;
        self
    }

    /// The object.
    pub fn object(&self) -> Value {
        let mut container = self.container.clone();
        container["name"] = json!("main");
        container["image"] = json!(self.image);
        container["imagePullPolicy"] = json!("Never");
        let words = if self.image == BUSYBOX {
            "command"
        } else {
            "args"
        };
        container[words] = json!(self.command);
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "labels": {"app": self.name}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        });
        if let Some(node) = &self.node {
            pod["spec"]["nodeName"] = json!(node);
        }
        pod
    }
}

impl Fleet {
    /// Makes a pod and waits until it is ready.
    ///
    /// # Errors
    /// It was refused, or is not ready in time; says what its events say.
    pub fn run(&self, spec: &PodSpec) -> Result<FleetPod> {
        self.apply(&spec.object().to_string())?;
        self.wait_pod(&spec.name)
    }

    /// Waits until a pod of the namespace `default` is ready.
    ///
    /// # Errors
    /// It is not ready in time; says what its events say.
    pub fn wait_pod(&self, name: &str) -> Result<FleetPod> {
        let ready = eventually(&format!("pod {name} is ready"), PATIENCE, || self.pod(name));
        ready.with_context(|| {
            let field = format!("--field-selector=involvedObject.name={name}");
            let events = self.kubectl(&["get", "events", &field]).text();
            format!("events of {name}:\n{}", events.unwrap_or_default())
        })
    }

    /// A pod of the namespace `default` that is ready.
    ///
    /// # Errors
    /// It is not, or there is none.
    pub fn pod(&self, name: &str) -> Result<FleetPod> {
        let pod = self.json(&["get", "pod", name])?;
        let conditions = pod["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let ready = conditions.any(|c| c["type"] == "Ready" && c["status"] == "True");
        ensure!(ready, "{}", pod["status"]);
        let addresses = pod["status"]["podIPs"].as_array().into_iter().flatten();
        let addresses = addresses.map(|ip| {
            let ip = ip["ip"].as_str().context("podIPs: no string")?;
            ip.parse().with_context(|| format!("podIPs: {ip}"))
        });
        Ok(FleetPod {
            name: name.to_owned(),
            node: pod["spec"]["nodeName"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            addresses: addresses.collect::<Result<_>>()?,
        })
    }

    /// A command in a pod, to be run.
    pub fn exec(&self, pod: &FleetPod, words: &[&str]) -> Exec {
        self.kubectl(&[&["exec", &pod.name, "--"], words].concat())
    }

    /// A pod as an end of traffic: programs of the machine in its network namespace.
    ///
    /// # Errors
    /// Its namespace is not there.
    pub fn endpoint(&self, pod: &FleetPod) -> Result<Endpoint> {
        let host = self.node(&pod.node)?;
        let address = pod.addresses.first().context("a pod without addresses")?;
        let namespaces = host.exec(&["ip", "netns", "list"])?;
        let names = namespaces.lines().filter_map(|line| line.split(' ').next());
        for name in names {
            // One that goes meanwhile is another pod's.
            let shown = host.exec(&["ip", "-n", name, "-o", "address"]);
            let wanted = format!(" {address}/");
            if shown.is_ok_and(|shown| shown.contains(&wanted)) {
                let found = Endpoint::of_namespace(host, name, &pod.addresses);
                return Ok(found.called(&pod.name));
            }
        }
        bail!("{}: no network namespace has {address}", pod.node)
    }

    /// Deletes a pod and waits until it is gone.
    ///
    /// # Errors
    /// It is still there after two minutes.
    pub fn delete(&self, pod: &str) -> Result<()> {
        let words = ["delete", "pod", pod, "--ignore-not-found", "--wait=true"];
        self.kubectl(&words).deadline(PATIENCE).text().map(drop)
    }
}
