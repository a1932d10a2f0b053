//! What a foreign hand breaks, and how soon it is whole again.

use anyhow::{Context, Result, ensure};
use gingham_integration::{Node, Pod, eventually};
use gingham_model::Family;
use std::time::{Duration, Instant};

/// Ten times what is promised.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removes one thing after the other and waits until each is back. Evidence is how long it took.
pub(super) fn repaired(pod: &Pod) -> Result<String> {
    let node = pod.node();
    let address = pod.address(Family::V4)?;
    let link = host_end(node, &address.to_string())?;
    let direct = "10.101.22.0/24 via 10.1.0.22";
    let address = address.to_string();
    let neighbour = format!("{address} dev {link}");
    let damages: [(&str, Vec<&str>, Vec<&str>, &str); 5] = [
        (
            "a direct route",
            vec!["ip", "route", "del", "10.101.22.0/24"],
            vec!["ip", "route", "show", "proto", "201"],
            direct,
        ),
        (
            "a route that BGP brought",
            vec!["ip", "route", "del", "10.102.0.0/16"],
            vec!["ip", "route", "show", "proto", "202"],
            "10.102.0.0/16 via 10.1.0.1",
        ),
        (
            "a pod's host route",
            vec!["ip", "route", "del", &address],
            vec!["ip", "route", "show", "proto", "200"],
            &neighbour,
        ),
        (
            "a pod's neighbour entry",
            vec!["ip", "neigh", "del", &address, "dev", &link],
            vec!["ip", "neigh", "show", "nud", "permanent"],
            &neighbour,
        ),
        (
            "the nftables table",
            vec!["nft", "delete", "table", "inet", "gingham"],
            vec!["nft", "list", "table", "inet", "gingham"],
            "masquerade",
        ),
    ];
    let mut lines = Vec::new();
    for (what, damage, look, wanted) in &damages {
        node.exec(damage)?;
        let broken = Instant::now();
        eventually(what, PATIENCE, || {
            let seen = node.command(look).output()?.stdout;
            ensure!(seen.contains(wanted), "{seen}");
            Ok(())
        })?;
        let took = broken.elapsed().as_millis();
        lines.push(format!("{what}: back after {took} ms"));
    }
    Ok(lines.join("\n"))
}

/// The pod's host end, by the route to its address.
fn host_end(node: &Node, address: &str) -> Result<String> {
    let route = node.exec(&["ip", "route", "show", address])?;
    let mut words = route.split_whitespace().skip_while(|word| *word != "dev");
    let link = words.nth(1).context("a route without an interface")?;
    Ok(link.to_owned())
}
