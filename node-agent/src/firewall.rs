//! What the node's nftables table says: which pod traffic leaves by the node's own address, and
//! that a pod speaks under no address but its own. Pure.
//!
//! ```text
//!   pod ──► prerouting, before conntrack ──► routing ──► postrouting ──► out
//!             not routed back by the           source among our blocks, destination
//!             interface it came by?            neither spared nor a pod of ours?
//!             count, drop                      masquerade
//! ```

use crate::cluster::Cluster;
use crate::pools::Pools;
use gingham_model::{Block, Family, NodeName, Prefix};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The table, which is ours alone, as `nft` calls it: family and name.
pub const TABLE: &str = "inet gingham";
/// Its name alone, as the kernel's news have it.
pub const TABLE_NAME: &str = "gingham";

/// The counter of dropped packets.
pub const SPOOFED: &str = "spoofed";

/// Destinations that stay on the link or stand for many hosts: link-local (RFC 3927, RFC 4291),
/// multicast (RFC 5771, RFC 4291) and limited broadcast (RFC 919).
const NEVER_MASQUERADED: [&str; 5] = [
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "fe80::/10",
    "ff00::/8",
];

/// What the table is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// Sources: this node's own blocks whose pool has `natOutgoing`.
    pub masqueraded: BTreeSet<Prefix>,
    /// Destinations that always see the pods' own addresses.
    pub spared: BTreeSet<Prefix>,
}

impl Firewall {
    /// From the cluster as known, for node `me`. What leaves the cluster can only be told once all
    /// pools are known: that is the caller's to wait for.
    ///
    /// A block whose pool is not known is masqueraded, as `natOutgoing` is unless switched off: its
    /// pods keep the way out, and at worst pods of that pool on other nodes see the node's address.
    pub fn of(cluster: &Cluster, me: &NodeName) -> Firewall {
        let (pools, config) = (Pools::of(cluster, me), cluster.config());
        let own = cluster.blocks().filter(|block| block.node == *me);
        let masqueraded = own.filter(|block| leaves_masqueraded(block, &pools));
        let masqueraded = masqueraded.map(|block| block.cidr).collect();

        let mut spared = config.non_masquerade_cidrs;
        // A test parses the whole table.
        spared.extend(
            NEVER_MASQUERADED
                .iter()
                .filter_map(|cidr| cidr.parse::<Prefix>().ok()),
        );
        spared.extend(config.zones.values().flat_map(|zone| &zone.node_cidrs));
        spared.extend(pools.cidrs());
        // Those that podCIDR mode left behind when it was switched off.
        let left = cluster
            .blocks()
            .filter(|block| block.pool.is_node_pod_cidrs());
        let left = left.map(|block| block.cidr);
        spared.extend(left.filter(|cidr| cidr.reserved().is_none()));
        Firewall {
            masqueraded: disjoint(&masqueraded),
            spared: disjoint(&spared),
        }
    }

    /// The same, sparing these destinations too.
    pub fn sparing(mut self, also: impl Iterator<Item = Prefix>) -> Firewall {
        self.spared.extend(also);
        self.spared = disjoint(&self.spared);
        self
    }

    /// The input of `nft -f -`: one transaction that puts our table in the place of whatever is
    /// there under its name. Naming it first lets the deletion succeed where there is none.
    pub fn ruleset(&self) -> String {
        format!("table {TABLE}\ndelete table {TABLE}\n{}", self.table())
    }

    /// The table by itself, written as `nft --numeric --stateless list table` prints it, up to
    /// [`normal_form`]: so that what stands can be compared with what should.
    pub fn table(&self) -> String {
        let mut text = format!("table {TABLE} {{\n\tcounter {SPOOFED} {{\n\t}}\n");
        for (name, prefixes) in [("masqueraded", &self.masqueraded), ("spared", &self.spared)] {
            let prefixes = disjoint(prefixes);
            for family in [Family::V4, Family::V6] {
                let elements = prefixes.iter().filter(|prefix| prefix.family() == family);
                text.push_str(&set(name, family, elements));
            }
        }
        text.push_str(CHAINS);
        text.push_str("}\n");
        text
    }
}

