//! Laws of the nftables table.

use crate::make::{apply, block, cluster, me};
use gingham_agent::cluster::Cluster;
use gingham_agent::firewall::{Firewall, disjoint, normal_form};
use gingham_agent::manifest::parse;
use gingham_agent::objects::Kind;
use gingham_model::Prefix;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What every node spares.
const ALWAYS: &str = "169.254.0.0/16 224.0.0.0/4 255.255.255.255/32 fe80::/10 ff00::/8";

fn object(cluster: &mut Cluster, kind: Kind, name: &str, spec: &str) {
    let (version, metadata) = (kind.api_version(), format!("{{name: {name}}}"));
    let text =
        format!("{{apiVersion: {version}, kind: {kind}, metadata: {metadata}, spec: {spec}}}");
    cluster.apply(apply(parse(kind, name, &text).unwrap().object));
}

fn prefixes(text: &str) -> BTreeSet<Prefix> {
    text.split(' ').map(|cidr| cidr.parse().unwrap()).collect()
}

#[test]
fn own_blocks_are_masqueraded_unless_their_pool_says_otherwise() {
    let of_pool = |pool: &str, cidr: &str, node: &str| {
        let mut block = block(cidr, node, &["10.1.0.1"]);
        block.pool = pool.parse().unwrap();
        block
    };
    let mut cluster = cluster(&[
        of_pool("z1", "10.64.1.0/26", "w1"),
        of_pool("z1", "10.64.1.64/26", "w2"),
        of_pool("z1", "fd00:10:1::/122", "w1"),
        of_pool("plain", "10.70.0.0/26", "w1"),
        of_pool("unknown", "10.71.0.0/26", "w1"),
        of_pool("unknown", "0.0.0.0/0", "w1"),
    ]);
    let plain = "{zone: z1, natOutgoing: false, cidrs: [{cidr: 10.70.0.0/16}]}";
    object(&mut cluster, Kind::ZonePool, "plain", plain);
    let firewall = Firewall::of(&cluster, &me());
    let expected = "10.64.1.0/26 10.71.0.0/26 fd00:10:1::/122";
    assert_eq!(firewall.masqueraded, prefixes(expected));
}

#[test]
fn what_belongs_to_the_cluster_is_spared() {
    let mut cluster = cluster(&[]);
    let pool = "{zone: z2, natOutgoing: false, cidrs: [{cidr: 10.65.0.0/16, state: Draining}]}";
    object(&mut cluster, Kind::ZonePool, "z2", pool);
    let config = "{zones: [{name: z1, asNumber: 65101, nodeCIDRs: [10.1.0.0/24, 'fd00:1::/64']}, \
                  {name: z2, asNumber: 65102, nodeCIDRs: [10.2.0.0/24]}], \
                  nonMasqueradeCIDRs: [172.16.0.0/12, 10.65.3.0/24]}";
    object(&mut cluster, Kind::RoutingConfig, "default", config);
    let expected = "10.64.0.0/16 fd00:10::/48 10.65.0.0/16 10.1.0.0/24 10.2.0.0/24 fd00:1::/64 \
                    172.16.0.0/12";
    let expected = prefixes(&format!("{expected} {ALWAYS}"));
    assert_eq!(Firewall::of(&cluster, &me()).spared, expected);
}

#[test]
fn the_table_of_an_empty_cluster_is_whole() {
    let firewall = Firewall::of(&Cluster::default(), &me());
    assert_eq!(firewall.masqueraded, BTreeSet::new());
    assert_eq!(firewall.spared, prefixes(ALWAYS));
    let ruleset = firewall.ruleset();
    let replaced = "table inet gingham\ndelete table inet gingham\ntable inet gingham {\n";
    assert!(ruleset.starts_with(replaced), "{ruleset}");
    for line in [
        "iifgroup 26472 fib saddr . iif oif 0 counter name \"spoofed\" drop",
        "ip saddr @masqueraded4 ip daddr != @spared4 masquerade fully-random",
        "ip6 saddr @masqueraded6 ip6 daddr != @spared6 masquerade fully-random",
        "elements = { 169.254.0.0/16, 224.0.0.0/4, 255.255.255.255 }",
        "elements = { fe80::/10, ff00::/8 }",
    ] {
        assert!(
            ruleset.lines().any(|written| written.trim() == line),
            "{line}\n{ruleset}"
        );
    }
    assert_eq!(
        ruleset.matches("elements").count(),
        2,
        "an empty list is a syntax error"
    );
}

/// From a few addresses, so that many overlap.
fn any_prefix() -> impl Strategy<Value = Prefix> {
    let v4 = (any_v4(), 0u8..=32).prop_map(|(address, length)| (address, length));
    let v6 = (any_v6(), 0u8..=128).prop_map(|(address, length)| (address, length));
    let both = prop_oneof![v4, v6];
    both.prop_map(|(address, length)| Prefix::containing(address, length).unwrap())
}

fn any_v4() -> impl Strategy<Value = IpAddr> {
    (0u32..16).prop_map(|n| Ipv4Addr::from_bits(n.reverse_bits() | n).into())
}

fn any_v6() -> impl Strategy<Value = IpAddr> {
    (0u128..16).prop_map(|n| Ipv6Addr::from_bits(n.reverse_bits() | n).into())
}

fn any_prefixes() -> impl Strategy<Value = BTreeSet<Prefix>> {
    prop::collection::btree_set(any_prefix(), 0..24)
}

proptest! {
    #[test]
    fn disjoint_prefixes_hold_the_same_addresses(
        given in any_prefixes(),
        address in prop_oneof![any_v4(), any_v6()],
    ) {
        let holds = |set: &BTreeSet<Prefix>| set.iter().any(|prefix| prefix.contains(address));
        prop_assert_eq!(holds(&given), holds(&disjoint(&given)));
    }

    #[test]
    fn disjoint_prefixes_do_not_overlap(given in any_prefixes()) {
        let kept = disjoint(&given);
        for a in &kept {
            prop_assert!(given.contains(a));
            prop_assert!(kept.iter().all(|b| a == b || !a.overlaps(*b)));
        }
        prop_assert_eq!(disjoint(&kept), kept);
    }

    /// One meaning, one text: what is covered already, or how often it is said, does not show.
    #[test]
    fn what_is_covered_leaves_the_ruleset_as_it_is(
        masqueraded in any_prefixes(),
        spared in any_prefixes(),
    ) {
        let least = Firewall { masqueraded: disjoint(&masqueraded), spared: disjoint(&spared) };
        let given = Firewall { masqueraded, spared };
        prop_assert_eq!(given.ruleset(), least.ruleset());
        let table = normal_form(&given.table());
        prop_assert_eq!(normal_form(&table), table);
    }
}
