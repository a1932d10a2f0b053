//! Rounds against a real kernel, in a namespace of their own.

use gingham_agent::bgp::learned::Learned;
use gingham_agent::cluster::Cluster;
use gingham_agent::dirty::Culprit;
use gingham_agent::links::Links;
use gingham_agent::manifest::Parsed;
use gingham_agent::objects::{Condition, Kind, Node, Object};
use gingham_agent::plan::{Inputs, Plan, plan};
use gingham_agent::routes::reconcile::{Damage, Extent, Memory, Order, Round, reconcile};
use gingham_agent::store::Event;
use gingham_model::{
    Block, BlockState, Change, MacAddress, NextHop, Owner, Prefix, Route, RouteKey, RouteProtocol,
    RouteSet, TABLE_MAIN, Target,
};
use gingham_netlink::link::{self, VethEnd, VethPair};
use gingham_netlink::{Netns, Socket, address};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

const ME: &str = "w1";

/// A node's namespace with one uplink, and the far end of its cable.
pub(crate) struct World {
    pub(crate) node: Netns,
    pub(crate) socket: Socket,
    _lan: Netns,
    pub(crate) learned: Learned,
    pub(crate) aggregates: BTreeSet<Prefix>,
    memory: Memory,
    before: Option<(Plan, Round)>,
    culprits: BTreeMap<RouteKey, Culprit>,
    pub(crate) extent: Extent,
}

impl World {
    pub(crate) fn new() -> Self {
        let create =
            || Netns::create().expect("this test makes network namespaces: run it as root");
        let (node, lan) = (create(), create());
        let mut socket = node
            .visit(|| Socket::open(Duration::from_secs(5)))
            .unwrap()
            .unwrap();
        let end = |name: &str, last| VethEnd {
            name: name.to_owned(),
            mac: MacAddress([2, 0x67, 0, 0, 0, last]),
        };
        let pair = VethPair {
            host: end("eth0", 1),
            peer: end("far", 2),
            mtu: 1400,
            group: 0,
        };
        socket.run(&[link::create_veth(&pair, &lan)]).unwrap();
        let up = |socket: &mut Socket, name: &str| {
            let dev = socket.link(name).unwrap().index;
            socket.run(&[link::set_up(dev)]).unwrap();
            dev
        };
        let mut far = lan
            .visit(|| Socket::open(Duration::from_secs(5)))
            .unwrap()
            .unwrap();
        up(&mut far, "far");
        up(&mut socket, "lo");
        let dev = up(&mut socket, "eth0");
        for (ip, length) in [("10.1.0.1", 24), ("fd00:1::1", 64)] {
            socket
                .run(&[address::add(dev, ip.parse().unwrap(), length)])
                .unwrap();
        }
        World {
            node,
            socket,
            _lan: lan,
            learned: Learned::default(),
            aggregates: BTreeSet::new(),
            memory: Memory::default(),
            before: None,
            culprits: BTreeMap::new(),
            extent: Extent::Whole,
        }
    }

    pub(crate) fn links(&mut self) -> Links {
        Links::new(
            self.socket.links().unwrap(),
            self.socket.addresses().unwrap(),
        )
    }

    /// As after a restart of the agent.
    pub(crate) fn forget(&mut self) {
        self.memory = Memory::default();
        self.before = None;
    }

    pub(crate) fn planned(&self, cluster: &Cluster, links: &Links) -> Plan {
        plan(&Inputs {
            me: &ME.parse().unwrap(),
            cluster,
            retained: &Default::default(),
            links,
            boot: &"8b1fbfa9-bbc5-4d86-9c9b-2818d6a61351".parse().unwrap(),
            learned: &self.learned,
            aggregates: &self.aggregates,
        })
    }

    pub(crate) fn round(&mut self, cluster: &Cluster) -> (Plan, Round) {
        let links = self.links();
        let plan = self.planned(cluster, &links);
        let now = Instant::now();
        let order = Order {
            plan: &plan,
            extent: self.extent,
            before: self.before.as_ref().map(|(plan, round)| (plan, round)),
            culprits: &self.culprits,
            now,
            deadline: now + Duration::from_secs(10),
        };
        let round = reconcile(&mut self.socket, &order, &mut self.memory).unwrap();
        self.before = Some((plan.clone(), round.clone()));
        (plan, round)
    }

    pub(crate) fn routes(&mut self) -> Vec<Route> {
        self.socket.routes(TABLE_MAIN).unwrap()
    }

