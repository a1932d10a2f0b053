//! Pods, Services and names, asked for over HTTP.

use super::PATIENCE;
use super::cast::{Cast, SERVICE, of_family};
use anyhow::{Context, Result, ensure};
use gingham_integration::fleet::FleetPod;
use gingham_integration::fleet::http::host;
use gingham_integration::{Fleet, eventually};
use gingham_model::Family;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// How often a name is asked for.
const TIMES: usize = 10;

/// Whether a pod is seen by another one under its own address, in both families.
pub(super) fn own_addresses(fleet: &Fleet, from: &FleetPod, to: &FleetPod) -> Result<String> {
    let mut lines = Vec::new();
    for family in Family::ALL {
        let address = host(of_family(&to.addresses, family)?);
        let own = host(of_family(&from.addresses, family)?);
        let url = format!("http://{address}:8080/clientip");
        let seen = fleet.fetch(from, &url)?;
        ensure!(seen.starts_with(&format!("{own}:")), "{url}: {seen}");
        let (from, to) = (&from.name, &to.name);
        lines.push(format!("{from} asks {url}; {to} sees {seen}"));
    }
    Ok(lines.join("\n"))
}

/// Whether both addresses of the Service lead to both pods.
pub(super) fn service(fleet: &Fleet, cast: &Cast) -> Result<String> {
    let service = fleet.json(&["get", "service", SERVICE])?;
    let addresses = service["spec"]["clusterIPs"].as_array();
    let mut lines = Vec::new();
    for address in addresses.context("clusterIPs")? {
        let address: IpAddr = address.as_str().context("clusterIPs")?.parse()?;
        lines.push(answered_by_both(fleet, cast, &host(address))?);
    }
    Ok(lines.join("\n"))
}

fn answered_by_both(fleet: &Fleet, cast: &Cast, at: &str) -> Result<String> {
    let url = format!("http://{at}/hostname");
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    eventually(&format!("{url} is answered by both"), PATIENCE, || {
        *answers.entry(fleet.fetch(&cast.asking, &url)?).or_default() += 1;
        ensure!(answers.len() == 2, "{answers:?}");
        Ok(())
    })?;
    Ok(format!("{url}: {}", counted(&answers)))
}

/// Whether the Service is found by its names.
pub(super) fn name(fleet: &Fleet, cast: &Cast) -> Result<String> {
    let mut lines = Vec::new();
    for name in [SERVICE, &format!("{SERVICE}.default.svc.cluster.local")] {
        let url = format!("http://{name}/hostname");
        // CoreDNS is ready before it has heard of every Service.
        eventually(&url, PATIENCE, || fleet.fetch(&cast.asking, &url))?;
        let mut answers: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..TIMES {
            *answers.entry(fleet.fetch(&cast.asking, &url)?).or_default() += 1;
        }
        lines.push(format!("{url}: {}", counted(&answers)));
    }
    Ok(lines.join("\n"))
}

fn counted(answers: &BTreeMap<String, usize>) -> String {
    let words = answers.iter().map(|(pod, count)| format!("{pod} {count}"));
    words.collect::<Vec<_>>().join(", ")
}
