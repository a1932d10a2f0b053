//! What follows from the cluster's objects for the speaker: part, sessions, filters, announcements; and
//! what is kept when objects suddenly say nothing.

use crate::make::{apply, block, edit_config, me, node};
use gingham_agent::bgp::derive::{Derived, Inputs, Presence, derive};
use gingham_agent::bgp::hearing::Hearing;
use gingham_agent::bgp::kept::Kept;
use gingham_agent::bgp::keys::Keys;
use gingham_agent::bgp::part::{self, labelled};
use gingham_agent::cluster::Cluster;
use gingham_agent::config::ZoneConfig;
use gingham_agent::manifest::parse;
use gingham_agent::objects::{Kind, Node, Object};
use gingham_agent::store::Event;
use gingham_bgp::config::{Connect, Neighbour, Role, Scope, When};
use gingham_bgp::speaker::{Heard, Sessions};
use gingham_model::{Family, NodeName, Prefix, SecretName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const REFLECTOR: &str = "node-role.kubernetes.io/control-plane";

/// What a derivation hangs on besides the cluster, to be bent by a test.
struct World {
    me: NodeName,
    cluster: Cluster,
    own_blocks: BTreeSet<Prefix>,
    gateways: BTreeSet<IpAddr>,
    keys: Keys,
    kept: Kept,
    now: Instant,
    presence: Presence,
}

impl World {
    /// Zone z1, AS 64601: reflectors m1 and m2, and this node w1 with a block of each family.
    fn new() -> Self {
        let blocks = ["10.64.1.0/26", "fd00:10::/122"];
        let mut cluster = crate::make::cluster(&[
            block(blocks[0], "w1", &["10.1.0.1", "fd00:1::1"]),
            block(blocks[1], "w1", &["10.1.0.1", "fd00:1::1"]),
            block("10.64.2.0/26", "w2", &["10.1.0.2", "fd00:1::2"]),
        ]);
        edit_config(&mut cluster, |config| {
            let zone = ZoneConfig {
                as_number: 64601,
                node_cidrs: vec![prefix("10.1.0.0/24"), prefix("fd00:1::/64")],
            };
            config.zones.insert("z1".parse().unwrap(), zone);
        });
        for (name, ips) in [
            ("m1", ["10.1.0.11", "fd00:1::11"]),
            ("m2", ["10.1.0.12", "fd00:1::12"]),
        ] {
            cluster.apply(apply(Object::Node(reflector(name, &ips))));
        }
        World {
            me: me(),
            cluster,
            own_blocks: blocks.map(prefix).into(),
            gateways: BTreeSet::new(),
            keys: Keys::default(),
            kept: Kept::default(),
            now: Instant::now(),
            presence: Presence::Present,
        }
    }

    /// The same zone as its reflector m1 sees it, with aggregates.
    fn reflecting() -> Self {
        let mut world = World::new();
        world.me = "m1".parse().unwrap();
        world.own_blocks = [prefix("10.64.11.0/26")].into();
        world.put(
            Kind::ZonePool,
            "z1",
            "zone: z1, aggregate: Zone, cidrs: [{cidr: 10.64.0.0/16}, {cidr: 'fd00:10::/48'}]",
        );
        world
    }

    fn put(&mut self, kind: Kind, name: &str, spec: &str) {
        self.cluster
            .apply(Event::Apply(Box::new(object(kind, name, spec))));
    }

    fn derive(&self) -> Result<Derived, String> {
        derive(&Inputs {
            me: &self.me,
            cluster: &self.cluster,
            own_blocks: &self.own_blocks,
            gateways: &self.gateways,
            keys: &self.keys,
            kept: &self.kept,
            presence: &self.presence,
        })
    }

    fn derived(&self) -> Derived {
        self.derive().unwrap()
    }

    /// Derives, and remembers as a running agent does.
    fn follow(&mut self) -> Derived {
        if let Ok((_, zone)) = self.cluster.identity(&self.me) {
            let labelled = labelled(&self.cluster, &zone).map(|node| &node.name);
            self.kept.observe(&labelled.collect(), self.now);
        }
        let derived = self.derived();
        self.kept.keep(&derived.part, derived.peers.clone());
        derived
    }
}

fn object(kind: Kind, name: &str, spec: &str) -> gingham_agent::manifest::Parsed {
    let text = format!(
        "{{apiVersion: {}, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}",
        kind.api_version()
    );
    parse(kind, name, &text).unwrap()
}

fn reflector(name: &str, ips: &[&str]) -> Node {
    let mut node = node(name, ips);
    node.labels.insert(REFLECTOR.to_owned(), String::new());
    node
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn names(derived: &Derived) -> Vec<&str> {
    let neighbours = derived.config.neighbours.iter();
    neighbours
        .map(|neighbour| neighbour.name.as_str())
        .collect()
}

fn neighbour<'a>(derived: &'a Derived, name: &str) -> &'a Neighbour {
    let mut neighbours = derived.config.neighbours.iter();
    let found = neighbours.find(|neighbour| neighbour.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {:?}", names(derived)))
}

fn announced(derived: &Derived) -> Vec<(String, When)> {
    let announced = derived.config.announce.iter();
    announced
        .map(|one| (one.prefix.to_string(), one.when))
        .collect()
}

#[test]
fn a_node_dials_every_reflector_in_every_family_and_says_its_own_blocks() {
    let derived = World::new().derived();
    assert_eq!(
        names(&derived),
        ["m1-ipv4", "m1-ipv6", "m2-ipv4", "m2-ipv6"]
    );
    let v6 = neighbour(&derived, "m2-ipv6");
    assert_eq!(v6.address, "fd00:1::12".parse::<IpAddr>().unwrap());
    assert_eq!(
        v6.settings.local_address,
        Some("fd00:1::1".parse().unwrap())
    );
    assert_eq!(
        (v6.connect, v6.settings.scope),
        (Connect::Active, Scope::Outside)
    );
    let families: Vec<Family> = v6.settings.families.keys().copied().collect();
    assert_eq!(families, [Family::V6]);
    assert_eq!(
        announced(&derived),
        [
            ("10.64.1.0/26".to_owned(), When::Always),
            ("fd00:10::/122".to_owned(), When::Always)
        ]
    );
    let config = &derived.config;
    assert!(
        config.listen.is_empty() && config.ranges.is_empty(),
        "{config:#?}"
    );
    assert_eq!(config.asn.0, 64601);
    assert_eq!(config.router_id.to_string(), "10.1.0.1");
    assert_eq!(config.territory.node, Some(me()));
    assert_eq!(config.territory.blocks.len(), 3);
    assert_eq!(derived.notices, [""; 0]);
}

#[test]
fn a_reflector_listens_for_its_zone_and_meets_the_other_reflectors() {
    let derived = World::reflecting().derived();
    assert_eq!(names(&derived), ["m2-ipv4", "m2-ipv6"]);
    let fellow = neighbour(&derived, "m2-ipv4");
    assert_eq!(
        (fellow.connect, fellow.settings.scope, fellow.settings.role),
        (Connect::Both, Scope::Fellow, Role::Peer)
    );
    let listen: Vec<String> = derived
        .config
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(listen, ["10.1.0.11:179", "[fd00:1::11]:179"]);
    let ranges = derived.config.ranges.iter();
    let ranges: Vec<(String, Role, Scope)> = ranges
        .map(|range| {
            (
                range.prefix.to_string(),
                range.settings.role,
                range.settings.scope,
            )
        })
        .collect();
    assert_eq!(
        ranges,
        [
            ("10.1.0.0/24".to_owned(), Role::Client, Scope::Node),
            ("fd00:1::/64".to_owned(), Role::Client, Scope::Node)
        ]
    );
    assert_eq!(
        announced(&derived),
        [
            ("10.64.11.0/26".to_owned(), When::Always),
            ("10.64.0.0/16".to_owned(), When::Contributed),
            ("fd00:10::/48".to_owned(), When::Contributed)
        ]
    );
}

#[test]
fn a_node_that_is_added_changes_no_session_and_no_filter() {
    let mut world = World::reflecting();
    let before = world.derived();
    let joined = block("10.64.9.0/26", "w9", &["10.1.0.9", "fd00:1::9"]);
    world.cluster.apply(apply(Object::Block(joined)));
    let mut after = world.derived();
    assert_ne!(after.config.territory, before.config.territory);
    after.config.territory = before.config.territory.clone();
    assert_eq!(after, before);
}

#[test]
fn without_an_as_for_the_zone_there_is_no_bgp_unless_there_was() {
    let mut world = World::new();
    world.follow();
    edit_config(&mut world.cluster, |config| config.zones.clear());
    let derived = world.derived();
    assert_eq!(derived.config.asn.0, 64601);
    assert_eq!(
        derived.notices,
        ["RoutingConfig default: spec.zones has no zone z1; AS 64601 counts on"]
    );
    world.kept = Kept::default();
    assert_eq!(
        world.derive().unwrap_err(),
        "RoutingConfig default: spec.zones has no zone z1"
    );
}

#[test]
fn the_reflector_set_never_becomes_empty() {
    let mut world = World::new();
    let before = world.follow();
    for name in ["m1", "m2"] {
        world
            .cluster
            .apply(Event::Delete(Kind::Node, name.to_owned()));
    }
    let after = world.follow();
    assert_eq!(after.config, before.config);
    assert_eq!(
        after.notices,
        ["zone z1 has no reflector any more: no Node of it is labelled as one; m1, m2 count on"]
    );
    // A new set counts at once, where the old one has long been without its label.
    world.now += Duration::from_secs(10);
    world
        .cluster
        .apply(apply(Object::Node(reflector("m3", &["10.1.0.13"]))));
    assert_eq!(names(&world.follow()), ["m3-ipv4"]);
}

/// Of two that lose their labels one after the other each has seen the other one's still there, in
/// whichever order a store tells it.
#[test]
fn reflectors_that_lose_their_labels_shortly_one_after_the_other_all_count_on() {
    for (first, second) in [("m1", "m2"), ("m2", "m1")] {
        let mut world = World::reflecting();
        let before = world.follow();
        let unlabelled = |name| {
            let last = if name == "m1" { "11" } else { "12" };
            let (v4, v6) = (format!("10.1.0.{last}"), format!("fd00:1::{last}"));
            apply(Object::Node(node(name, &[&v4, &v6])))
        };
        world.cluster.apply(unlabelled(first));
        assert_eq!(names(&world.follow()), names(&before), "{first}");
        assert_eq!(world.kept.next(), Some(world.now + Duration::from_secs(10)));
        world.now += Duration::from_secs(9);
        world.cluster.apply(unlabelled(second));
        world.follow();
        assert_eq!(world.kept.next(), None);
        world.now += Duration::from_secs(100);
        let after = world.follow();
        assert_eq!(after.part.role, part::Role::Reflector, "{first}");
        let count_on = "no Node of it is labelled as one; m1, m2 count on";
        assert!(after.notices[0].ends_with(count_on), "{:?}", after.notices);
    }
}

#[test]
fn a_reflector_without_its_label_is_none_after_a_while() {
    let mut world = World::reflecting();
    world.follow();
    let unlabelled = node("m1", &["10.1.0.11", "fd00:1::11"]);
    world.cluster.apply(apply(Object::Node(unlabelled)));
    assert_eq!(world.follow().part.role, part::Role::Reflector);
    world.now += Duration::from_secs(10);
    let after = world.follow();
    assert_eq!(after.part.role, part::Role::Node);
    assert_eq!(names(&after), ["m2-ipv4", "m2-ipv6"]);
    assert_eq!(world.kept.next(), None);
}

#[test]
fn addresses_that_are_gone_for_a_moment_end_no_session() {
    let mut world = World::new();
    let before = world.follow();
    world
        .cluster
        .apply(apply(Object::Node(reflector("m1", &[]))));
    assert_eq!(world.follow().config, before.config);
    world.cluster.apply(apply(Object::Node(node("w1", &[]))));
    assert_eq!(world.derive().unwrap_err(), "Node w1 has no InternalIP");
}

#[test]
fn a_core_is_found_by_address_by_selector_and_by_default_gateway() {
    let mut world = World::reflecting();
    world.put(
        Kind::BgpPeer,
        "a",
        "peerIP: 10.1.0.254, zone: z1, asNumber: 65000",
    );
    world.put(Kind::BgpPeer, "b", "peerIP: 10.2.0.254, zone: z2");
    world.put(Kind::BgpPeer, "c", "defaultGateway: {}");
    world.put(
        Kind::BgpPeer,
        "d",
        "nodeSelector: {matchLabels: {rack: r1}}, peerSelector: {matchLabels: {tor: 'yes'}}",
    );
    let mut own = reflector("m1", &["10.1.0.11", "fd00:1::11"]);
    own.labels.insert("rack".to_owned(), "r1".to_owned());
    let mut tor = reflector("tor", &["10.1.0.99", "fd00:1::99"]);
    tor.labels.insert("tor".to_owned(), "yes".to_owned());
    tor.labels
        .insert("topology.kubernetes.io/zone".to_owned(), "z9".to_owned());
    world.cluster.apply(apply(Object::Node(own)));
    world.cluster.apply(apply(Object::Node(tor)));
    world.gateways = ["10.1.0.1", "fd00:1::a", "fe80::1"]
        .map(|ip| ip.parse().unwrap())
        .into();
    let derived = world.derived();
    assert_eq!(
        names(&derived),
        [
            "m2-ipv4",
            "m2-ipv6",
            "a-10.1.0.254",
            "c-10.1.0.1",
            "c-fd00:1::a",
            "d-10.1.0.99",
            "d-fd00:1::99"
        ]
    );
    let external = neighbour(&derived, "a-10.1.0.254");
    assert_eq!(
        (external.settings.asn.0, external.settings.role),
        (65000, Role::Peer)
    );
    let internal = neighbour(&derived, "c-10.1.0.1");
    assert_eq!(
        (internal.settings.asn.0, internal.settings.role),
        (64601, Role::Client)
    );
    assert_eq!(derived.notices, [""; 0]);
}

#[test]
fn a_peer_is_of_the_reflectors_unless_it_names_others() {
    let mut world = World::new();
    world.put(Kind::BgpPeer, "core", "peerIP: 10.1.0.254");
    world.put(Kind::BgpPeer, "tor", "peerIP: 10.1.0.253, node: w1");
    world.put(Kind::BgpPeer, "other", "peerIP: 10.1.0.252, node: w2");
    let derived = world.derived();
    let direct: Vec<&str> = names(&derived).split_off(4);
    assert_eq!(direct, ["tor-10.1.0.253"]);
}

#[test]
fn what_cannot_be_followed_any_more_leaves_the_sessions_as_they_were() {
    let cases = [
        (
            "nodeSelector: {matchLabels: {rack: r1}}, peerIP: 10.1.0.254",
            "spec.nodeSelector: rack=r1 matches no Node",
        ),
        (
            "peerSelector: {matchLabels: {tor: 'yes'}}",
            "spec.peerSelector: tor=yes matches no other Node",
        ),
        (
            "peerIP: 10.1.0.254, filters: [none]",
            "spec.filters[0]: there is no RouteFilter none",
        ),
        (
            "peerIP: 10.1.0.254, passwordSecret: none",
            "spec.passwordSecret: Secret none: was not read",
        ),
    ];
    for (spec, why) in cases {
        let mut world = World::reflecting();
        world.put(Kind::BgpPeer, "core", spec);
        let derived = world.derived();
        assert_eq!(names(&derived), ["m2-ipv4", "m2-ipv6"]);
        let notice = format!("BGPPeer core: {why}; it has no session here");
        assert_eq!(derived.notices, [notice]);

        world.put(Kind::BgpPeer, "core", "peerIP: 10.1.0.253");
        let before = world.follow();
        world.put(Kind::BgpPeer, "core", spec);
        let after = world.follow();
        assert_eq!(after.config, before.config, "{spec}");
        let notice = format!("BGPPeer core: {why}; its sessions stay as they were");
        assert_eq!(after.notices, [notice]);
    }
}

#[test]
fn one_bad_peer_harms_no_other_and_an_address_has_one_session() {
    let mut world = World::reflecting();
    world.put(Kind::BgpPeer, "a", "peerIP: 10.1.0.254");
    world.put(Kind::BgpPeer, "b", "peerIP: 10.1.0.254, holdSeconds: 9");
    world.put(Kind::BgpPeer, "c", "peerIP: 10.1.0.12");
    world.put(Kind::BgpPeer, "d", "peerIP: 10.1.0.253, filters: [none]");
    let derived = world.derived();
    assert_eq!(names(&derived), ["m2-ipv4", "m2-ipv6", "a-10.1.0.254"]);
    assert_eq!(
        derived.notices,
        [
            "BGPPeer b: 10.1.0.254 has the session \"a-10.1.0.254\" already",
            "BGPPeer c: 10.1.0.12 has the session \"m2-ipv4\" already",
            "BGPPeer d: spec.filters[0]: there is no RouteFilter none; it has no session here",
        ]
    );
}

#[test]
fn the_key_of_the_zone_covers_its_node_subnets() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("zone")).unwrap();
    std::fs::write(dir.path().join("zone/password"), "s3cret\n").unwrap();
    let secret: SecretName = "zone".parse().unwrap();
    let mut world = World::reflecting();
    edit_config(&mut world.cluster, |config| {
        config.reflectors.password_secret = Some(secret.clone());
    });
    assert!(world.derive().unwrap_err().contains("passwordSecret"));
    world.keys = Keys::read(dir.path(), &[secret].into());
    world.put(Kind::BgpPeer, "core", "peerIP: 10.1.0.254");
    world.put(
        Kind::BgpPeer,
        "far",
        "peerIP: 10.250.0.1, ebgpMultihop: {ttl: 2}, asNumber: 65000",
    );
    let derived = world.derived();
    let keyed = derived
        .config
        .ranges
        .iter()
        .all(|range| range.settings.password.is_some());
    assert!(keyed && neighbour(&derived, "m2-ipv4").settings.password.is_some());
    assert_eq!(names(&derived), ["m2-ipv4", "m2-ipv6", "far-10.250.0.1"]);
    assert!(
        derived.notices[0]
            .starts_with("BGPPeer core: spec.passwordSecret: is missing, but 10.1.0.254"),
        "{:?}",
        derived.notices
    );
    assert!(!format!("{derived:?}").contains("s3cret"));
}

