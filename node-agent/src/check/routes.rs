//! Interfaces and routes: who else works in the main table, by numbers like ours.

use super::Row;
use gingham_model::{Owner, Route, RouteProtocol};
use std::collections::{BTreeMap, BTreeSet};

/// How many routes are named in a row.
const NAMED: usize = 3;

/// Programs by the protocol number of their routes, where `rt_protos` says nothing.
const KNOWN: [(u8, &str); 20] = [
    (2, "the kernel"),
    (3, "boot"),
    (4, "an administrator (static)"),
    (9, "router advertisements"),
    (11, "zebra"),
    (12, "BIRD"),
    (16, "DHCP (systemd-networkd, NetworkManager)"),
    (17, "kube-router or mrouted"),
    (18, "keepalived"),
    (30, "Coil"),
    (31, "Coil"),
    (42, "Babel"),
    (66, "the Google guest agent"),
    (80, "Felix (Calico)"),
    (99, "Open/R"),
    (186, "FRR (BGP)"),
    (187, "FRR (IS-IS)"),
    (188, "FRR (OSPF)"),
    (189, "FRR (RIP)"),
    (192, "FRR (EIGRP)"),
];

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The main table, both families.
    pub routes: Vec<Route>,
    /// MTU of each uplink.
    pub uplinks: BTreeMap<String, u32>,
    /// Names of protocol numbers, from `rt_protos`.
    pub names: BTreeMap<u8, String>,
}

/// The rows.
pub fn rows(facts: &Facts) -> Vec<Row> {
    vec![
        mtu(&facts.uplinks),
        numbers(facts),
        metrics(facts),
        names(&facts.names),
    ]
}

fn mtu(uplinks: &BTreeMap<String, u32>) -> Row {
    const CHECK: &str = "uplink MTU";
    let each: Vec<String> = uplinks
        .iter()
        .map(|(link, mtu)| format!("{link} {mtu}"))
        .collect();
    let different: BTreeSet<u32> = uplinks.values().copied().collect();
    match different.len() {
        0 => Row::warn(
            CHECK,
            "no interface leads to a gateway or another node",
            &[],
        ),
        1 => Row::ok(CHECK, each.join(", ")),
        _ => Row::warn(
            CHECK,
            format!("{}: pods get the smallest", each.join(", ")),
            &["give all uplinks the same MTU"],
        ),
    }
}

/// Routes with our protocol numbers that cannot be ours.
fn numbers(facts: &Facts) -> Row {
    const CHECK: &str = "protocol numbers";
    let foreign = facts.routes.iter().filter(|route| {
        Owner::of(route.protocol).is_some_and(|owner| owner.metric() != route.key.metric)
    });
    let foreign: Vec<&Route> = foreign.collect();
    if foreign.is_empty() {
        return Row::ok(CHECK, "200 to 203 are ours alone");
    }
    Row::fail(
        CHECK,
        format!(
            "the agent would take these for its own: {}",
            list(&foreign, facts)
        ),
        &["give the other program a protocol number of its own, and remove these routes"],
    )
}

/// Routes of others with our metrics: where they lead to the same prefix they are in our way.
fn metrics(facts: &Facts) -> Row {
    const CHECK: &str = "metrics";
    let ours = |metric: u32| Owner::ALL.iter().any(|owner| owner.metric() == metric);
    let others = facts
        .routes
        .iter()
        .filter(|route| Owner::of(route.protocol).is_none() && ours(route.key.metric));
    let others: Vec<&Route> = others.collect();
    if others.is_empty() {
        return Row::ok(CHECK, "10, 12, 40 and 4000000000 are ours alone");
    }
    let found = list(&others, facts);
    Row::ok(
        CHECK,
        format!("others use ours, which matters for the same prefix only: {found}"),
    )
}

/// Names for our numbers: not needed, and another program's name is a hint that it uses them.
fn names(names: &BTreeMap<u8, String>) -> Row {
    const CHECK: &str = "protocol names";
    let named = Owner::ALL.iter().filter_map(|owner| {
        let number = owner.protocol().0;
        names.get(&number).map(|name| format!("{number} {name}"))
    });
    let named: Vec<String> = named.collect();
    match named.as_slice() {
        [] => Row::ok(CHECK, "none for 200 to 203 in rt_protos"),
        named => Row::ok(CHECK, format!("in rt_protos: {}", named.join(", "))),
    }
}

fn list(routes: &[&Route], facts: &Facts) -> String {
    let mut texts: Vec<String> = routes
        .iter()
        .take(NAMED)
        .map(|route| {
            let (key, protocol) = (route.key, protocol(route.protocol, &facts.names));
            format!("{} metric {} of {protocol}", key.prefix, key.metric)
        })
        .collect();
    if routes.len() > NAMED {
        texts.push(format!("and {} more", routes.len() - NAMED));
    }
    texts.join(", ")
}

/// A protocol number in words.
fn protocol(RouteProtocol(number): RouteProtocol, names: &BTreeMap<u8, String>) -> String {
    let known = KNOWN.iter().find(|(known, _)| *known == number);
    let name = known.map(|(_, name)| *name);
    match name.or(names.get(&number).map(String::as_str)) {
        Some(name) => format!("protocol {number}, {name}"),
        None => format!("protocol {number}"),
    }
}

/// Protocol numbers and names from the text of an `rt_protos` file (`/etc/iproute2/rt_protos`):
/// `NUMBER NAME`, the number decimal or hexadecimal.
pub fn parse_names(text: &str) -> BTreeMap<u8, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let named = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (number, name) = (words.next()?, words.next()?);
        let number = match number.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        Some((number, name.to_owned()))
    });
    named.collect()
}

/// The interfaces that lead to a gateway, from the text of `/proc/net/route` and
/// `/proc/net/ipv6_route`: in both flags are in hexadecimal, and 2 is `RTF_GATEWAY`.
pub fn towards_gateways(route: &str, ipv6_route: &str) -> BTreeSet<String> {
    const GATEWAY: u32 = 2;
    let leads = |flags: &str| u32::from_str_radix(flags, 16).is_ok_and(|f| f & GATEWAY != 0);
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let v4 = route
        .lines()
        .map(words)
        .filter_map(|words| leads(words.get(3)?).then(|| words[0].clone()));
    let v6 = ipv6_route
        .lines()
        .map(words)
        .filter_map(|words| leads(words.get(8)?).then(|| words.get(9).cloned())?);
    v4.chain(v6).collect()
}
