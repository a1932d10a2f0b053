//! Pods that answer over HTTP, and pods that ask: of agnhost, which Kubernetes' own tests take too.

use super::{Fleet, FleetPod, PodSpec};
use crate::images::AGNHOST;
use anyhow::Result;
use std::net::IpAddr;

/// What fetches a URL.
pub const FETCH: [&str; 4] = ["curl", "-sSf", "-m", "5"];

/// The host part of a URL.
#[must_use]
pub fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

impl PodSpec {
    /// A pod that serves HTTP on port 8080: `/hostname` says which it is, `/clientip` who asks.
    pub fn server(name: &str) -> Self {
        PodSpec::new(name)
            .of(AGNHOST)
            .running(&["netexec", "--http-port=8080", "--udp-port=8081"])
    }

    /// A pod that asks: it has `curl`, `nc` and a shell.
    pub fn client(name: &str) -> Self {
        PodSpec::new(name).of(AGNHOST).running(&["pause"])
    }
}

impl Fleet {
    /// What is at a URL for a pod of [`PodSpec::client`].
    ///
    /// # Errors
    /// It is not answered, or by an error.
    pub fn fetch(&self, from: &FleetPod, url: &str) -> Result<String> {
        self.exec(from, &[&FETCH[..], &[url]].concat()).text()
    }
}
