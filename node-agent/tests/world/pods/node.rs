//! A node with one pod, in a namespace of its own, and a lease store.

use gingham_agent::pods::{
    Audit, Datapath, Finding, Repair, SPACING, Settled, Settlement, repairs,
};
use gingham_ipam::{BootId, LONGEST_INTENT, Lease, LeaseState, LeaseStore, Leases};
use gingham_model::{
    HOST_MAC, MacAddress, Owner, POD_LINK_GROUP, Prefix, Route, TABLE_MAIN, Target,
};
use gingham_netlink::link::{self, VethEnd, VethPair};
use gingham_netlink::{Netns, Socket, address, neighbour, route};
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const HOST_IF: &str = "gh0123456789ab";
const POD_MAC: MacAddress = MacAddress([0x02, 0x67, 1, 2, 3, 4]);
const V4: &str = "10.64.1.7";
const V6: &str = "fd00:10:1::7";
pub(crate) const NOW: u64 = 10 * LONGEST_INTENT;

/// A node with one pod, wired and leased as the plugin does it.
pub(crate) struct Node {
    netns: Netns,
    pub(crate) socket: Socket,
    _pod: Netns,
    dir: TempDir,
}

impl Node {
    pub(crate) fn new() -> Self {
        let create =
            || Netns::create().expect("this test makes network namespaces: run it as root");
        let (netns, pod) = (create(), create());
        let mut socket = netns
            .visit(|| Socket::open(Duration::from_secs(5)))
            .unwrap()
            .unwrap();
        let lo = socket.link("lo").unwrap().index;
        socket.run(&[link::set_up(lo)]).unwrap();
        wire(&mut socket, &pod);
        let node = Node {
            netns,
            socket,
            _pod: pod,
            dir: TempDir::new().unwrap(),
        };
        node.write(&lease(LeaseState::Held));
        node
    }

    /// Writes `leases.json` with this one lease.
    pub(crate) fn write(&self, lease: &Lease) {
        let lease = serde_json::to_value(lease).unwrap();
        let file = serde_json::json!({"version": 1, "bootId": boot(), "leases": [lease]});
        std::fs::write(self.store().path(), file.to_string()).unwrap();
    }

    pub(crate) fn store(&self) -> LeaseStore {
        LeaseStore::new(self.dir.path())
    }

    pub(crate) fn in_namespace<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.netns.visit(work).unwrap()
    }

    pub(crate) fn leases(&self) -> Leases {
        self.store().read(&boot()).unwrap()
    }

    /// Runs `ip`, which must succeed; IF, V4 and V6 stand for the pod's.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let arguments = arguments.split(' ').map(|word| match word {
            "IF" => HOST_IF,
            "V4" => V4,
            "V6" => V6,
            word => word,
        });
        let mut command = Command::new("ip");
        command.args(arguments);
        let output = self.netns.visit(|| command.output().unwrap()).unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn datapath(&mut self) -> Datapath {
        Datapath::new(
            &self.socket.links().unwrap(),
            &self.socket.addresses().unwrap(),
            &self.socket.neighbours().unwrap(),
            &self.socket.routes(TABLE_MAIN).unwrap(),
        )
    }

    pub(crate) fn repairs(&mut self) -> Vec<Repair> {
        let datapath = self.datapath();
        repairs(&self.leases(), &datapath)
    }

    pub(crate) fn settle(&mut self, finding: &Finding) -> Settled {
        let store = self.store();
        let mut settlement = Settlement {
            socket: &mut self.socket,
            store: &store,
            boot: &boot(),
            now: NOW,
        };
        settlement.settle(finding).unwrap()
    }

    /// What two observations agree about.
    pub(crate) fn findings(&mut self) -> Vec<Finding> {
        let (datapath, mut audit) = (self.datapath(), Audit::default());
        assert_eq!(audit.observe(&self.leases(), &datapath, NOW - SPACING), []);
        let datapath = self.datapath();
        audit.observe(&self.leases(), &datapath, NOW)
    }

    pub(crate) fn finding(&mut self) -> Finding {
        let findings = self.findings();
        let [finding] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        finding.clone()
    }
}

/// What `wire.rs` of the plugin makes on the host's side.
fn wire(socket: &mut Socket, pod: &Netns) {
    let end = |name: &str, mac| VethEnd {
        name: name.to_owned(),
        mac,
    };
    let pair = VethPair {
        host: end(HOST_IF, HOST_MAC),
        peer: end("eth0", POD_MAC),
        mtu: 1500,
        group: POD_LINK_GROUP,
    };
    socket.run(&[link::create_veth(&pair, pod)]).unwrap();
    let dev = socket.link(HOST_IF).unwrap().index;
    let mut requests = vec![
        link::set_alias(dev, "shop/web-1 eth0"),
        link::set_addr_gen_none(dev),
        link::set_up(dev),
        address::add(dev, "fe80::1".parse().unwrap(), 64),
    ];
    for address in [V4, V6] {
        let address: IpAddr = address.parse().unwrap();
        requests.push(neighbour::set_permanent(dev, address, POD_MAC));
        let route = Route::of(Owner::Pod, Prefix::host(address), Target::Link(dev));
        requests.push(route::add(&route));
    }
    socket.run(&requests).unwrap();
}

pub(crate) fn boot() -> BootId {
    "8b1fbfa9-bbc5-4d86-9c9b-2818d6a61351".parse().unwrap()
}

pub(crate) fn lease(state: LeaseState) -> Lease {
    let lease = serde_json::json!({
        "network": "gingham", "containerId": "c1", "ifname": "eth0", "pod": "shop/web-1",
        "v4": V4, "v6": V6, "mac": POD_MAC, "hostIf": HOST_IF, "state": state, "since": 7,
    });
    serde_json::from_value(lease).unwrap()
}
