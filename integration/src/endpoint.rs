//! An end of traffic: a network namespace in a box, and its addresses.

use crate::exec::Exec;
use crate::lab_box::LabBox;
use crate::pod::Pod;
use crate::process::Process;
use anyhow::{Context, Result};
use gingham_model::Family;
use std::net::IpAddr;

/// Where packets come from or go to, whoever made it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: String,
    host: LabBox,
    /// Its name in the box's `/run/netns`; `None` is the box's own.
    namespace: Option<String>,
    addresses: Vec<IpAddr>,
}

impl Endpoint {
    /// A box itself.
    pub fn of_box(host: &LabBox, addresses: &[IpAddr]) -> Self {
        Endpoint {
            name: host.name().to_owned(),
            host: host.clone(),
            namespace: None,
            addresses: addresses.to_vec(),
        }
    }

    /// A network namespace of a box.
    pub fn of_namespace(host: &LabBox, namespace: &str, addresses: &[IpAddr]) -> Self {
        Endpoint {
            name: namespace.to_owned(),
            namespace: Some(namespace.to_owned()),
            ..Endpoint::of_box(host, addresses)
        }
    }

    /// The same under another name, for people.
    #[must_use]
    pub fn called(self, name: &str) -> Self {
        Endpoint {
            name: name.to_owned(),
            ..self
        }
    }

    /// Its name, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The box it is in.
    pub fn host(&self) -> &LabBox {
        &self.host
    }

    /// Its address of `family`.
    ///
    /// # Errors
    /// It has none.
    pub fn address(&self, family: Family) -> Result<IpAddr> {
        let mut addresses = self.addresses.iter().copied();
        let found = addresses.find(|address| Family::of(*address) == family);
        found.with_context(|| format!("{} has no {family} address", self.name))
    }

    /// A command there, to be given more and then run. It need not be in the pod's image.
    pub fn command(&self, argv: &[&str]) -> Exec {
        self.host.command(&self.inside(argv))
    }

    /// Starts a program there that stays. See [`LabBox::spawn`].
    ///
    /// # Errors
    /// As there.
    pub fn spawn(&self, name: &str, argv: &[&str]) -> Result<Process> {
        let name = format!("{}.{name}", self.name);
        self.host.spawn(&name, &self.inside(argv))
    }

    fn inside<'a>(&'a self, argv: &[&'a str]) -> Vec<&'a str> {
        match &self.namespace {
            Some(namespace) => [&["ip", "netns", "exec", namespace], argv].concat(),
            None => argv.to_vec(),
        }
    }
}

impl From<&Pod> for Endpoint {
    fn from(pod: &Pod) -> Self {
        Endpoint::of_namespace(pod.node().host(), pod.name(), pod.addresses())
    }
}
