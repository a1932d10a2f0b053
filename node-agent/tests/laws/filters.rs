//! What each session of a zone lets through, one path at a time.

use gingham_agent::bgp::filters::{self, Home};
use gingham_bgp::attributes::{Attributes, Community};
use gingham_bgp::policy::{Decision, Filter, Rule, Subject};
use gingham_bgp::rib::Provenance;
use gingham_bgp::{Nlri, PeerId};
use gingham_model::{Family, Prefix};
use std::net::IpAddr;

/// Zone z1: one pool that is announced as a whole and one that is not.
fn home() -> Home {
    Home {
        pools: prefixes(&["10.101.0.0/16", "fd00:101::/48", "10.111.0.0/16"]),
        aggregates: prefixes(&["10.101.0.0/16", "fd00:101::/48"]),
        nodes: prefixes(&["10.1.0.0/24", "fd00:1::/64"]),
    }
}

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What becomes of a path to `prefix`.
fn judge(filter: &Filter, prefix: &str, provenance: Provenance) -> String {
    let prefix: Prefix = prefix.parse().unwrap();
    let next_hop: IpAddr = match prefix.family() {
        Family::V4 => "10.1.0.1".parse().unwrap(),
        Family::V6 => "fd00:1::1".parse().unwrap(),
    };
    let subject = Subject {
        nlri: Nlri::plain(prefix),
        attributes: &Attributes::originated(next_hop),
        peer: PeerId(1),
        origin_node: None,
        provenance,
    };
    match filter.decide(&subject) {
        Decision::Accept => "yes".to_owned(),
        Decision::Change(changed) => match changed.has(Community::NO_EXPORT) {
            true => "no-export".to_owned(),
            false => "changed".to_owned(),
        },
        Decision::Reject(rule) => rule.unwrap_or_default(),
    }
}

#[test]
fn a_core_is_told_all_of_the_zone_and_keeps_what_an_aggregate_stands_for() {
    use Provenance::{Outside, Own, Zone};
    let filter = filters::to_cores(&home());
    for (prefix, provenance, outcome) in [
        ("10.101.0.0/16", Own, "yes"),
        ("fd00:101::/48", Own, "yes"),
        ("10.101.11.0/24", Own, "no-export"),
        ("10.101.21.0/24", Zone, "no-export"),
        ("fd00:101:0:21::/64", Zone, "no-export"),
        // A pool without an aggregate, and a block whose pool is another zone's.
        ("10.111.21.0/24", Zone, "yes"),
        ("10.102.21.0/24", Zone, "yes"),
        // What another core says, a block that moved away included.
        ("10.101.22.0/24", Outside, "yes"),
        ("10.102.0.0/16", Outside, "yes"),
    ] {
        assert_eq!(
            judge(&filter, prefix, provenance),
            outcome,
            "{prefix} {provenance:?}"
        );
    }
    let plain = filters::to_cores(&Home {
        aggregates: Vec::new(),
        ..home()
    });
    assert_eq!(judge(&plain, "10.101.21.0/24", Zone), "yes");
}

#[test]
fn inside_the_zone_everybody_is_told_what_he_cannot_know_otherwise() {
    use Provenance::{Outside, Own, Zone};
    let fellow = filters::to_reflectors(&home());
    for (filter, prefix, provenance, outcome) in [
        (
            &filters::to_nodes(),
            "10.101.11.0/24",
            Own,
            "inside-the-zone",
        ),
        (
            &filters::to_nodes(),
            "10.101.0.0/16",
            Own,
            "inside-the-zone",
        ),
        (
            &filters::to_nodes(),
            "10.101.21.0/24",
            Zone,
            "inside-the-zone",
        ),
        (&filters::to_nodes(), "10.102.0.0/16", Outside, "yes"),
        (&filters::own(), "10.101.21.0/24", Own, "yes"),
        (&filters::own(), "10.102.0.0/16", Outside, "not-own"),
        (&filters::own(), "10.101.22.0/24", Zone, "not-own"),
        (&fellow, "10.101.11.0/24", Own, "yes"),
        (&fellow, "10.101.0.0/16", Own, "aggregate"),
        (&fellow, "10.101.21.0/24", Zone, "of-nodes"),
        (&fellow, "10.102.0.0/16", Outside, "yes"),
    ] {
        assert_eq!(
            judge(filter, prefix, provenance),
            outcome,
            "{prefix} {provenance:?}"
        );
    }
}

#[test]
fn nobody_outside_speaks_for_the_zone() {
    let filter = filters::outside(&home());
    for (prefix, outcome) in [
        ("10.101.0.0/16", "own-pool"),
        ("10.111.0.0/16", "own-pool"),
        ("fd00:101::/48", "own-pool"),
        ("10.1.0.0/24", "own-node-subnet"),
        ("10.1.0.21/32", "own-node-subnet"),
        ("fd00:1::21/128", "own-node-subnet"),
        ("127.0.0.0/8", "martian"),
        ("169.254.1.0/24", "martian"),
        ("240.0.0.0/5", "martian"),
        ("fe80::/64", "martian"),
        ("::1/128", "martian"),
        // Specifics of a node that moved away, supernets, other zones, and the default.
        ("10.101.21.0/24", "yes"),
        ("10.96.0.0/11", "yes"),
        ("10.0.0.0/8", "yes"),
        ("10.102.0.0/16", "yes"),
        ("0.0.0.0/0", "yes"),
        ("::/0", "yes"),
    ] {
        assert_eq!(
            judge(&filter, prefix, Provenance::Outside),
            outcome,
            "{prefix}"
        );
    }
    // Without pools and subnets a rule about them would match everything.
    let nothing = filters::outside(&Home::default());
    assert_eq!(judge(&nothing, "10.101.0.0/16", Provenance::Outside), "yes");
}

#[test]
fn a_peers_own_rules_come_behind_and_alone_can_allow_the_default() {
    let rule = |text: &str| -> Rule { serde_saphyr::from_str(text).unwrap() };
    let behind = |rules| filters::then(filters::outside(&home()), filters::of_peer_import(rules));
    let none = behind(Vec::new());
    let allowing = behind(vec![rule(
        "{name: default, prefixes: [{prefix: 0.0.0.0/0}], then: accept}",
    )]);
    let all = behind(vec![rule("{name: all, then: accept}")]);
    for (filter, prefix, outcome) in [
        (&none, "0.0.0.0/0", "default-route"),
        (&none, "::/0", "default-route"),
        (&none, "10.102.0.0/16", "yes"),
        (&allowing, "0.0.0.0/0", "yes"),
        (&allowing, "::/0", "default-route"),
        (&all, "10.101.0.0/16", "own-pool"),
        (&all, "127.0.0.0/8", "martian"),
    ] {
        assert_eq!(
            judge(filter, prefix, Provenance::Outside),
            outcome,
            "{prefix}"
        );
    }
}
