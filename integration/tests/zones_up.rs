//! Three zones with real routers: everything up, a node that comes and goes, and one that moves to
//! another zone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;
mod zones_world;

use anyhow::{Context, Result, ensure};
use gingham_integration::tables::expected;
use gingham_integration::topology::{Cores, Place, Zones, reference};
use gingham_integration::{Lab, LabBox, Pod, Process, Store, eventually, on_both_stores};
use gingham_model::Family;
use nix::sys::signal::Signal;
use std::net::IpAddr;
use zones_world::{PATIENCE, reach, sessions, settled, timed, undisturbed, up};

on_both_stores! {
    all_up,
    a_node_is_added_and_removed,
    a_node_that_moves_to_another_zone_keeps_its_pods_reachable,
}

/// Echo requests of a capture.
const PINGS: u32 = 5;

/// One pod on each node, named after it.
fn pods(lab: &Lab) -> Result<Vec<Pod>> {
    let nodes = lab.nodes();
    let pods = nodes.iter();
    pods.map(|node| node.add_pod(&format!("{}-a", node.name())))
        .collect()
}

fn named<'a>(pods: &'a [Pod], name: &str) -> Result<&'a Pod> {
    let mut pods = pods.iter();
    let pod = pods.find(|pod| pod.name() == name);
    pod.with_context(|| format!("no pod {name}"))
}

/// The tables are compared by `up` already.
fn all_up(store: Store) -> Result<()> {
    let lab = up(store, reference(Zones::Three, Cores::One)?)?;
    let pods = pods(&lab)?;
    for from in ["z1w1-a", "z2w1-a", "z3m1-a"] {
        reach(named(&pods, from)?, &pods)?;
    }
    let client = lab.at("cl")?;
    for pod in &pods {
        for address in pod.addresses() {
            let result = client.ping(*address, 1)?;
            ensure!(result.complete(), "cl -> {}: {result:?}", pod.name());
        }
    }
    let (from, to) = (named(&pods, "z1w1-a")?, named(&pods, "z2w2-a")?);
    for family in Family::ALL {
        the_way(&lab, from, to, family)?;
    }
    the_wire_carries_the_pods_own_addresses(&lab, from, to)?;
    settled(&lab)
}

/// Each router on the way answers for itself, and none is between them.
fn the_way(lab: &Lab, from: &Pod, to: &Pod, family: Family) -> Result<()> {
    let way: [&[&str]; 5] = [&["z1w1"], &["c1"], &["bb1", "bb2"], &["c2"], &["z2w2"]];
    let target = to.address(family)?;
    for (limit, boxes) in (1_u32..).zip(way) {
        let who = answers(from, target, limit)?;
        let who = who.with_context(|| format!("{target}: a hole at hop {limit}"))?;
        let plans = lab.topology().boxes.iter();
        let mut owners = plans.filter(|plan| plan.addresses.iter().any(|a| a.address == who));
        let owner = owners.next().map(|plan| plan.name.as_str());
        ensure!(
            owner.is_some_and(|owner| boxes.contains(&owner)),
            "{target}: hop {limit} is {who} of {owner:?}, not of {boxes:?}"
        );
    }
    ensure!(from.ping(target, 1)?.complete(), "{target} does not answer");
    let beyond = answers(from, target, 6)?;
    ensure!(
        beyond.is_none(),
        "{target}: {beyond:?} is between z2w2 and its pod"
    );
    Ok(())
}

/// Who says that a packet of this hop limit ended with it:
/// `From 10.1.0.1 icmp_seq=1 Time to live exceeded`.
fn answers(from: &Pod, target: IpAddr, limit: u32) -> Result<Option<IpAddr>> {
    let (limit, target) = (limit.to_string(), target.to_string());
    let argv = ["ping", "-n", "-c", "1", "-W", "2", "-t", &limit, &target];
    let said = from.command(&argv).output()?.stdout;
    let mut lines = said.lines();
    let line = lines.find_map(|line| line.strip_prefix("From "));
    let word = line.and_then(|line| line.split(' ').next());
    word.map(|word| {
        word.trim_end_matches(':')
            .parse()
            .with_context(|| said.clone())
    })
    .transpose()
}

