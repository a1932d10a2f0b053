//! Two pods, their node, and a host beyond the cluster: each a namespace, wired as they would be.

use gingham_agent::firewall::Firewall;
use gingham_agent::nft::{Nft, Outcome};
use gingham_model::{Family, MacAddress, NextHop, Owner, Prefix, Route, Target};
use gingham_netlink::link::{self, VethEnd, VethPair};
use gingham_netlink::{Netns, Request, Socket, address, neighbour, route, sysctl};
use std::net::IpAddr;
use std::time::Duration;

/// How long anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

// The addresses of each, IPv4 and IPv6.
pub(crate) const NODE: [&str; 2] = ["10.1.0.1", "fd00:1::1"];
pub(crate) const NEAR: [&str; 2] = ["10.1.0.9", "fd00:1::9"];
pub(crate) const FAR: [&str; 2] = ["192.0.2.9", "2001:db8::9"];
pub(crate) const POD: [&str; 2] = ["10.64.1.2", "fd00:10:1::2"];
pub(crate) const OTHER: [&str; 2] = ["10.64.1.3", "fd00:10:1::3"];

/// Where all pods live.
const PODS: [&str; 2] = ["10.64.0.0/16", "fd00:10::/32"];
/// The pods' gateway.
const GATEWAY: [&str; 2] = ["169.254.1.1", "fe80::1"];
const HOST_MAC: MacAddress = MacAddress([2, 0x67, 0x68, 0, 0, 1]);
const MAC: MacAddress = MacAddress([2, 0x67, 0, 0, 0, 2]);
const POD_LINKS: u32 = 0x6768;
/// Loopback has the same index everywhere.
pub(crate) const LO: u32 = 1;

/// ```text
///   pod ── gh1 ─┐
///               ├─ node ─ uplink ── peer, who is NEAR in the node's subnet and FAR beyond it
///   other ─ gh2 ┘
/// ```
pub(crate) struct Site {
    pub(crate) node: Netns,
    pub(crate) peer: Netns,
    pub(crate) pod: Netns,
    pub(crate) other: Netns,
}

pub(crate) fn netns() -> Netns {
    Netns::create().expect("this test makes network namespaces: run it as root")
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn run(netns: &Netns, requests: &[Request]) {
    socket(netns).run(requests).unwrap();
}

pub(crate) fn socket(netns: &Netns) -> Socket {
    netns.visit(|| Socket::open(PATIENCE)).unwrap().unwrap()
}

/// One address by itself, as pods have it.
pub(crate) fn host_address(dev: u32, text: &str) -> Request {
    address::add(dev, ip(text), Family::of(ip(text)).bits())
}

/// A cable that ends as `eth0` in a new namespace: that, and the index of each end.
fn cable(node: &Netns, name: &str, group: u32) -> (Netns, u32, u32) {
    let end = |name: &str, mac| VethEnd {
        name: name.to_owned(),
        mac,
    };
    let pair = VethPair {
        host: end(name, HOST_MAC),
        peer: end("eth0", MAC),
        mtu: 1500,
        group,
    };
    let far = netns();
    run(node, &[link::create_veth(&pair, &far)]);
    let outer = socket(node).link(name).unwrap().index;
    let inner = socket(&far).link("eth0").unwrap().index;
    // Without addresses that could not be used before they are proved to be unique.
    let up = |dev| [link::set_addr_gen_none(dev), link::set_up(dev)];
    run(node, &up(outer));
    run(&far, &up(inner));
    run(&far, &[link::set_up(LO)]);
    (far, outer, inner)
}

/// A pod wired as the plugin does it.
fn pod(node: &Netns, name: &str, addresses: [&str; 2]) -> Netns {
    let (pod, outer, inner) = cable(node, name, POD_LINKS);
    run(node, &[address::add(outer, ip(GATEWAY[1]), 64)]);
    for (own, gateway) in addresses.into_iter().zip(GATEWAY.map(ip)) {
        let inside = [
            host_address(inner, own),
            neighbour::set_permanent(inner, gateway, HOST_MAC),
            route::add_default_onlink(inner, gateway),
        ];
        run(&pod, &inside);
        let leading = Route::of(Owner::Pod, Prefix::host(ip(own)), Target::Link(outer));
        let entry = neighbour::set_permanent(outer, ip(own), MAC);
        run(node, &[entry, route::add(&leading)]);
    }
    pod
}

/// The host beyond, which knows the way to the pods.
fn peer(node: &Netns) -> Netns {
    let (peer, uplink, eth0) = cable(node, "uplink", 0);
    // The kernel asks for a neighbour of forwarded packets from a link-local address.
    run(node, &[address::add(uplink, ip("fe80::a"), 64)]);
    run(&peer, &[address::add(eth0, ip("fe80::b"), 64)]);
    for (at, length) in [24, 64].into_iter().enumerate() {
        run(node, &[address::add(uplink, ip(NODE[at]), length)]);
        run(node, &[route::add_default_onlink(uplink, ip(NEAR[at]))]);
        let hop = NextHop {
            via: ip(NODE[at]),
            dev: eth0,
        };
        let pods = PODS[at].parse().unwrap();
        let back = Route::of(Owner::Direct, pods, Target::Via(hop.into()));
        let near = address::add(eth0, ip(NEAR[at]), length);
        run(
            &peer,
            &[near, host_address(eth0, FAR[at]), route::add(&back)],
        );
    }
    peer
}

impl Site {
    pub(crate) fn new() -> Self {
        let node = netns();
        // Reverse path filtering would hide what the table does.
        let settings = [
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv6/conf/all/forwarding", "1"),
        ];
        let make = || settings.map(|(name, value)| sysctl::set(name, value).unwrap());
        node.visit(make).unwrap();
        Site {
            peer: peer(&node),
            pod: pod(&node, "gh1", POD),
            other: pod(&node, "gh2", OTHER),
            node,
        }
    }

    pub(crate) fn set(&self, nft: &mut Nft, wanted: &Firewall) -> Outcome {
        self.node.visit(|| nft.set(wanted)).unwrap().unwrap()
    }

    pub(crate) fn spoofed(&self) -> u64 {
        self.node.visit(|| Nft::new().spoofed()).unwrap().unwrap()
    }
}