    pub(crate) fn own(&mut self) -> RouteSet {
        let ours = [Owner::Direct, Owner::Learned, Owner::Sink].map(Owner::protocol);
        let own = self
            .routes()
            .into_iter()
            .filter(|route| ours.contains(&route.protocol));
        own.map(|route| (route.key, route)).collect()
    }

    pub(crate) fn run(&self, command: &str) {
        let mut words = command.split(' ');
        let mut child = Command::new(words.next().unwrap());
        child.args(words);
        let status = self.node.visit(move || child.status().unwrap()).unwrap();
        assert!(status.success(), "{command}");
    }

    pub(crate) fn change(&mut self, change: &Change) {
        for outcome in self.socket.apply(std::slice::from_ref(change)) {
            outcome.unwrap();
        }
    }
}

fn apply(object: Object) -> Event {
    Event::Apply(Box::new(Parsed {
        object,
        unknown: Vec::new(),
    }))
}

fn block(cidr: &str, node: &str, ips: &[&str]) -> Block {
    Block {
        cidr: cidr.parse().unwrap(),
        pool: "z1".parse().unwrap(),
        zone: "z1".parse().unwrap(),
        node: node.parse().unwrap(),
        node_uid: format!("uid-{node}"),
        node_ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        state: BlockState::Active,
    }
}

pub(crate) fn node() -> Node {
    Node {
        name: ME.parse().unwrap(),
        uid: "uid-w1".to_owned(),
        labels: [("topology.kubernetes.io/zone".to_owned(), "z1".to_owned())].into(),
        internal_ips: ["10.1.0.1", "fd00:1::1"]
            .map(|ip| ip.parse().unwrap())
            .to_vec(),
        condition: Condition::Staying,
        pod_cidrs: Vec::new(),
    }
}

/// Blocks of w1 and w2 in both families, all known.
pub(crate) fn cluster() -> Cluster {
    let mut cluster = Cluster::default();
    cluster.apply(apply(Object::Node(node())));
    for (cidr, owner, ip) in [
        ("10.64.1.0/24", "w1", "10.1.0.1"),
        ("fd00:10:1::/64", "w1", "fd00:1::1"),
        ("10.64.2.0/24", "w2", "10.1.0.2"),
        ("fd00:10:2::/64", "w2", "fd00:1::2"),
    ] {
        cluster.apply(apply(Object::Block(block(cidr, owner, &[ip]))));
    }
    for kind in Kind::ALL {
        cluster.apply(Event::Synced(kind));
    }
    cluster
}

#[test]
fn a_round_makes_the_kernel_so_and_the_next_one_writes_nothing() {
    let mut world = World::new();
    let (plan, first) = world.round(&cluster());
    assert!(first.is_in_sync(), "{first:?}");
    assert_eq!(first.applied.len(), 4);
    assert_eq!(world.own(), plan.routes);
    let (_, second) = world.round(&cluster());
    assert!(second.is_in_sync() && second.applied.is_empty());
}

#[test]
fn what_a_foreign_hand_breaks_is_repaired() {
    let mut world = World::new();
    let (plan, _) = world.round(&cluster());
    let routes: Vec<Route> = plan.routes.values().cloned().collect();
    world.change(&Change::Remove(routes[0].clone()));
    let elsewhere = NextHop {
        via: "10.1.0.77".parse().unwrap(),
        dev: uplink(&mut world),
    };
    let bent = Route {
        target: Target::Via(elsewhere.into()),
        ..routes[1].clone()
    };
    world.change(&Change::Replace(bent));
    let (_, round) = world.round(&cluster());
    assert_eq!(round.applied.len(), 2, "{:?}", round.applied);
    assert_eq!(world.own(), plan.routes);
}

fn uplink(world: &mut World) -> u32 {
    world.socket.link("eth0").unwrap().index
}

/// Damage is told from what was never so, and told apart; a look at our own routes is enough.
#[test]
fn each_damage_is_repaired_for_what_it_is() {
    let mut world = World::new();
    let (plan, first) = world.round(&cluster());
    assert!(first.repaired.is_empty(), "nothing was there to be damaged");
    world.extent = Extent::Own;
    let key = Owner::Direct.key("10.64.2.0/24".parse().unwrap());
    let route = plan.routes[&key].clone();
    let elsewhere = NextHop {
        via: "10.1.0.77".parse().unwrap(),
        dev: uplink(&mut world),
    };
    let bent = Route {
        target: Target::Via(elsewhere.into()),
        ..route.clone()
    };
    let append = "ip route append 10.64.2.0/24 via 10.1.0.77 dev eth0 proto 201 metric 12";
    for (damage, done) in [
        (Damage::Removed, Change::Remove(route)),
        (Damage::Changed, Change::Replace(bent)),
    ] {
        world.change(&done);
        let (_, round) = world.round(&cluster());
        assert_eq!(round.repaired, [(key, damage)].into());
        assert_eq!(world.own(), plan.routes);
    }
    world.run(append);
    let (_, round) = world.round(&cluster());
    assert_eq!(round.repaired, [(key, Damage::Duplicated)].into());
    let left = world.routes().into_iter().filter(|route| route.key == key);
    assert_eq!(left.count(), 1);
}

