//! What sessions are made of: fields of BGPPeer, RouteFilter and RoutingConfig, read and written.

use crate::make::object;
use crate::manifest::{ours, refusal};
use gingham_agent::manifest::{manifest, of_value, parse};
use gingham_agent::objects::{At, BgpPeer, Kind, Nodes, Object};
use gingham_bgp::config::{Connect, Excess, NextHopMode, Ttl};
use gingham_model::Family;

fn peer(spec: &str) -> BgpPeer {
    match object(Kind::BgpPeer, "core", spec) {
        Object::Peer(peer) => peer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_has_the_fields_field_by_field() {
    let least = peer("{peerIP: 10.250.1.0}");
    let expected = BgpPeer {
        name: "core".parse().unwrap(),
        zone: None,
        nodes: Nodes::Reflectors,
        at: At::Address("10.250.1.0".parse().unwrap()),
        as_number: None,
        port: 179,
        connect: Connect::Both,
        hold_seconds: None,
        password_secret: None,
        ttl: Ttl::Default,
        max_prefixes: None,
        next_hop: NextHopMode::Auto,
        allow_own_as: 0,
        families: [].into(),
        filters: vec![],
    };
    assert_eq!(least, expected);
    let most = peer(
        "{zone: z1, node: m1, defaultGateway: {ipFamilies: [IPv6]}, asNumber: 64512, port: 1179, \
         connect: passive, holdSeconds: 9, passwordSecret: core-key, ttlSecurity: {hops: 1}, \
         maxPrefixes: {count: 100, action: Warn}, nextHop: Own, allowOwnAS: 1, \
         families: [IPv4, IPv6], filters: [one, two]}",
    );
    assert_eq!(most.zone, Some("z1".parse().unwrap()));
    assert_eq!(most.nodes, Nodes::Named("m1".parse().unwrap()));
    let v6 = [Family::V6];
    assert_eq!(most.at, At::DefaultGateway(v6.into()));
    assert_eq!((most.as_number, most.port), (Some(64512), 1179));
    assert_eq!(
        (most.connect, most.hold_seconds),
        (Connect::Passive, Some(9))
    );
    assert_eq!(most.password_secret.unwrap().as_str(), "core-key");
    assert_eq!(most.ttl, Ttl::Security(1));
    let limit = most.max_prefixes.unwrap();
    assert_eq!((limit.count, limit.then), (100, Excess::Warn));
    assert_eq!((most.next_hop, most.allow_own_as), (NextHopMode::Own, 1));
    assert_eq!(most.families, Family::ALL.into());
    let filters = most.filters.iter().map(|filter| filter.as_str());
    assert!(filters.eq(["one", "two"]));

    let both = peer("{defaultGateway: {}, ebgpMultihop: {ttl: 4}}");
    let families = Family::ALL;
    assert_eq!(both.at, At::DefaultGateway(families.into()));
    assert_eq!(both.ttl, Ttl::Multihop(4));
    let chosen = peer("{nodeSelector: {matchLabels: {a: b}}, peerSelector: {}}");
    assert!(matches!(chosen.nodes, Nodes::Selected(_)));
    assert!(matches!(chosen.at, At::Selected(_)));
}

#[test]
fn what_is_wrong_with_sessions_is_named_by_field_and_value() {
    let config = |spec: &str| {
        let spec = format!("{{{spec}}}");
        refusal(Kind::RoutingConfig, "c", &ours("RoutingConfig", "c", &spec))
    };
    let zones = |first: &str, second: &str| {
        config(&format!(
            "zones: [{{name: z1, {first}}}, {{name: z2, {second}}}]"
        ))
    };
    let at = "peerIP: 10.1.0.1";
    let peer = |spec: &str| {
        let spec = format!("{{{spec}}}");
        refusal(Kind::BgpPeer, "p", &ours("BGPPeer", "p", &spec))
    };
    let with = |spec: &str| peer(&format!("{at}, {spec}"));
    let filter = |rule: &str| {
        let spec = format!("{{export: [{{name: r, {rule}}}]}}");
        refusal(Kind::RouteFilter, "f", &ours("RouteFilter", "f", &spec))
    };
    let expected = [
        (
            config("timers: {holdSeconds: 2}"),
            "spec.timers.holdSeconds: 2 is neither 0 nor 3 or more",
        ),
        (
            config("gracefulRestart: {restartSeconds: 4096}"),
            "spec.gracefulRestart.restartSeconds: 4096 is more than 4095",
        ),
        (
            config("gracefulRestart: {longLivedStaleSeconds: 16777216}"),
            "spec.gracefulRestart.longLivedStaleSeconds: 16777216 is more than 16777215",
        ),
        (config("multipath: 0"), "spec.multipath: 0 is not 1 to 128"),
        (
            config("multipath: 129"),
            "spec.multipath: 129 is not 1 to 128",
        ),
        (
            config("reflectors: {listenPort: 0}"),
            "spec.reflectors.listenPort: 0 is no port",
        ),
        (
            config("reflectors: {passwordSecret: A}"),
            "spec.reflectors.passwordSecret: secret name \"A\": must be 1 to 253 lower-case letters, \
             digits, '-' or '.', the first and last a letter or digit",
        ),
        (
            zones("asNumber: 64512", "asNumber: 64512"),
            "spec.zones[1].asNumber: 64512 is that of zone z1",
        ),
        (
            zones(
                "asNumber: 1, nodeCIDRs: [10.1.0.0/24]",
                "asNumber: 2, nodeCIDRs: [10.2.0.0/24, 10.0.0.0/15]",
            ),
            "spec.zones[1].nodeCIDRs[1]: 10.0.0.0/15 overlaps 10.1.0.0/24 of zone z1",
        ),
        (
            peer(""),
            "spec: must have exactly one of peerIP, peerSelector and defaultGateway, has none",
        ),
        (
            with("peerSelector: {}, defaultGateway: {}"),
            "spec: must have exactly one of peerIP, peerSelector and defaultGateway, has peerIP and \
             peerSelector and defaultGateway",
        ),
        (
            peer("peerIP: 'fe80::1'"),
            "spec.peerIP: fe80::1 is link-local: which link is meant cannot be said",
        ),
        (
            peer("peerIP: 224.0.0.1"),
            "spec.peerIP: 224.0.0.1 is multicast",
        ),
        (
            peer("peerIP: 10.1"),
            "spec.peerIP: invalid type: floating point `10.1`, expected IP address",
        ),
        (
            with("node: m1, nodeSelector: {}"),
            "spec.node: m1 must not be given with spec.nodeSelector",
        ),
        (
            peer("peerSelector: {}, asNumber: 7"),
            "spec.asNumber: 7 must not be given with spec.peerSelector: a node has the AS of its zone",
        ),
        (
            with("asNumber: 23456"),
            "spec.asNumber: 23456 is AS_TRANS (RFC 6793)",
        ),
        (with("port: 0"), "spec.port: 0 is no port"),
        (
            with("holdSeconds: 1"),
            "spec.holdSeconds: 1 is neither 0 nor 3 or more",
        ),
        (
            with("ttlSecurity: {hops: 0}"),
            "spec.ttlSecurity.hops: must be at least 1, is 0",
        ),
        (
            with("ebgpMultihop: {ttl: 0}"),
            "spec.ebgpMultihop.ttl: must be at least 1, is 0",
        ),
        (
            with("ttlSecurity: {hops: 1}, ebgpMultihop: {ttl: 2}"),
            "spec.ebgpMultihop.ttl: 2 must not be given with spec.ttlSecurity",
        ),
        (
            with("maxPrefixes: {count: 0, action: Reset}"),
            "spec.maxPrefixes.count: must be at least 1, is 0",
        ),
        (
            with("filters: [a, b, a]"),
            "spec.filters[2]: a is given twice",
        ),
        (
            with("nodeSelector: {matchExpressions: [{key: a, operator: In}]}"),
            "spec.nodeSelector: matchExpressions[0].values: must not be empty with In",
        ),
        (
            filter("then: accept, prefixes: [{prefix: 10.0.0.0/8, minLength: 4}]"),
            "spec.export[r].prefixes[10.0.0.0/8].minLength: 4 is outside 8 to 32",
        ),
        (
            filter("then: reject, actions: [{setMed: 5}]"),
            "spec.export[r].actions: a rule that rejects changes nothing, but has 1 actions",
        ),
        (
            filter("then: accept, prefix: [10.0.0.0/8]"),
            "spec.export[0].prefix: unknown field `prefix`",
        ),
    ];
    for (found, expected) in expected {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn unknown_fields_of_peers_are_only_told() {
    let text = ours(
        "BGPPeer",
        "p",
        "{peerIP: 10.1.0.1, bfd: {profile: fast}, maxPrefixes: {count: 1, warnAt: 80}}",
    );
    let parsed = parse(Kind::BgpPeer, "p", &text).unwrap();
    assert_eq!(parsed.unknown, ["spec.bfd", "spec.maxPrefixes.warnAt"]);
}

/// Specs with every field, and with every choice of those that have one.
pub(crate) fn specs() -> Vec<Object> {
    let config = "{zones: [{name: z1, asNumber: 64512, nodeCIDRs: [10.1.0.0/24]}], paused: true, \
                  zoneLabel: rack, nonMasqueradeCIDRs: [10.9.0.0/16], takeOverProtocols: [80], \
                  massRemovalHoldSeconds: 7, emptyBlockSeconds: 8, timers: {holdSeconds: 9}, \
                  gracefulRestart: {restartSeconds: 10, longLivedStaleSeconds: 11}, \
                  reflectors: {passwordSecret: key, listenPort: 1179}, multipath: 12}";
    let selector = "{matchLabels: {a: b}, matchExpressions: [{key: c, operator: DoesNotExist}]}";
    let mut all = vec![
        object(Kind::RoutingConfig, "default", "{}"),
        object(Kind::RoutingConfig, "default", config),
        object(
            Kind::ZonePool,
            "p",
            "{zone: z1, cidrs: [{cidr: 10.64.0.0/16, state: Draining}], blockSize: {v4: 27, v6: 120}, \
             aggregate: Zone, natOutgoing: false, cooldownSeconds: 5}",
        ),
        object(
            Kind::RouteFilter,
            "f",
            "{import: [{name: a, prefixes: [{prefix: 10.0.0.0/8, maxLength: 24}], asPath: {origin: 7}, \
             communities: [no-export], then: accept, actions: [{prepend: {asn: 7, count: 2}}]}], \
             export: [{name: b, then: reject}]}",
        ),
    ];
    let at = [
        "peerIP: 'fd00::1', asNumber: 7".to_owned(),
        format!("peerSelector: {selector}"),
        "defaultGateway: {ipFamilies: [IPv4]}".to_owned(),
    ];
    let nodes = [
        "zone: z1".to_owned(),
        "node: w1".to_owned(),
        format!("nodeSelector: {selector}"),
    ];
    let rest = [
        "ttlSecurity: {hops: 3}, nextHop: Unchanged, maxPrefixes: {count: 4, action: Reset}",
        "ebgpMultihop: {ttl: 3}, nextHop: Own, maxPrefixes: {count: 4, action: Warn}, port: 1179",
        "connect: active, holdSeconds: 0, passwordSecret: key, allowOwnAS: 2, families: [IPv6], \
         filters: [b, a]",
    ];
    for at in &at {
        for (nodes, rest) in nodes.iter().zip(rest) {
            let spec = format!("{{{at}, {nodes}, {rest}}}");
            all.push(object(Kind::BgpPeer, "p", &spec));
        }
    }
    all
}

#[test]
fn every_object_survives_being_written() {
    for object in specs() {
        let written = manifest(object.clone());
        let parsed = of_value(&written).unwrap();
        assert_eq!(parsed.object, object);
        assert!(parsed.unknown.is_empty(), "{written}");
    }
}