/// Nothing but echoes of the pods, in whose outermost header the pods' addresses are, passes the links
/// between the zones, other than the routers' own.
fn the_wire_carries_the_pods_own_addresses(lab: &Lab, from: &Pod, to: &Pod) -> Result<()> {
    let captures = [
        capture(lab.at("bb1")?, "c2")?,
        capture(lab.at("bb2")?, "c2")?,
    ];
    let mut wanted = Vec::new();
    for family in Family::ALL {
        let (source, target) = (from.address(family)?, to.address(family)?);
        ensure!(from.ping(target, PINGS)?.complete(), "{target}");
        for (a, b, kind) in [(source, target, "request"), (target, source, "reply")] {
            let (ip, icmp) = match family {
                Family::V4 => ("IP", "ICMP"),
                Family::V6 => ("IP6", "ICMP6,"),
            };
            wanted.push(format!("{ip} {a} > {b}: {icmp} echo {kind},"));
        }
    }
    let seen = eventually("every echo is on the wire", PATIENCE, || {
        let mut packets = Vec::new();
        for capture in &captures {
            packets.extend(capture.printed()?.lines().map(str::to_owned));
        }
        packets.retain(|line| line.starts_with("IP") && !line.contains("neighbor "));
        for wanted in &wanted {
            let echoes = packets.iter().filter(|line| line.starts_with(wanted));
            let count = echoes.count();
            ensure!(count == PINGS as usize, "{wanted}: {count} in {packets:#?}");
        }
        Ok(packets)
    })?;
    let mut strange = seen;
    strange.retain(|line| !wanted.iter().any(|wanted| line.starts_with(wanted)));
    ensure!(strange.is_empty(), "{strange:#?}");
    captures
        .iter()
        .try_for_each(|capture| capture.stop(Signal::SIGTERM, PATIENCE).map(drop))
}

fn capture(on: &LabBox, interface: &str) -> Result<Process> {
    let options = ["-n", "-t", "-l", "--immediate-mode", "-i", interface];
    let filter = ["not", "tcp", "port", "179"];
    let argv = [&["tcpdump"], &options[..], &filter[..]].concat();
    let tcpdump = on.spawn(&format!("tcpdump-{interface}"), &argv)?;
    eventually("tcpdump captures", PATIENCE, || {
        let printed = tcpdump.printed()?;
        ensure!(printed.contains("listening on"), "{printed}");
        Ok(())
    })?;
    Ok(tcpdump)
}

/// Its own objects are all that is written, and nobody else's session notices.
fn a_node_is_added_and_removed(store: Store) -> Result<()> {
    let mut lab = up(store, reference(Zones::Three, Cores::One)?)?;
    let others: Vec<Pod> = ["z1w1", "z2w1", "z3w1"]
        .iter()
        .map(|name| lab.node(name)?.add_pod("a"))
        .collect::<Result<_>>()?;
    let (tables, before) = (expected(lab.topology()), sessions(&lab)?);
    let place = Place { zone: 1, octet: 23 };
    let node = lab.add_worker(place, "w3")?;
    timed(
        "a node is added: its agent starts, tables everywhere",
        || {
            node.start_agent()?;
            settled(&lab)
        },
    )?;
    node.wait_ready(PATIENCE)?;
    reach(&node.add_pod("new")?, &others)?;
    undisturbed(&before, &lab)?;

    timed("a node is removed: tables everywhere", || {
        lab.remove_node("z1w3")?;
        settled(&lab)
    })?;
    assert_eq!(expected(lab.topology()), tables);
    undisturbed(&before, &lab)?;
    for from in &others {
        reach(from, &others)?;
    }
    Ok(())
}

/// Its blocks are of zone 1's pool and now leave zone 2, each for itself. Until its agent has followed
/// nothing reaches it.
fn a_node_that_moves_to_another_zone_keeps_its_pods_reachable(store: Store) -> Result<()> {
    let mut lab = up(store, reference(Zones::Three, Cores::One)?)?;
    let tables = expected(lab.topology());
    let moved = lab.node("z1w2")?.add_pod("moved")?;
    let others: Vec<Pod> = ["z1w1", "z2w1", "z3w1"]
        .iter()
        .map(|name| lab.node(name)?.add_pod("a"))
        .collect::<Result<_>>()?;
    reach(&moved, &others)?;

    let place = Place { zone: 2, octet: 23 };
    timed("a node moves to another zone: tables everywhere", || {
        lab.move_node("z1w2", place)?;
        settled(&lab)
    })?;
    let wanted = expected(lab.topology());
    for (name, line) in [
        ("bb1", "10.101.22.0/24 via 10.250.2.1"),
        ("c1", "10.101.22.0/24 via 10.250.1.0, 10.250.1.2"),
        ("z1w1", "fd00:101:0:22::/64 via fd00:1::1"),
        ("z2w1", "fd00:101:0:22::/64 via fd00:2::23"),
    ] {
        assert!(
            wanted[name].iter().any(|have| have == line),
            "{name}: {line}"
        );
    }
    reach(&moved, &others)?;
    for from in &others {
        reach(from, std::slice::from_ref(&moved))?;
    }

    let place = Place { zone: 1, octet: 22 };
    timed("it moves back: tables everywhere", || {
        lab.move_node("z1w2", place)?;
        settled(&lab)
    })?;
    assert_eq!(expected(lab.topology()), tables);
    reach(&moved, &others)
}
