//! Pods' host ends in a real kernel: damaged by `ip`, mended, read back; leases lost and leaked.

use gingham_agent::pods::{
    Audit, Datapath, Finding, Neighbour, Repair, SPACING, Settled, Settlement, mend, repairs,
};
use gingham_ipam::{BootId, LONGEST_INTENT, Lease, LeaseState, LeaseStore, Leases, StoreError};
use gingham_model::{
    HOST_MAC, MacAddress, Owner, POD_LINK_GROUP, Prefix, Route, RouteProtocol, TABLE_MAIN, Target,
};
use gingham_netlink::link::{self, VethEnd, VethPair};
use gingham_netlink::{Netns, Socket, address, neighbour, route};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const HOST_IF: &str = "gh0123456789ab";
const POD_MAC: MacAddress = MacAddress([0x02, 0x67, 1, 2, 3, 4]);
const V4: &str = "10.64.1.7";
const V6: &str = "fd00:10:1::7";
const NOW: u64 = 10_000;

/// A node with one pod, wired and leased as the plugin does it.
struct Node {
    netns: Netns,
    socket: Socket,
    _pod: Netns,
    dir: TempDir,
}

impl Node {
    fn new() -> Self {
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
    fn write(&self, lease: &Lease) {
        let lease = serde_json::to_value(lease).unwrap();
        let file = serde_json::json!({"version": 1, "bootId": boot(), "leases": [lease]});
        std::fs::write(self.store().path(), file.to_string()).unwrap();
    }

    fn store(&self) -> LeaseStore {
        LeaseStore::new(self.dir.path())
    }

    fn leases(&self) -> Leases {
        self.store().read(&boot()).unwrap()
    }

    /// Runs `ip`, which must succeed; IF, V4 and V6 stand for the pod's.
    fn ip(&self, arguments: &str) -> String {
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

    fn datapath(&mut self) -> Datapath {
        Datapath::new(
            &self.socket.links().unwrap(),
            &self.socket.addresses().unwrap(),
            &self.neighbours(),
            &self.socket.routes(TABLE_MAIN).unwrap(),
        )
    }

    fn neighbours(&mut self) -> Vec<Neighbour> {
        let text = self.ip(&format!("-json neighbour show dev {HOST_IF}"));
        let dev = self.socket.link(HOST_IF).unwrap().index;
        let entries: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let of = |entry: &serde_json::Value| Neighbour {
            dev,
            address: entry["dst"].as_str().unwrap().parse().unwrap(),
            mac: entry["lladdr"].as_str().map(|mac| mac.parse().unwrap()),
            permanent: entry["state"][0] == "PERMANENT",
        };
        entries.iter().map(of).collect()
    }

    fn repairs(&mut self) -> Vec<Repair> {
        let datapath = self.datapath();
        repairs(&self.leases(), &datapath)
    }

    fn settle(&mut self, finding: &Finding) -> Settled {
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
    fn findings(&mut self) -> Vec<Finding> {
        let (datapath, mut audit) = (self.datapath(), Audit::default());
        assert_eq!(audit.observe(&self.leases(), &datapath, NOW - SPACING), []);
        let datapath = self.datapath();
        audit.observe(&self.leases(), &datapath, NOW)
    }

    fn finding(&mut self) -> Finding {
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

fn boot() -> BootId {
    "8b1fbfa9-bbc5-4d86-9c9b-2818d6a61351".parse().unwrap()
}

fn lease(state: LeaseState) -> Lease {
    let lease = serde_json::json!({
        "network": "gingham", "containerId": "c1", "ifname": "eth0", "pod": "shop/web-1",
        "v4": V4, "v6": V6, "mac": POD_MAC, "hostIf": HOST_IF, "state": state, "since": 7,
    });
    serde_json::from_value(lease).unwrap()
}

#[test]
fn whatever_is_damaged_is_repaired_and_reads_back_as_before() {
    let mut node = Node::new();
    let healthy = node.datapath();
    assert_eq!(node.repairs(), []);
    for (damage, steps) in [
        ("link set IF down", 6),
        ("address del fe80::1/64 dev IF", 1),
        ("address flush dev IF", 1),
        ("neighbour del V4 dev IF", 1),
        ("neighbour del V6 dev IF", 1),
        ("neighbour change V4 dev IF nud stale", 1),
        ("neighbour change V6 dev IF nud reachable", 1),
        (
            "neighbour change V4 lladdr 02:00:00:00:00:99 dev IF nud permanent",
            1,
        ),
        (
            "neighbour change V6 lladdr 02:00:00:00:00:99 dev IF nud permanent",
            1,
        ),
        ("route del V4 metric 10", 1),
        ("-6 route del V6 metric 10", 1),
        ("route change V4 dev lo proto 200 metric 10", 1),
        ("-6 route change V6 dev lo proto 200 metric 10", 1),
        ("route replace unreachable V4 proto 200 metric 10", 1),
        ("-6 route replace unreachable V6 proto 200 metric 10", 1),
        ("route prepend V4 dev lo proto 200 metric 10", 1),
    ] {
        node.ip(damage);
        let repairs = node.repairs();
        assert_eq!(repairs.len(), steps, "{damage}: {repairs:?}");
        let outcomes = mend(&mut node.socket, &repairs);
        let expected: Vec<_> = repairs.into_iter().map(|repair| (repair, Ok(()))).collect();
        assert_eq!(outcomes, expected, "{damage}");
        assert_eq!(node.datapath(), healthy, "{damage}");
    }
}

#[test]
fn a_foreign_route_in_the_way_is_reported_and_stays() {
    for (delete, add) in [
        (
            "route del V4 metric 10",
            "route add V4 dev lo proto 4 metric 10",
        ),
        (
            "-6 route del V6 metric 10",
            "-6 route add V6 dev lo proto 4 metric 10",
        ),
    ] {
        let mut node = Node::new();
        node.ip(delete);
        node.ip(add);
        let before = node.datapath();
        for _ in 0..2 {
            let repairs = node.repairs();
            let outcomes = mend(&mut node.socket, &repairs);
            let [(repair, Err(why))] = outcomes.as_slice() else {
                panic!("{outcomes:?}");
            };
            assert_eq!(repair.step.part(), "route");
            assert!(why.contains("File exists"), "{why}");
        }
        assert_eq!(node.datapath(), before);
        let all = before.routes.into_values().flatten();
        let protocols: BTreeSet<RouteProtocol> = all.map(|route| route.protocol).collect();
        assert!(protocols.contains(&RouteProtocol(4)));
    }
}

#[test]
fn a_repair_that_comes_too_late_says_nothing() {
    let mut node = Node::new();
    node.ip("link set IF down");
    let repairs = node.repairs();
    mend(&mut node.socket, &repairs);
    let healthy = node.datapath();
    for (repair, outcome) in mend(&mut node.socket, &repairs) {
        assert_eq!(outcome, Ok(()), "{repair}");
        assert!(
            ["link", "neighbour"].contains(&repair.step.part()),
            "{repair}"
        );
    }
    assert_eq!(node.datapath(), healthy);
    node.ip("link del IF");
    assert_eq!(mend(&mut node.socket, &repairs), []);
}

#[test]
fn a_leaked_lease_goes_to_rest_and_not_before_its_link_is_gone() {
    let mut node = Node::new();
    assert_eq!(node.findings(), []);
    let leaked = Finding::Leaked(lease(LeaseState::Held));
    assert_eq!(
        node.settle(&leaked),
        Settled::Overtaken,
        "the link is there"
    );
    node.ip("link del IF");
    let datapath = Datapath::default();
    let mut audit = Audit::default();
    audit.observe(&node.leases(), &datapath, 0);
    assert_eq!(
        audit.observe(&node.leases(), &datapath, 10),
        [leaked.clone()]
    );
    assert_eq!(node.settle(&leaked), Settled::Done);
    assert_eq!(node.leases().cooling().len(), 1);
    assert_eq!(node.settle(&leaked), Settled::Overtaken);
}

#[test]
fn what_a_killed_add_left_is_cleared_away_link_and_lease() {
    let mut node = Node::new();
    node.write(&lease(LeaseState::Intent));
    assert!(NOW > LONGEST_INTENT + SPACING);
    let finding = node.finding();
    assert_eq!(finding, Finding::Abandoned(lease(LeaseState::Intent)));
    assert_eq!(node.settle(&finding), Settled::Done);
    assert!(node.socket.link(HOST_IF).is_err());
    assert!(node.leases().live().is_empty());

    let mut node = Node::new();
    assert_eq!(
        node.settle(&finding),
        Settled::Overtaken,
        "it was confirmed meanwhile"
    );
    assert!(node.socket.link(HOST_IF).is_ok());
}

#[test]
fn a_lost_store_is_rebuilt_at_the_first_sight() {
    for damage in [
        "route show",
        "route del V4 metric 10",
        "neighbour del V6 dev IF",
    ] {
        let mut node = Node::new();
        std::fs::remove_file(node.store().path()).unwrap();
        node.ip(damage);
        let datapath = node.datapath();
        let findings = Audit::fresh().observe(&node.leases(), &datapath, NOW);
        let [adopt] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        assert_eq!(node.settle(adopt), Settled::Done);
        assert_eq!(node.settle(adopt), Settled::Overtaken);
        let recovered = Lease {
            network: String::new(),
            container_id: String::new(),
            ifname: String::new(),
            since: NOW,
            ..lease(LeaseState::Held)
        };
        assert_eq!(node.leases().live(), [recovered]);
        let repairs = node.repairs();
        assert!(
            mend(&mut node.socket, &repairs)
                .iter()
                .all(|(_, mended)| mended.is_ok())
        );
        assert_eq!((node.repairs(), node.findings()), (vec![], vec![]));
    }
}

#[test]
fn a_link_that_nobody_can_use_is_removed_unless_somebody_takes_it() {
    let mut node = Node::new();
    node.ip("link set IF down");
    std::fs::remove_file(node.store().path()).unwrap();
    let orphan = node.finding();
    assert_eq!(orphan.kind(), "orphan");
    node.write(&lease(LeaseState::Intent));
    assert_eq!(node.settle(&orphan), Settled::Overtaken);
    std::fs::remove_file(node.store().path()).unwrap();
    assert_eq!(node.settle(&orphan), Settled::Done);
    assert!(node.socket.link(HOST_IF).is_err());
    assert_eq!(node.settle(&orphan), Settled::Overtaken);
}

#[test]
fn stray_routes_go_and_the_right_one_stays() {
    let mut node = Node::new();
    let healthy = node.datapath();
    for stray in [
        "route add V4 dev lo proto 200 metric 99",
        "-6 route add V6 dev lo proto 200 metric 99",
        "route add 10.64.1.8 dev IF proto 200 metric 10",
        "route add unreachable 10.64.9.0/24 proto 200",
    ] {
        node.ip(stray);
        assert_eq!(node.repairs(), [], "{stray}");
        let finding = node.finding();
        assert_eq!(finding.kind(), "stray-route", "{stray}");
        assert_eq!(node.settle(&finding), Settled::Done);
        assert_eq!(node.datapath(), healthy, "{stray}");
    }
}

#[test]
fn a_finding_waits_for_a_plugin_that_holds_the_lock() {
    let mut node = Node::new();
    let adopt = {
        std::fs::remove_file(node.store().path()).unwrap();
        node.finding()
    };
    let store = node.store();
    let settled = store.update(&boot(), Duration::from_secs(5), |_| {
        let (taken, mine) = (node.store(), boot());
        let mut settlement = Settlement {
            socket: &mut node.socket,
            store: &taken,
            boot: &mine,
            now: NOW,
        };
        Ok::<_, StoreError>(settlement.settle(&adopt).map_err(|error| error.to_string()))
    });
    let why = settled.unwrap().unwrap_err();
    assert!(why.contains("still locked by another process"), "{why}");
    assert_eq!(node.settle(&adopt), Settled::Done);
}
