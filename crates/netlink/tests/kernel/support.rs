//! A host and a pod, and words for the tests.

use gingham_model::{Change, MacAddress, NextHop, Owner, Prefix, RouteSet, TABLE_MAIN, Target};
use gingham_netlink::link::{self, VethEnd, VethPair};
use gingham_netlink::{Error, Netns, Socket, address};
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
pub(crate) const HOST_MAC: MacAddress = MacAddress([0x02, 0x67, 0x68, 0, 0, 1]);
pub(crate) const POD_MAC: MacAddress = MacAddress([0x02, 0x67, 1, 2, 3, 4]);

pub(crate) fn new_namespace() -> Netns {
    Netns::create().expect("these tests need root: they make network namespaces")
}

pub(crate) fn open(netns: &Netns) -> Socket {
    netns.visit(|| Socket::open(TIMEOUT)).unwrap().unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(crate) fn via(hops: &[(&str, u32)]) -> Target {
    Target::Via(
        hops.iter()
            .map(|(via, dev)| NextHop {
                via: ip(via),
                dev: *dev,
            })
            .collect(),
    )
}

/// Runs a foreign hand's program in `netns`, words parted by spaces; what it said.
pub(crate) fn foreign(netns: &Netns, command: &str) -> String {
    let mut words = command.split(' ');
    let mut program = Command::new(words.next().unwrap());
    program.args(words);
    let output = netns.visit(|| program.output()).unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// A host and a pod, joined by a veth pair `gh0` and `eth0`.
pub(crate) struct Pair {
    pub(crate) host: Socket,
    pub(crate) pod: Socket,
    pub(crate) host_dev: u32,
    pub(crate) pod_dev: u32,
    pub(crate) host_netns: Netns,
    pub(crate) pod_netns: Netns,
}

pub(crate) fn pair() -> Pair {
    let (host_netns, pod_netns) = (new_namespace(), new_namespace());
    let (mut host, mut pod) = (open(&host_netns), open(&pod_netns));
    host.run(&[link::create_veth(&veth("gh0"), &pod_netns)])
        .unwrap();
    let (host_dev, pod_dev) = (
        host.link("gh0").unwrap().index,
        pod.link("eth0").unwrap().index,
    );
    Pair {
        host,
        pod,
        host_dev,
        pod_dev,
        host_netns,
        pod_netns,
    }
}

pub(crate) fn veth(host: &str) -> VethPair {
    VethPair {
        host: VethEnd {
            name: host.into(),
            mac: HOST_MAC,
        },
        peer: VethEnd {
            name: "eth0".into(),
            mac: POD_MAC,
        },
        mtu: 1400,
        group: 0x6768,
    }
}

/// Both ends up, the host's with an address in a /24 and a /64.
pub(crate) fn connected() -> Pair {
    let mut pair = pair();
    let dev = pair.host_dev;
    pair.pod.run(&[link::set_up(pair.pod_dev)]).unwrap();
    pair.host
        .run(&[
            link::set_up(dev),
            address::add(dev, ip("10.1.0.21"), 24),
            address::add(dev, ip("fd00:1::21"), 64),
        ])
        .unwrap();
    pair
}

pub(crate) fn apply(socket: &mut Socket, change: Change) -> Result<(), Error> {
    socket.apply(&[change]).pop().unwrap()
}

pub(crate) fn owned(socket: &mut Socket, owner: Owner) -> RouteSet {
    let routes = socket.routes(TABLE_MAIN).unwrap();
    let owned = routes
        .into_iter()
        .filter(|route| route.protocol == owner.protocol());
    owned.map(|route| (route.key, route)).collect()
}