#[test]
fn a_node_that_goes_away_announces_nothing() {
    let mut world = World::reflecting();
    world.presence = Presence::Withdrawn("it is told to".to_owned());
    let derived = world.derived();
    assert_eq!(announced(&derived), []);
    assert_eq!(derived.notices, ["nothing is announced: it is told to"]);
}

#[test]
fn nodes_and_reflectors_move_with_their_zone() {
    let mut world = World::new();
    world.follow();
    edit_config(&mut world.cluster, |config| {
        let zone = ZoneConfig {
            as_number: 64602,
            node_cidrs: vec![prefix("10.2.0.0/24")],
        };
        config.zones.insert("z2".parse().unwrap(), zone);
    });
    world.cluster.believe(Some("z2".parse().unwrap()));
    let derived = world.derived();
    assert_eq!(derived.config.asn.0, 64602);
    assert_eq!(names(&derived), [""; 0], "reflectors of z1 are none of z2");
    // Its own blocks come along, whatever zone they are written to be of.
    assert_eq!(derived.config.territory.blocks.len(), 2);
    assert_eq!(announced(&derived).len(), 2);
}

/// Sessions of which these have ended these families.
fn heard(ended: &[(&str, Family)]) -> Sessions {
    let mut neighbours: BTreeMap<String, Heard> = BTreeMap::new();
    for (name, family) in ended {
        let heard = neighbours.entry((*name).to_owned()).or_default();
        heard.established = true;
        heard.ended.insert(*family);
    }
    Sessions {
        deferring: false,
        neighbours,
    }
}

