use super::*;
use differences::{Observed, differences};
use gingham_cni::{AddResult, Conf, Interface, LogLevel, Version};
use gingham_ipam::LeaseState;
use gingham_model::MacAddress;

const NETNS: &str = "/run/netns/p1";
const POD_MAC: MacAddress = MacAddress([0x02, 0x67, 1, 2, 3, 4]);

fn v4() -> IpAddr {
    "10.64.3.5".parse().unwrap()
}

fn v6() -> IpAddr {
    "fd00:10::5".parse().unwrap()
}

fn request(prev: AddResult) -> Check {
    Check {
        conf: Conf {
            version: Version::V1_0_0,
            name: "gingham".parse().unwrap(),
            plugin: "gingham".into(),
            run_dir: "/run/gingham".into(),
            log_file: None,
            log_level: LogLevel::Info,
            mtu: None,
            cooldown_seconds: None,
            disable_gc: false,
            status_on_exhaustion: false,
            proxy_arp: false,
        },
        attachment: gingham_cni::Attachment {
            network: "gingham".parse().unwrap(),
            container_id: "c1".parse().unwrap(),
            ifname: "eth0".parse().unwrap(),
        },
        netns: NETNS.into(),
        netns_override: false,
        prev,
    }
}

fn interface(name: &str, sandbox: Option<&str>) -> Interface {
    Interface {
        name: name.into(),
        sandbox: sandbox.map(str::to_owned),
        ..Interface::default()
    }
}

fn ip(address: IpAddr, interface: usize) -> IpConfig {
    let family = Family::of(address);
    IpConfig {
        address: (address, family.bits()),
        gateway: Some(gateway(family)),
        interface: Some(interface),
    }
}

fn result() -> AddResult {
    let default = |family| RouteConfig::new(Prefix::default_of(family), Some(gateway(family)));
    AddResult {
        interfaces: vec![
            interface("gh976e1e6b687e", None),
            interface("eth0", Some(NETNS)),
        ],
        ips: vec![ip(v4(), 1), ip(v6(), 1)],
        routes: Family::ALL.map(default).into(),
        dns: None,
    }
}

fn lease() -> Lease {
    Lease {
        network: "gingham".into(),
        container_id: "c1".into(),
        ifname: "eth0".into(),
        pod: String::new(),
        v4: Some("10.64.3.5".parse().unwrap()),
        v6: Some("fd00:10::5".parse().unwrap()),
        mac: POD_MAC,
        host_if: "gh976e1e6b687e".into(),
        state: LeaseState::Held,
        since: 1,
        unknown: gingham_ipam::Unknown::new(),
    }
}

fn wanted(request: Check, lease: Option<&Lease>) -> Expected {
    let names = Names::of(&request.attachment);
    expected(&request, names, lease)
}

#[test]
fn the_result_is_the_measure_and_the_lease_fills_its_gaps() {
    let (whole, lease) = (wanted(request(result()), None), lease());
    assert_eq!(whole.ours, [v4(), v6()]);
    assert_eq!(whole.pod.mac, None, "nobody tells");
    assert_eq!(whole.defaults.len(), 2);
    let filled = wanted(request(result()), Some(&lease));
    assert_eq!(filled.pod.mac, Some(POD_MAC));
    let of_kernel = Lease {
        mac: MacAddress::UNKNOWN,
        ..lease.clone()
    };
    let filled = wanted(request(result()), Some(&of_kernel));
    assert_eq!(
        filled.pod.mac, None,
        "nor does a lease that was recovered without"
    );
    let bare = wanted(request(AddResult::default()), Some(&lease));
    assert_eq!((bare.ours, bare.listed), (whole.ours, whole.listed));
    assert!(
        bare.defaults.is_empty(),
        "a later plugin has taken them out"
    );
}

#[test]
fn what_others_have_given_is_not_taken_for_ours() {
    let mut prev = result();
    prev.interfaces
        .push(interface("eth0", Some("/run/netns/p2")));
    prev.interfaces.push(interface("net1", Some(NETNS)));
    let other: IpAddr = "10.64.9.9".parse().unwrap();
    prev.ips.insert(0, ip(other, 2));
    prev.ips.insert(0, ip(other, 3));
    let added: IpAddr = "192.0.2.7".parse().unwrap();
    prev.ips.insert(
        0,
        IpConfig {
            address: (added, 24),
            ..ip(added, 1)
        },
    );
    let default = Prefix::default_of(Family::V4);
    prev.routes.insert(
        0,
        RouteConfig::new(default, Some("192.0.2.1".parse().unwrap())),
    );
    let want = wanted(request(prev), None);
    assert_eq!(want.ours, [v4(), v6()]);
    assert_eq!(want.listed, [(added, 24), (v4(), 32), (v6(), 128)]);
    assert_eq!(want.defaults, wanted(request(result()), None).defaults);
}

#[test]
fn a_default_route_is_looked_for_in_the_table_that_the_result_says() {
    let mut prev = result();
    prev.routes[0].table = Some(100);
    let want = wanted(request(prev), None);
    let tables: Vec<u32> = want.defaults.into_values().collect();
    assert_eq!(tables, [100, TABLE_MAIN]);
}

#[test]
fn of_nothing_at_all_everything_is_missing() {
    let found = differences(&wanted(request(result()), None), &Observed::default());
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "lease: want one of 10.64.3.5 and fd00:10::5, have none",
            "eth0 in the pod: want an interface, have none",
            "gh976e1e6b687e on the host: want an interface, have none",
        ]
    );
}
