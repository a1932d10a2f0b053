//! What `explain` says is what the kernel does: of real routes, in a namespace.

use crate::kernel::World;
use gingham_agent::cluster::Cluster;
use gingham_agent::explain::{Explained, Inputs, Kernel, explain};
use std::process::Command;

/// Routes of every owner, and of others.
const ROUTES: [&str; 15] = [
    "default via 10.1.0.254 dev eth0 proto static",
    "default via fd00:1::254 dev eth0 proto static",
    "10.64.2.0/24 via 10.1.0.2 dev eth0 proto 201 metric 12",
    "10.64.2.0/24 via 10.1.0.3 dev eth0 proto static metric 20",
    "fd00:10:2::/64 via fd00:1::2 dev eth0 proto 201 metric 12",
    "10.65.0.0/16 proto 202 metric 40 nexthop via 10.1.0.11 dev eth0 nexthop via 10.1.0.12 dev eth0",
    "fd00:11::/48 proto 202 metric 40 nexthop via fd00:1::11 dev eth0 nexthop via fd00:1::12 dev eth0",
    "10.65.7.0/24 via 10.1.0.7 dev eth0 proto bird metric 32",
    "unreachable 10.64.1.0/24 proto 203 metric 4000000000",
    "unreachable fd00:10:1::/64 proto 203 metric 4000000000",
    "10.64.1.7 dev eth0 proto 200 metric 10 scope link",
    "fd00:10:1::7 dev eth0 proto 200 metric 10",
    "blackhole 192.0.2.0/24",
    "prohibit 198.51.100.0/24",
    "throw 203.0.113.0/24",
];

/// At least one address under each, own ones, and such that nothing leads to but the default.
const ADDRESSES: [&str; 19] = [
    "10.64.2.7",
    "fd00:10:2::7",
    "10.65.9.1",
    "10.65.7.1",
    "fd00:11::1",
    "10.64.1.7",
    "10.64.1.8",
    "fd00:10:1::7",
    "fd00:10:1::8",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "10.1.0.1",
    "10.1.0.77",
    "10.1.0.255",
    "fd00:1::1",
    "127.0.0.1",
    "9.9.9.9",
    "2001:db8::1",
];

fn run(world: &World, command: &str) -> (bool, String) {
    let mut words = command.split(' ');
    let mut child = Command::new(words.next().unwrap());
    child.args(words);
    let output = world.node.visit(move || child.output().unwrap()).unwrap();
    let text = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    (output.status.success(), String::from_utf8(text).unwrap())
}

fn asked(world: &World, address: &str) -> Explained {
    let address = address.parse().unwrap();
    let kernel = world
        .node
        .visit(move || Kernel::read(address))
        .unwrap()
        .unwrap();
    explain(&Inputs {
        address,
        me: &"w1".parse().unwrap(),
        cluster: &Cluster::default(),
        seen: None,
        kernel: &kernel,
        paths: &Ok(Vec::new()),
    })
}

/// What `ip route get` makes of the route chosen, in its words.
#[track_caller]
fn assert_is_what_the_kernel_does(world: &World, address: &str) {
    let (found, said) = run(world, &format!("ip route get {address}"));
    let explained = asked(world, address);
    assert_eq!(explained.disagreements, [""; 0], "{address}: {said}");
    let Some(chosen) = &explained.chosen else {
        assert!(!found, "{address}: {said}");
        return;
    };
    let leads = chosen.leads.as_str();
    let refused = match leads {
        "unreachable" => Some("No route to host"),
        "prohibit" => Some("Permission denied"),
        "blackhole" => Some("Invalid argument"),
        _ => None,
    };
    match refused {
        Some(why) => assert!(!found && said.contains(why), "{address}: {leads}, {said}"),
        None if leads == "this host" => assert!(said.starts_with("local "), "{said}"),
        None if leads == "broadcast or multicast" => {
            assert!(said.starts_with("broadcast "), "{said}")
        }
        // One of several.
        None => {
            let mut ways = leads.split(", ");
            assert!(
                ways.any(|way| said.contains(&format!(" {way} "))),
                "{address}: {leads}, {said}"
            );
            assert_eq!(
                said.contains(" via "),
                leads.contains("via "),
                "{address}: {leads}, {said}"
            );
        }
    }
}

#[test]
fn the_verdict_is_that_of_ip_route_get() {
    let world = World::new();
    for address in ADDRESSES {
        assert_is_what_the_kernel_does(&world, address);
    }
    for route in ROUTES {
        let (added, said) = run(&world, &format!("ip route add {route}"));
        assert!(added, "{route}: {said}");
        for address in ADDRESSES {
            assert_is_what_the_kernel_does(&world, address);
        }
    }
    let origin = |address: &str| asked(&world, address).origin;
    assert_eq!(
        origin("9.9.9.9"),
        "a default route of others, protocol 4 (static)"
    );
    assert_eq!(origin("10.1.0.77"), "connected, protocol 2 (kernel)");
    assert_eq!(origin("10.65.7.1"), "a route of others, protocol 12 (BIRD)");
    assert_eq!(origin("10.1.0.1"), "an address of this node");
}

#[test]
fn a_rule_that_decides_otherwise_is_said_aloud() {
    let world = World::new();
    for command in [
        "ip route add 10.65.0.0/16 via 10.1.0.11 dev eth0 proto 202 metric 40",
        "ip route add 10.65.0.0/16 via 10.1.0.66 dev eth0 table 1000",
        "ip rule add to 10.65.0.0/16 lookup 1000",
    ] {
        let (done, said) = run(&world, command);
        assert!(done, "{command}: {said}");
    }
    let disagreements = asked(&world, "10.65.9.1").disagreements;
    let [told] = &disagreements[..] else {
        panic!("{disagreements:?}")
    };
    assert!(told.contains("it says: via 10.1.0.66 dev eth0"), "{told}");
    assert!(told.contains("`ip rule`"), "{told}");
}