#[test]
fn a_family_is_heard_out_by_all_or_in_time() {
    let config = World::new().derived().config;
    let start = Instant::now();
    let after = |seconds: u64| start + Duration::from_secs(seconds);
    let restart = u64::from(config.graceful_restart.restart_seconds);
    let long = u64::from(config.graceful_restart.long_lived_stale_seconds);
    let mut hearing = Hearing::new(start);
    let pending = |hearing: &Hearing, now| -> Vec<Family> {
        hearing.pending(&config, now).into_keys().collect()
    };
    // Who has no neighbour has nothing to wait for.
    let mut alone = config.clone();
    alone.neighbours.clear();
    assert_eq!(hearing.pending(&alone, start), BTreeMap::new());
    // Nobody: for as long as stale routes are kept.
    assert_eq!(pending(&hearing, after(long - 1)), Family::ALL);
    assert_eq!(pending(&hearing, after(long)), []);
    // One of two: for the restart time.
    hearing.hear(&heard(&[("m1-ipv4", Family::V4), ("m1-ipv6", Family::V6)]));
    assert_eq!(pending(&hearing, after(restart - 1)), Family::ALL);
    assert_eq!(hearing.next(&config, start), Some(after(restart)));
    let said = hearing.pending(&config, start)[&Family::V4].clone();
    assert_eq!(said, "m2-ipv4 has yet to say which IPv4 prefixes it has");
    assert_eq!(pending(&hearing, after(restart)), []);
    // All, in one family; later losses change nothing.
    hearing.hear(&heard(&[("m2-ipv4", Family::V4)]));
    hearing.hear(&heard(&[]));
    assert_eq!(pending(&hearing, start), [Family::V6]);
}
