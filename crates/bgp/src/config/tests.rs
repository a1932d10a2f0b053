//! What is taken, and how the rest is refused.

mod text;

use super::*;
use crate::policy::{Action, PrefixRange};

const VALID: &str = r#"
asn: 64512
routerId: 10.0.0.1
listen: ["0.0.0.0:179"]
neighbours:
  - {name: core1, address: 10.0.0.2, asn: 64513, import: all}
  - {name: node1, address: 10.0.0.3, asn: 64512, role: client, families: {IPv4: {maxPrefixes: {count: 9}}}}
ranges:
  - {name: nodes, prefix: 10.1.0.0/16, asn: 64512, password: "1", scope: node}
filters:
  all: {rules: [{name: ten, prefixes: [{prefix: 10.0.0.0/8}], then: accept, actions: [{prepend: {asn: 64512, count: 1}}]}], next: {rules: [{name: all, provenance: [zone, outside], then: accept}]}}
announce:
  - {prefix: 10.2.0.0/24}
  - {prefix: 10.64.0.0/16, when: contributed}
territory: {node: m1, blocks: {10.65.0.0/24: {node: m1, addresses: [10.1.0.1, 'fd00:1::1']}}}
"#;

fn read(yaml: &str) -> Result<Config, String> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
}

fn valid() -> Config {
    read(VALID).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// All that is wrong, as text, after `change`.
fn refused(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let mut config = valid();
    change(&mut config);
    let errors = config.check().err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}

fn range_of(config: &mut Config) -> &mut PrefixRange {
    &mut rule(config).prefixes[0]
}

fn rule(config: &mut Config) -> &mut crate::policy::Rule {
    let all = config.filters.get_mut(&FilterName("all".into())).unwrap();
    &mut all.rules[0]
}

type Case = (fn(&mut Config), &'static str);

fn all_refused(table: &[Case]) {
    for (change, expected) in table {
        assert_eq!(refused(change), [*expected]);
    }
}

#[test]
fn the_speaker_itself() {
    all_refused(&[
        (
            |c| (c.asn, c.neighbours[1].settings.role) = (Asn(65535), Role::Peer),
            "asn: 65535 is reserved (RFC 7300) and cannot be the number of an AS",
        ),
        (
            |c| c.router_id.0 = [0; 4].into(),
            "routerId: 0.0.0.0 cannot identify a router: it is unspecified",
        ),
        (
            |c| c.router_id.0 = [224, 0, 0, 5].into(),
            "routerId: 224.0.0.5 cannot identify a router: it is multicast",
        ),
        (
            |c| c.router_id.0 = [255; 4].into(),
            "routerId: 255.255.255.255 cannot identify a router: it is broadcast",
        ),
        (
            |c| c.cluster_id = Some(RouterId([0; 4].into())),
            "clusterId: 0.0.0.0 cannot identify a router: it is unspecified",
        ),
        (
            |c| c.graceful_restart.restart_seconds = 4096,
            "gracefulRestart.restartSeconds: 4096 is more than 4095",
        ),
        (
            |c| c.graceful_restart.long_lived_stale_seconds = 1 << 24,
            "gracefulRestart.longLivedStaleSeconds: 16777216 is more than 16777215",
        ),
        (|c| c.multipath = 0, "multipath: must be at least 1, is 0"),
        (|c| c.multipath = 129, "multipath: 129 is more than 128"),
        (
            |c| c.announce.push(c.announce[0].clone()),
            "announce[10.2.0.0/24].prefix: 10.2.0.0/24 is used twice",
        ),
        (
            |c| c.announce[0].next_hop = Some(ip("fd00::1")),
            "announce[10.2.0.0/24].nextHop: fd00::1 is not IPv4, as 10.2.0.0/24 is",
        ),
        (
            |c| c.announce[0].next_hop = Some(ip("0.0.0.0")),
            "announce[10.2.0.0/24].nextHop: 0.0.0.0 is no address of a host: it is unspecified",
        ),
    ]);
}

#[test]
fn who_peers_are() {
    all_refused(&[
        (
            |c| c.neighbours[0].name.clear(),
            "neighbours[0].name: is empty",
        ),
        (
            |c| c.neighbours[0].name = "core 1".into(),
            "neighbours[core 1].name: \"core 1\" has a blank, a control character or a slash",
        ),
        (
            |c| c.neighbours[1].name = "core1".into(),
            "neighbours[core1].name: \"core1\" is used twice",
        ),
        (
            |c| c.ranges[0].name = "core1".into(),
            "ranges[core1].name: \"core1\" is used twice",
        ),
        (
            |c| c.neighbours[1].address = ip("10.0.0.2"),
            "neighbours[node1].address: 10.0.0.2 is used twice",
        ),
        (
            |c| c.neighbours[1].address = ip("224.0.0.1"),
            "neighbours[node1].address: 224.0.0.1 is no address of a host: it is multicast",
        ),
        (
            |c| c.neighbours[1].address = ip("::ffff:10.0.0.3"),
            "neighbours[node1].address: ::ffff:10.0.0.3 is no address of a host: it is IPv4 in disguise",
        ),
        (
            |c| c.neighbours[0].port = 0,
            "neighbours[core1].port: must be at least 1, is 0",
        ),
        (
            |c| {
                (c.neighbours[1].address, c.neighbours[1].connect) =
                    (ip("fd00::3"), Connect::Passive)
            },
            "neighbours[node1].connect: passive only waits for connections, but the speaker listens at no IPv6 address",
        ),
        (
            |c| c.listen.clear(),
            "ranges[nodes].prefix: a range only waits for connections, but the speaker listens at no IPv4 address",
        ),
        (
            |c| c.ranges[0].limit = 0,
            "ranges[nodes].limit: must be at least 1, is 0",
        ),
        (
            |c| {
                c.ranges.push(Range {
                    name: "more".into(),
                    ..c.ranges[0].clone()
                })
            },
            "ranges[more].prefix: 10.1.0.0/16 is used twice",
        ),
    ]);
}

#[test]
fn what_sessions_are_to_be() {
    all_refused(&[
        (
            |c| c.neighbours[0].settings.asn = Asn(0),
            "neighbours[core1].asn: 0 is reserved (RFC 7607) and cannot be the number of an AS",
        ),
        (
            |c| c.neighbours[0].settings.asn = Asn(23456),
            "neighbours[core1].asn: 23456 is reserved (AS_TRANS, RFC 6793) and cannot be the number of an AS",
        ),
        (
            |c| c.ranges[0].settings.asn = Asn(u32::MAX),
            "ranges[nodes].asn: 4294967295 is reserved (RFC 7300) and cannot be the number of an AS",
        ),
        (
            |c| c.neighbours[0].settings.local_address = Some(ip("fd00::1")),
            "neighbours[core1].localAddress: fd00::1 is not IPv4, as 10.0.0.2 is",
        ),
        (
            |c| c.ranges[0].settings.local_address = Some(ip("fd00::1")),
            "ranges[nodes].localAddress: fd00::1 is not IPv4, as 10.1.0.0/16 is",
        ),
        (
            |c| c.neighbours[0].settings.role = Role::Client,
            "neighbours[core1].role: a client is an internal peer, but AS 64513 is not ours",
        ),
        (
            |c| c.neighbours[0].settings.hold_seconds = 2,
            "neighbours[core1].holdSeconds: 2 is neither 0 nor 3 or more",
        ),
        (
            |c| c.ranges[0].settings.hold_seconds = 1,
            "ranges[nodes].holdSeconds: 1 is neither 0 nor 3 or more",
        ),
        (
            |c| c.neighbours[0].settings.password = Some(Password(String::new())),
            "neighbours[core1].password: has 0 octets, 1 to 80 are possible",
        ),
        (
            |c| c.neighbours[0].settings.password = Some(Password("é".repeat(41))),
            "neighbours[core1].password: has 82 octets, 1 to 80 are possible",
        ),
        (
            |c| c.neighbours[0].settings.ttl = Ttl::Multihop(0),
            "neighbours[core1].ttl.multihop: must be at least 1, is 0",
        ),
        (
            |c| c.neighbours[0].settings.ttl = Ttl::Security(0),
            "neighbours[core1].ttl.security: must be at least 1, is 0",
        ),
        (
            |c| c.neighbours[0].settings.import = Some(FilterName("al".into())),
            "neighbours[core1].import: there is no filter \"al\"",
        ),
        (
            |c| c.ranges[0].settings.export = Some(FilterName("al".into())),
            "ranges[nodes].export: there is no filter \"al\"",
        ),
        (
            |c| {
                let families = &mut c.neighbours[1].settings.families;
                let ipv4 = families.get_mut(&gingham_model::Family::V4).unwrap();
                ipv4.max_prefixes.as_mut().unwrap().count = 0;
            },
            "neighbours[node1].families[IPv4].maxPrefixes.count: must be at least 1, is 0",
        ),
    ]);
}

#[test]
fn what_filters_ask_and_do() {
    all_refused(&[
        (
            |c| {
                drop(c.filters.insert(
                    FilterName(String::new()),
                    c.filters[&FilterName("all".into())].clone(),
                ))
            },
            "filters[]: is empty",
        ),
        (
            |c| rule(c).name.clear(),
            "filters[all].rules[0].name: is empty",
        ),
        (
            |c| {
                let twin = rule(c).clone();
                c.filters
                    .get_mut(&FilterName("all".into()))
                    .unwrap()
                    .rules
                    .push(twin);
            },
            "filters[all].rules[ten].name: \"ten\" is used twice",
        ),
        (
            |c| range_of(c).min_length = Some(7),
            "filters[all].rules[ten].prefixes[10.0.0.0/8].minLength: 7 is outside 8 to 32",
        ),
        (
            |c| range_of(c).max_length = Some(33),
            "filters[all].rules[ten].prefixes[10.0.0.0/8].maxLength: 33 is outside 8 to 32",
        ),
        (
            |c| (range_of(c).min_length, range_of(c).max_length) = (Some(24), Some(16)),
            "filters[all].rules[ten].prefixes[10.0.0.0/8].maxLength: 16 is outside 24 to 32",
        ),
        (
            |c| {
                rule(c).actions = vec![
                    Action::SetMed(1),
                    Action::Prepend {
                        asn: Asn(64512),
                        count: 0,
                    },
                ]
            },
            "filters[all].rules[ten].actions[1].prepend.count: must be at least 1, is 0",
        ),
        (
            |c| {
                rule(c).actions = vec![Action::Prepend {
                    asn: Asn(0),
                    count: 1,
                }]
            },
            "filters[all].rules[ten].actions[0].prepend.asn: 0 is reserved (RFC 7607) and cannot be the number of an AS",
        ),
        (
            |c| rule(c).then = crate::policy::Verdict::Reject,
            "filters[all].rules[ten].actions: a rule that rejects changes nothing, but has 1 actions",
        ),
    ]);
}

#[test]
fn filters_behind_others_and_the_territory() {
    fn block(c: &mut Config, block: &str, address: &str) {
        let holder = Holder {
            node: "w1".to_owned().try_into().unwrap(),
            addresses: vec![ip(address)],
        };
        Arc::make_mut(&mut c.territory)
            .blocks
            .insert(block.parse().unwrap(), holder);
    }
    all_refused(&[
        (
            |c| {
                let name = FilterName("all".into());
                let mut next = c.filters[&name].clone();
                next.rules[0].name.clear();
                c.filters.get_mut(&name).unwrap().next = Some(Box::new(next));
            },
            "filters[all].next.rules[0].name: is empty",
        ),
        (
            |c| {
                for text in [
                    "10.64.0.0/24",
                    "10.64.0.64/26",
                    "10.64.1.0/24",
                    "10.63.0.0/16",
                ] {
                    block(c, text, "10.0.0.9");
                }
            },
            "territory.blocks[10.64.0.64/26]: shares addresses with the block 10.64.0.0/24",
        ),
        (
            |c| block(c, "10.64.0.0/24", "0.0.0.0"),
            "territory.blocks[10.64.0.0/24].addresses: 0.0.0.0 is no address of a host: it is unspecified",
        ),
    ]);
}

#[test]
fn the_password_of_a_range_counts_for_everybody_in_it() {
    const OF_RANGE: &str = "password: is missing, but the password of range \"nodes\" counts for every connection \
                            from 10.1.0.0/16";
    let inside = |c: &mut Config| c.neighbours[0].address = ip("10.1.2.3");
    assert_eq!(refused(inside), [format!("neighbours[core1].{OF_RANGE}")]);
    let dialled = |c: &mut Config| {
        inside(c);
        c.neighbours[0].connect = Connect::Active;
    };
    assert_eq!(refused(dialled), [""; 0], "nobody asks the listener");
    let own = |c: &mut Config| {
        inside(c);
        c.neighbours[0].settings.password = Some(Password("other".into()));
    };
    assert_eq!(refused(own), [""; 0], "the kernel takes the longest prefix");
    let nested = |c: &mut Config| {
        let mut inner = c.ranges[0].clone();
        (inner.name, inner.prefix) = ("inner".into(), "10.1.2.0/24".parse().unwrap());
        c.ranges.push(inner);
    };
    assert_eq!(refused(nested), [""; 0], "the longest range counts");
    let bare = |c: &mut Config| {
        nested(c);
        c.ranges[1].settings.password = None;
    };
    assert_eq!(refused(bare), [format!("ranges[inner].{OF_RANGE}")]);
}

#[test]
fn every_fault_is_told() {
    let faults = refused(|c| {
        c.asn = Asn(0);
        c.neighbours[1].settings.hold_seconds = 1;
        c.multipath = 0;
    });
    // The fourth: in AS 0 our client would be an external peer.
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults[0].starts_with("asn: 0 "), "{faults:?}");
}
