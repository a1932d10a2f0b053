use crate::make;
use gingham_agent::config::ZoneConfig;
use gingham_agent::manifest::parse;
use gingham_agent::objects::{Kind, Node, Object};
use gingham_agent::sample::{Fabric, Flavour, core};
use gingham_model::NodeName;
use std::net::IpAddr;

/// Zone z1 of the lab.
fn fabric() -> Fabric {
    let reflector = |name: &str, addresses: [&str; 2]| -> (NodeName, Vec<IpAddr>) {
        let addresses = addresses.map(|address| address.parse().unwrap());
        (name.parse().unwrap(), addresses.to_vec())
    };
    Fabric {
        zone: "z1".parse().unwrap(),
        as_number: 64601,
        node_cidrs: ["10.1.0.0/24", "fd00:1::/64"]
            .map(|cidr| cidr.parse().unwrap())
            .to_vec(),
        reflectors: vec![
            reflector("z1m1", ["10.1.0.11", "fd00:1::11"]),
            reflector("z1m2", ["10.1.0.12", "fd00:1::12"]),
        ],
        port: 179,
        hold_seconds: 30,
        long_lived_stale_seconds: 86_400,
        peer: None,
        password_secret: None,
    }
}

const FLAVOURS: [Flavour; 4] = [Flavour::Frr, Flavour::Bird, Flavour::Eos, Flavour::Junos];

/// The lines that are no comments.
fn said(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with(['!', '#']));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_sample_for_frr_is_this() {
    let expected = "\
router bgp 64601
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 bgp long-lived-graceful-restart stale-time 86400
 neighbor reflectors4 peer-group
 neighbor reflectors4 remote-as 64601
 neighbor reflectors4 timers 10 30
 neighbor reflectors4 timers connect 5
 neighbor 10.1.0.11 peer-group reflectors4
 neighbor 10.1.0.11 description z1m1
 neighbor 10.1.0.12 peer-group reflectors4
 neighbor 10.1.0.12 description z1m2
 neighbor reflectors6 peer-group
 neighbor reflectors6 remote-as 64601
 neighbor reflectors6 timers 10 30
 neighbor reflectors6 timers connect 5
 neighbor fd00:1::11 peer-group reflectors6
 neighbor fd00:1::11 description z1m1
 neighbor fd00:1::12 peer-group reflectors6
 neighbor fd00:1::12 description z1m2
 address-family ipv4 unicast
  network 10.1.0.0/24
  neighbor reflectors4 activate
  neighbor reflectors4 next-hop-self
  maximum-paths 64
  maximum-paths ibgp 64
 exit-address-family
 address-family ipv6 unicast
  network fd00:1::/64
  neighbor reflectors6 activate
  neighbor reflectors6 next-hop-self
  maximum-paths 64
  maximum-paths ibgp 64
 exit-address-family
exit
";
    assert_eq!(said(&core(Flavour::Frr, &fabric())), expected);
}

#[test]
fn every_sample_has_every_session_and_no_aggregate() {
    for flavour in FLAVOURS {
        let text = core(flavour, &fabric());
        for word in [
            "64601",
            "10.1.0.11",
            "10.1.0.12",
            "fd00:1::11",
            "fd00:1::12",
            "z1m2",
            "10.1.0.0/24",
        ] {
            assert!(
                said(&text).contains(word),
                "{flavour}: {word} is not in {text}"
            );
        }
        assert!(!said(&text).contains("aggregate"), "{flavour}: {text}");
        assert!(!text.contains("KEY"), "{flavour}: {text}");
    }
}

#[test]
fn what_the_lab_does_not_run_says_so() {
    for flavour in FLAVOURS {
        let unproven = core(flavour, &fabric()).contains("NOT RUN: ");
        assert_eq!(
            unproven,
            matches!(flavour, Flavour::Eos | Flavour::Junos),
            "{flavour}"
        );
    }
}

