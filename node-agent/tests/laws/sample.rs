use gingham_agent::sample::{Fabric, Flavour, core};
use gingham_model::NodeName;
use std::net::IpAddr;

/// Zone z1 of the lab.
pub(crate) fn fabric() -> Fabric {
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
  neighbor reflectors6 route-map global in
  maximum-paths 64
  maximum-paths ibgp 64
 exit-address-family
exit
route-map global permit 10
 set ipv6 next-hop prefer-global
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

/// A fabric of one family, with a key and without long-lived stale routes.
#[test]
fn what_is_not_there_is_not_said() {
    let mut fabric = fabric();
    for (_, addresses) in &mut fabric.reflectors {
        addresses.retain(IpAddr::is_ipv4);
    }
    fabric.long_lived_stale_seconds = 0;
    fabric.password_secret = Some("bgp".to_owned());
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
