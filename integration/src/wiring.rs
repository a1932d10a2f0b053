//! Links, addresses and routes: from a [`Topology`] to commands of `ip -batch`.
//!
//! Everything is made with duplicate address detection off and link-local addresses of our own
//! choice, so that a link carries IPv6 the moment it is up.

use crate::exec;
use crate::procs::ProcessId;
use crate::topology::{Address, BoxPlan, Link, Port, Role, StaticRoute, Topology};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Seek, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The bridge of a switch.
const BRIDGE: &str = "br0";
/// How long one batch may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// The lines of one `ip -batch`, to be run in the network namespace of one box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) on: String,
    pub(crate) lines: Vec<String>,
}

/// The batches that make `topology`, in order. `pids` are the process 1 of every box.
pub(crate) fn batches(topology: &Topology, pids: &BTreeMap<String, i32>) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    for Link { a, b } in &topology.links {
        let pid = pids
            .get(&b.on)
            .with_context(|| format!("no box {}", b.on))?;
        batches.push(Batch {
            on: a.on.clone(),
            lines: vec![cable((a, &b.interface), *pid)],
        });
    }
    for plan in &topology.boxes {
        batches.push(Batch {
            on: plan.name.clone(),
            lines: settings(topology, plan),
        });
    }
    Ok(batches)
}

/// Makes a link between this port and an interface of the box whose process 1 is `pid`.
pub(crate) fn cable((port, interface): (&Port, &str), pid: i32) -> String {
    let port = &port.interface;
    format!("link add {port} type veth peer name {interface} netns {pid}")
}

/// Everything of one box, once its links exist.
pub(crate) fn settings(topology: &Topology, plan: &BoxPlan) -> Vec<String> {
    let mut lines = vec!["link set dev lo up".to_owned()];
    if plan.role == Role::Switch {
        // With snooping on and no querier, neighbour solicitations may be dropped.
        lines.push(format!(
            "link add {BRIDGE} type bridge stp_state 0 mcast_snooping 0"
        ));
        // Two requests: within one the kernel brings the link up first, with an address.
        lines.push(format!("link set dev {BRIDGE} addrgenmode none"));
        lines.push(format!("link set dev {BRIDGE} up"));
    }
    for interface in topology.interfaces(&plan.name) {
        lines.extend(plugged(plan, interface));
    }
    lines.extend(plan.routes.iter().map(route_line));
    lines
}

/// What an interface needs that has just been made.
pub(crate) fn plugged(plan: &BoxPlan, interface: &str) -> Vec<String> {
    let mut lines = vec![format!("link set dev {interface} addrgenmode none")];
    if plan.role == Role::Switch {
        lines.push(format!("link set dev {interface} master {BRIDGE}"));
    }
    lines.extend(interface_lines(plan, interface));
    lines
}

/// What an interface takes with it when it goes down, and needs again when it comes back.
pub(crate) fn restored(plan: &BoxPlan, interface: &str) -> Vec<String> {
    let mut lines = interface_lines(plan, interface);
    lines.extend(plan.routes.iter().map(route_line));
    lines
}

fn interface_lines(plan: &BoxPlan, interface: &str) -> Vec<String> {
    let addresses = plan.addresses.iter().filter(|a| a.interface == interface);
    let mut lines: Vec<String> = addresses.flat_map(address_lines).collect();
    lines.push(format!("link set dev {interface} up"));
    lines
}

fn address_lines(wanted: &Address) -> Vec<String> {
    let Address {
        interface,
        address,
        length,
    } = wanted;
    match address {
        IpAddr::V4(v4) => vec![format!("address replace {v4}/{length} dev {interface}")],
        IpAddr::V6(v6) => vec![
            format!("address replace {v6}/{length} dev {interface} nodad"),
            format!(
                "address replace {}/64 dev {interface} nodad",
                link_local(*v6)
            ),
        ],
    }
}

fn route_line(route: &StaticRoute) -> String {
    let mut line = format!("route replace {}", route.prefix);
    for via in &route.via {
        // Writing to a String cannot fail.
        let _ = write!(line, " nexthop via {via}");
    }
    line
}

