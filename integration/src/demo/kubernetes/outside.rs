//! Into the cluster and out of it.

use super::PATIENCE;
use super::cast::{Cast, HOST_PORT, NEAR, of_family};
use anyhow::{Context, Result, ensure};
use gingham_integration::fleet::http::{FETCH, host};
use gingham_integration::{Endpoint, Fleet, eventually};
use gingham_model::Family;
use std::net::IpAddr;

/// The client's addresses: in no pool and in no node subnet.
const CLIENT: [&str; 2] = ["203.0.113.10", "fd00:203::10"];
/// Where it echoes.
const PORT: &str = "7007";

/// Whether the host port is answered, whoever asks.
pub(super) fn host_port(fleet: &Fleet, cast: &Cast) -> Result<String> {
    let outside = outside(fleet)?;
    let mut lines = Vec::new();
    for address in addresses_of(fleet, NEAR)? {
        let url = format!("http://{}:{HOST_PORT}/hostname", host(address));
        let inside = || fleet.fetch(&cast.asking, &url);
        let inside = eventually(&url, PATIENCE, inside)?;
        let fetch = [&FETCH[..], &[&url]].concat();
        let client = eventually(&url, PATIENCE, || outside.command(&fetch).text())?;
        let near = &cast.near.name;
        ensure!(
            (&inside, &client) == (near, near),
            "{url}: {inside}, {client}"
        );
        lines.push(format!(
            "{url}: {inside} answers {}, {client} answers cl",
            cast.asking.name
        ));
    }
    Ok(lines.join("\n"))
}

/// Whether whoever is called by a pod sees its node.
pub(super) fn masqueraded(fleet: &Fleet, cast: &Cast) -> Result<String> {
    let outside = outside(fleet)?;
    let lab = outside.host().lab_executable().display().to_string();
    let echo = outside.spawn("echo", &[&lab, "probe", "echo", "--port", PORT])?;
    let node = addresses_of(fleet, &cast.asking.node)?;
    let mut lines = Vec::new();
    for client in CLIENT {
        let family = Family::of(client.parse()?);
        let node = of_family(&node, family)?;
        let talk = format!("echo hello | nc -N -w 5 {client} {PORT}");
        let said = eventually("the echo", PATIENCE, || {
            fleet.exec(&cast.asking, &["sh", "-c", &talk]).text()
        })?;
        ensure!(said.trim() == "hello", "{talk}: {said}");
        let wanted = format!("from {node}");
        let callers = echo.printed()?;
        ensure!(callers.lines().any(|line| line == wanted), "{callers}");
        let pod = of_family(&cast.asking.addresses, family)?;
        lines.push(format!(
            "{client} was called by pod {pod}, and says: {wanted}"
        ));
    }
    Ok(lines.join("\n"))
}

/// Whether the client reaches pods of both zones, which see its own address.
pub(super) fn reaches(fleet: &Fleet, cast: &Cast) -> Result<String> {
    let outside = outside(fleet)?;
    let mut lines = Vec::new();
    for pod in [&cast.near, &cast.far] {
        for address in &pod.addresses {
            let url = format!("http://{}:8080/clientip", host(*address));
            let seen = outside.command(&[&FETCH[..], &[&url]].concat()).text()?;
            let own = host(outside.address(Family::of(*address))?);
            ensure!(seen.starts_with(&format!("{own}:")), "{url}: {seen}");
            lines.push(format!("cl asks {url}; {} sees {seen}", pod.name));
        }
    }
    Ok(lines.join("\n"))
}

fn outside(fleet: &Fleet) -> Result<Endpoint> {
    let addresses = CLIENT.map(|own| own.parse().context("the client's address"));
    let addresses: Vec<IpAddr> = addresses.into_iter().collect::<Result<_>>()?;
    Ok(Endpoint::of_box(fleet.lab().at("cl")?, &addresses))
}

fn addresses_of(fleet: &Fleet, node: &str) -> Result<Vec<IpAddr>> {
    let mut nodes = fleet.lab().topology().nodes();
    let plan = nodes.find(|plan| plan.name.as_str() == node);
    Ok(plan.context("no such node")?.internal_ips.clone())
}