fn node(name: &str, zone: &str, labels: &[&str]) -> Node {
    let mut node = make::node(name, &["10.1.0.11", "fd00:1::11"]);
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    node.labels = labels.iter().map(|key| label(key, "")).collect();
    node.labels
        .extend([label("topology.kubernetes.io/zone", zone)]);
    node
}

/// What an agent knows is what the sample is made of.
#[test]
fn a_fabric_is_that_of_the_zone() {
    const MASTER: &str = "node-role.kubernetes.io/control-plane";
    let mut cluster = make::cluster(&[]);
    let unknown = Fabric::of(&cluster, &make::me()).unwrap_err();
    assert_eq!(unknown, "RoutingConfig default: spec.zones has no zone z1");
    make::edit_config(&mut cluster, |config| {
        let zone = ZoneConfig {
            as_number: 64601,
            node_cidrs: Vec::new(),
        };
        config.zones = [("z1".parse().unwrap(), zone)].into();
        config.timers.hold_seconds = 9;
        config.reflectors.listen_port = 1179;
    });
    let alone = Fabric::of(&cluster, &make::me()).unwrap_err();
    assert_eq!(alone, "no Node of zone z1 is known that is a reflector");
    for node in [
        node("m1", "z1", &[MASTER]),
        node(
            "i1",
            "z1",
            &["node-restriction.kubernetes.io/gingham-ingress"],
        ),
        node("m9", "z2", &[MASTER]),
    ] {
        cluster.apply(make::apply(Object::Node(node)));
    }
    let fabric = Fabric::of(&cluster, &make::me()).unwrap();
    let names: Vec<&str> = fabric
        .reflectors
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["m1"]);
    assert_eq!(
        (fabric.port, fabric.hold_seconds, &fabric.peer),
        (1179, 9, &None)
    );
    assert!(core(Flavour::Frr, &fabric).contains("once a BGPPeer has its address"));

    let text = |zone: &str| {
        format!(
            "{{apiVersion: gingham.dev/v1alpha1, kind: BGPPeer, metadata: {{name: core-{zone}}}, spec: \
             {{zone: {zone}, peerIP: 10.1.0.1, holdSeconds: 6, passwordSecret: keys}}}}"
        )
    };
    for zone in ["z2", "z1"] {
        let name = format!("core-{zone}");
        let parsed = parse(Kind::BgpPeer, &name, &text(zone)).unwrap();
        cluster.apply(make::apply(parsed.object));
    }
    let fabric = Fabric::of(&cluster, &make::me()).unwrap();
    assert_eq!(fabric.hold_seconds, 6);
    let text = core(Flavour::Frr, &fabric);
    assert!(text.contains("by BGPPeer core-z1.\n"), "{text}");
    assert!(
        text.contains("KEY stands for the key of Secret keys.\n"),
        "{text}"
    );
}

/// A fabric of one family, with a key and without long-lived stale routes.
#[test]
fn what_is_not_there_is_not_said() {
    let mut fabric = fabric();
    for (_, addresses) in &mut fabric.reflectors {
        addresses.retain(IpAddr::is_ipv4);
    }
    fabric.long_lived_stale_seconds = 0;
    fabric.password_secret = Some("bgp".parse().unwrap());
    for flavour in FLAVOURS {
        let text = core(flavour, &fabric);
        let lines = said(&text);
        assert!(
            !lines.contains("fd00:1::11") && !lines.contains("ipv6 unicast"),
            "{text}"
        );
        assert!(
            lines.contains("KEY") && text.contains("Secret bgp"),
            "{text}"
        );
    }
}

#[test]
fn a_language_is_named_as_it_is_printed() {
    for flavour in FLAVOURS {
        assert_eq!(flavour.to_string().parse(), Ok(flavour));
    }
    let wrong = "ios".parse::<Flavour>().unwrap_err();
    assert_eq!(wrong, "must be frr, bird, eos or junos");
}