/// fe80:: with the interface identifier of the global address.
fn link_local(global: Ipv6Addr) -> Ipv6Addr {
    let identifier = global.to_bits() & u128::from(u64::MAX);
    Ipv6Addr::from_bits(0xfe80 << 112 | identifier)
}

/// Runs a batch in the network namespace of `init`, and in no other: pids in it are those outside.
pub(crate) fn run(batch: &Batch, init: ProcessId) -> Result<()> {
    let what = || format!("{}: ip -batch", batch.on);
    let mut stdin = tempfile::tempfile().with_context(what)?;
    let mut stderr = tempfile::tempfile().with_context(what)?;
    stdin
        .write_all((batch.lines.join("\n") + "\n").as_bytes())
        .with_context(what)?;
    stdin.rewind().with_context(what)?;
    let mut child = Command::new("nsenter")
        .args(["-t", &init.pid.to_string(), "-n", "--", "ip", "-batch", "-"])
        .stdin(stdin)
        .stdout(Stdio::null())
        .process_group(0)
        .stderr(stderr.try_clone().with_context(what)?)
        .spawn()
        .with_context(what)?;
    let status = exec::wait(&mut child, DEADLINE).with_context(what)?;
    if !status.is_some_and(|status| status.success()) {
        let why = exec::text(&mut stderr).with_context(what)?;
        bail!("{}: {}\nof\n{}", what(), why.trim(), batch.lines.join("\n"));
    }
    Ok(())
}

/// The settings below `/proc/sys` that a box of this role starts with.
pub(crate) fn sysctls(role: &Role) -> Vec<(String, String)> {
    // Spread flows, not just pairs of hosts.
    const SPREAD: [&str; 2] = [
        "net/ipv4/fib_multipath_hash_policy",
        "net/ipv6/fib_multipath_hash_policy",
    ];
    const FORWARD: [&str; 2] = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];
    let on: &[&[&str]] = match role {
        Role::Switch => &[],
        Role::Node(_) | Role::Host => &[&SPREAD],
        Role::Router | Role::BgpRouter(_) => &[&SPREAD, &FORWARD],
    };
    on.iter()
        .copied()
        .flatten()
        .map(|path| ((*path).to_owned(), "1".to_owned()))
        .collect()
}

/// The addresses of a box for people: `eth0 10.1.0.21, fd00:1::21`.
pub(crate) fn summary(plan: &BoxPlan) -> String {
    let mut by_interface: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for Address {
        interface, address, ..
    } in &plan.addresses
    {
        by_interface
            .entry(interface)
            .or_default()
            .push(address.to_string());
    }
    let texts: Vec<String> = by_interface
        .iter()
        .map(|(interface, addresses)| format!("{interface} {}", addresses.join(", ")))
        .collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::static_routes;

    fn lines_of(name: &str) -> Vec<String> {
        let topology = static_routes().unwrap();
        let pids = topology.boxes.iter().map(|b| (b.name.clone(), 7)).collect();
        let batches = batches(&topology, &pids).unwrap();
        let own = batches.into_iter().filter(|batch| batch.on == name);
        own.flat_map(|batch| batch.lines).collect()
    }

    #[test]
    fn a_node_gets_addresses_before_its_link_and_routes_after_it() {
        assert_eq!(
            lines_of("z1w1"),
            [
                "link set dev lo up",
                "link set dev eth0 addrgenmode none",
                "address replace 10.1.0.21/24 dev eth0",
                "address replace fd00:1::21/64 dev eth0 nodad",
                "address replace fe80::21/64 dev eth0 nodad",
                "link set dev eth0 up",
                "route replace 0.0.0.0/0 nexthop via 10.1.0.1",
                "route replace ::/0 nexthop via fd00:1::1",
            ]
        );
    }

    #[test]
    fn a_switch_makes_the_links_and_joins_them() {
        let lines = lines_of("sw2");
        assert_eq!(lines[0], "link add c2 type veth peer name zone netns 7");
        assert!(
            lines.contains(&"link set dev z2w1 master br0".to_owned()),
            "{lines:#?}"
        );
        assert!(
            !lines.iter().any(|line| line.starts_with("address")),
            "{lines:#?}"
        );
    }
}
