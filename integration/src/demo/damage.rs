//! What a foreign hand breaks, and how soon it is whole again; and the way out of the cluster.

use anyhow::{Context, Result, ensure};
use gingham_integration::{LabBox, Node, Pod, eventually};
use gingham_model::Family;
use std::time::{Duration, Instant};

/// Ten times what is promised.
const PATIENCE: Duration = Duration::from_secs(10);
/// The core's address on the backbone: in no pool and in no node subnet.
const OUTSIDE: [(Family, &str); 2] = [(Family::V4, "10.250.0.1"), (Family::V6, "fd00:250::1")];
/// Says a line to `$1` and prints what comes back.
const CALL: &str =
    "exec 3<>/dev/tcp/$1/7007 && echo hello >&3 && read -r -t 5 line <&3 && echo $line";

/// Removes one thing after the other and waits until each is back. Evidence is how long it took.
pub(super) fn repaired(pod: &Pod) -> Result<String> {
    let node = pod.node();
    let address = pod.address(Family::V4)?;
    let link = host_end(node, &address.to_string())?;
    let direct = "10.101.22.0/24 via 10.1.0.22";
    let address = address.to_string();
    let neighbour = format!("{address} dev {link}");
    let damages: [(&str, Vec<&str>, Vec<&str>, &str); 4] = [
        (
            "a direct route",
            vec!["ip", "route", "del", "10.101.22.0/24"],
            vec!["ip", "route", "show", "proto", "201"],
            direct,
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

/// Whether outside the cluster a pod is seen as its node. The core `at` stands outside.
pub(super) fn masqueraded(pod: &Pod, at: &LabBox) -> Result<String> {
    let lab = at.lab_executable().display().to_string();
    let server = at.spawn("echo", &[&lab, "probe", "echo", "--port", "7007"])?;
    eventually("a server", PATIENCE, || {
        ensure!(server.printed()?.starts_with("listening"), "not yet");
        Ok(())
    })?;
    let mut lines = Vec::new();
    let mut own = pod.node().plan().internal_ips.iter();
    for (family, to) in OUTSIDE {
        let node = own.find(|address| Family::of(**address) == family);
        let node = node.with_context(|| format!("no {family} address"))?;
        let before = server.printed()?;
        pod.exec(&["bash", "-c", CALL, "call", to])?;
        let printed = server.printed()?;
        let seen = printed.strip_prefix(&before).unwrap_or(&printed).trim();
        ensure!(seen == format!("from {node}"), "{to} was called {seen}");
        let pod = pod.address(family)?;
        lines.push(format!("{to} was called by pod {pod}, and says: {seen}"));
    }
    Ok(lines.join("\n"))
}