/// A foreign route that came after the table was last read whole is met, and not harmed.
#[test]
fn a_foreign_route_nobody_knew_of_is_met_unharmed_and_named() {
    let mut world = World::new();
    let (plan, _) = world.round(&cluster());
    world.extent = Extent::Own;
    let key = Owner::Direct.key("10.64.2.0/24".parse().unwrap());
    world.change(&Change::Remove(plan.routes[&key].clone()));
    world.run("ip route add unreachable 10.64.2.0/24 proto 99 metric 12");
    let (_, round) = world.round(&cluster());
    assert!(round.applied.is_empty());
    assert_eq!(round.standing(&key).word(), "conflict");
    world.run("ip route del unreachable 10.64.2.0/24 proto 99 metric 12");
}

#[test]
fn who_keeps_breaking_a_route_is_named_and_answered_ever_more_slowly() {
    let mut world = World::new();
    let (plan, _) = world.round(&cluster());
    let key = Owner::Direct.key("10.64.2.0/24".parse().unwrap());
    let culprit = Culprit {
        protocol: None,
        port: 4711,
        program: Some("networkd".to_owned()),
    };
    world.culprits = [(key, culprit)].into();
    let mut repairs = 0;
    for _ in 0..20 {
        world.change(&Change::Remove(plan.routes[&key].clone()));
        repairs += world.round(&cluster()).1.repaired.len();
    }
    assert_eq!(repairs, 5);
    let (_, round) = world.round(&cluster());
    let (word, detail) = (round.standing(&key).word(), round.standing(&key).detail());
    assert_eq!(word, "contested");
    let expected = "a fight: repaired 5 times, broken by netlink port 4711 (networkd)";
    assert_eq!(detail.as_deref(), Some(expected));
    assert!(round.again.is_some(), "it will be tried again");
}

#[test]
fn routes_of_others_survive_and_block_only_themselves() {
    let mut world = World::new();
    let (key, dev) = (
        Owner::Direct.key("10.64.2.0/24".parse().unwrap()),
        uplink(&mut world),
    );
    let hop = NextHop {
        via: "10.1.0.9".parse().unwrap(),
        dev,
    };
    let target = Target::Via(hop.into());
    let foreign = Route {
        key,
        protocol: RouteProtocol(4),
        target: target.clone(),
    };
    let pod = Route::of(
        Owner::Pod,
        "10.64.1.7/32".parse().unwrap(),
        Target::Link(dev),
    );
    let stale = Route::of(Owner::Direct, "10.66.0.0/24".parse().unwrap(), target);
    for route in [&foreign, &pod, &stale] {
        world.change(&Change::Replace(route.clone()));
    }
    let (_, round) = world.round(&cluster());
    let standing = round.standing(&key);
    assert_eq!(
        standing.detail().as_deref(),
        Some("protocol 4 (static), metric 12")
    );
    assert!(!round.is_in_sync());
    let after = world.routes();
    for kept in [&foreign, &pod] {
        assert!(after.contains(kept), "{kept:?}");
    }
    assert!(!after.contains(&stale));
    assert_eq!(round.applied.len(), 4, "three of the plan, and the removal");
}

#[test]
fn nothing_is_removed_while_a_source_is_away() {
    let mut world = World::new();
    let mut index = cluster();
    let (plan, _) = world.round(&index);
    index.apply(Event::Failed(Kind::Block, "gone".to_owned()));
    index.apply(Event::Delete(Kind::Block, "10-64-2-0-24".to_owned()));
    let v6 = Owner::Direct.key("fd00:10:2::/64".parse().unwrap());
    world.change(&Change::Remove(plan.routes[&v6].clone()));
    let (_, held) = world.round(&index);
    assert_eq!(held.applied.len(), 1, "what is known is still repaired");
    assert!(held.is_in_sync());
    assert_eq!(world.own(), plan.routes);
    index.apply(Event::Synced(Kind::Block));
    let (_, round) = world.round(&index);
    assert_eq!(round.applied.len(), 1);
    assert_eq!(world.own().len(), 3);
}
