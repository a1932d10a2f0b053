//! The way between two zones, hop by hop: an echo request with a growing number of hops to live.

use anyhow::{Context, Result, ensure};
use gingham_integration::Endpoint;
use gingham_integration::topology::Topology;
use gingham_model::Family;
use std::net::IpAddr;

/// Whether the boxes that answer are the node, its core, the backbone, the other core, the other
/// node, and the pod itself.
pub(super) fn between_zones(
    topology: &Topology,
    from: impl Into<Endpoint>,
    to: impl Into<Endpoint>,
) -> Result<String> {
    let (from, to) = (from.into(), to.into());
    let wanted: [&[&str]; 5] = [
        &[from.host().name()],
        &["c1"],
        &["bb1", "bb2"],
        &["c2"],
        &[to.host().name()],
    ];
    let mut lines = Vec::new();
    for family in Family::ALL {
        let address = to.address(family)?;
        let mut way = Vec::new();
        for (hops, boxes) in (1..).zip(wanted) {
            let hop = expired(&from, address, hops)?;
            let name = owner(topology, hop).with_context(|| format!("{hop} is in no box"))?;
            ensure!(
                boxes.contains(&name),
                "hop {hops} is {hop} of {name}, not of {boxes:?}"
            );
            way.push(format!("{name} {hop}"));
        }
        let last = ["ping", "-n", "-c", "1", "-W", "2", &address.to_string()];
        from.command(&last).text()?;
        way.push(format!("{} {address}", to.name()));
        lines.push(format!("{} -> {}", from.name(), way.join(" -> ")));
    }
    Ok(lines.join("\n"))
}

/// Who says that a packet has come this far only:
/// `From 10.1.0.1 icmp_seq=1 Time to live exceeded`.
fn expired(from: &Endpoint, to: IpAddr, hops: u8) -> Result<IpAddr> {
    let (to, hops) = (to.to_string(), hops.to_string());
    let argv = ["ping", "-n", "-c", "1", "-W", "2", "-t", &hops, &to];
    let printed = from.command(&argv).output()?.stdout;
    let line = printed.lines().find_map(|line| line.strip_prefix("From "));
    let hop = line.and_then(|line| line.split(' ').next());
    hop.and_then(|hop| hop.parse().ok())
        .with_context(|| format!("nobody answers after {hops} hops: {printed}"))
}

fn owner(topology: &Topology, address: IpAddr) -> Option<&str> {
    let mut boxes = topology.boxes.iter();
    let owner = boxes.find(|plan| plan.addresses.iter().any(|a| a.address == address));
    owner.map(|plan| plan.name.as_str())
}