/// The chains, the same on every node.
///
/// - `raw` is priority -300, before conntrack (-200), which then never hears of a dropped packet;
///   `srcnat` is 100. Numbers, since that is how they are listed.
/// - Link group 26472 is 0x6768, the host ends of the pods. `oif 0` says that no route leads back
///   through the interface; its other spelling, `missing`, is listed differently by newer versions.
///   The kernel lets pass what a host without an address must send: DHCP, IGMP, and ICMPv6 from
///   `::` on the link (`nft_fib_ipv4.c`, `nft_fib_ipv6.c`).
/// - What goes to a pod of this node or stays on the host keeps its source, whatever the sets say.
/// - A NAT chain sees the first packet of a flow; conntrack remembers the rest, so a flow survives
///   when the table is replaced. `fully-random` keeps two flows from racing for one source port.
const CHAINS: &str = "\
\tchain antispoof {
\t\ttype filter hook prerouting priority -300; policy accept;
\t\tiifgroup 26472 fib saddr . iif oif 0 counter name \"spoofed\" drop
\t}
\tchain outgoing {
\t\ttype nat hook postrouting priority 100; policy accept;
\t\toif \"lo\" return
\t\toifgroup 26472 return
\t\tip saddr @masqueraded4 ip daddr != @spared4 masquerade fully-random
\t\tip6 saddr @masqueraded6 ip6 daddr != @spared6 masquerade fully-random
\t}
";

fn leaves_masqueraded(block: &Block, pools: &Pools<'_>) -> bool {
    // A Block object is what some node wrote: one so wide would take in more than pods.
    pools.nat_outgoing(block) && block.cidr.reserved().is_none()
}

/// The same addresses in prefixes of which no two overlap: an interval set refuses those that do.
/// Neighbours are left apart, since that is how they are listed.
pub fn disjoint(prefixes: &BTreeSet<Prefix>) -> BTreeSet<Prefix> {
    let mut kept: Vec<Prefix> = Vec::new();
    // In this order what a prefix covers comes right behind it.
    for prefix in prefixes {
        if !kept.last().is_some_and(|last| last.covers(*prefix)) {
            kept.push(*prefix);
        }
    }
    kept.into_iter().collect()
}

fn set<'a>(name: &str, family: Family, prefixes: impl Iterator<Item = &'a Prefix>) -> String {
    let (digit, kind) = match family {
        Family::V4 => (4, "ipv4_addr"),
        Family::V6 => (6, "ipv6_addr"),
    };
    let mut text = format!("\tset {name}{digit} {{\n\t\ttype {kind}\n\t\tflags interval\n");
    let elements: Vec<String> = prefixes.map(|prefix| element(*prefix)).collect();
    // An empty list is a syntax error.
    if !elements.is_empty() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\t\telements = {{ {} }}", elements.join(", "));
    }
    text.push_str("\t}\n");
    text
}

fn element(prefix: Prefix) -> String {
    if prefix.length() == prefix.family().bits() {
        prefix.address().to_string()
    } else {
        prefix.to_string()
    }
}

/// A listing without its layout: no indentation, no empty lines, and element lists, which `nft`
/// wraps after a comma, on one line. Lines stay lines, for they part the rules.
pub fn normal_form(listing: &str) -> String {
    let mut text = String::new();
    for line in listing
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if !text.is_empty() {
            text.push(if text.ends_with(',') { ' ' } else { '\n' });
        }
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_masqueraded_are_prefixes() {
        for cidr in NEVER_MASQUERADED {
            assert_eq!(cidr.parse::<Prefix>().unwrap().to_string(), cidr);
        }
    }

    #[test]
    fn a_wrapped_listing_and_a_written_table_have_one_normal_form() {
        let listing =
            "table x {\n\tset s {\n\t\telements = { 10.0.0.1,\n\t\t\t     10.0.0.2 }\n\t}\n\n}\n";
        let written = "table x {\nset s {\nelements = { 10.0.0.1, 10.0.0.2 }\n}\n}\n";
        assert_eq!(normal_form(listing), normal_form(written));
        assert_ne!(normal_form("accept\ndrop"), normal_form("accept drop"));
    }
}
