//! Small makers of the objects the laws are about.

use gingham_agent::bgp::learned::Learned;
use gingham_agent::cluster::Cluster;
use gingham_agent::config::RoutingConfig;
use gingham_agent::links::Links;
use gingham_agent::manifest::{Parsed, parse};
use gingham_agent::objects::{Condition, Kind, Node, Object, Refusal};
use gingham_agent::pass::Seen;
use gingham_agent::plan::{Inputs, Plan, plan};
use gingham_agent::retained::Retained;
use gingham_agent::routes::reconcile::Round;
use gingham_agent::store::Event;
use gingham_agent::sysctls::Kept;
use gingham_ipam::BootId;
use gingham_model::{Block, BlockState, NodeName};
use gingham_netlink::{Address, Link};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) const LOOPBACK: u32 = 1;
pub(crate) const UPLINK: u32 = 2;

pub(crate) fn me() -> NodeName {
    "w1".parse().unwrap()
}

pub(crate) fn boot() -> BootId {
    "8b1fbfa9-bbc5-4d86-9c9b-2818d6a61351".parse().unwrap()
}

pub(crate) fn node(name: &str, ips: &[&str]) -> Node {
    Node {
        name: name.parse().unwrap(),
        uid: format!("uid-{name}"),
        labels: [("topology.kubernetes.io/zone".to_owned(), "z1".to_owned())].into(),
        internal_ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        pod_cidrs: Vec::new(),
        condition: Condition::Staying,
    }
}

pub(crate) fn block(cidr: &str, node: &str, ips: &[&str]) -> Block {
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

/// An object of ours with this spec.
pub(crate) fn object(kind: Kind, name: &str, spec: &str) -> Object {
    let text = format!(
        "{{apiVersion: gingham.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {spec}}}"
    );
    parse(kind, name, &text).unwrap().object
}

/// A ZonePool of zone z1 with these CIDRs, each followed by its state.
pub(crate) fn pool(name: &str, cidrs: &[(&str, &str)]) -> Object {
    let cidrs: Vec<String> = cidrs
        .iter()
        .map(|(cidr, state)| format!("{{cidr: '{cidr}', state: {state}}}"))
        .collect();
    let spec = format!("{{zone: z1, cidrs: [{}]}}", cidrs.join(", "));
    object(Kind::ZonePool, name, &spec)
}

pub(crate) fn apply(object: Object) -> Event {
    let unknown = Vec::new();
    Event::Apply(Box::new(Parsed { object, unknown }))
}

/// Puts a RoutingConfig in force, made of the default one.
pub(crate) fn edit_config(cluster: &mut Cluster, edit: impl FnOnce(&mut RoutingConfig)) {
    let mut config = cluster.config();
    edit(&mut config);
    cluster.apply(apply(Object::Config(config)));
}

pub(crate) fn refused(kind: Kind, name: &str) -> Event {
    Event::Refused(Refusal {
        kind,
        name: name.to_owned(),
        origin: format!("{name}.yaml"),
        error: "no YAML".to_owned(),
    })
}

/// A cluster that is synced, with node w1 of 10.1.0.1 and fd00:1::1, two pools, and these objects.
pub(crate) fn cluster(blocks: &[Block]) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.apply(apply(Object::Node(node("w1", &["10.1.0.1", "fd00:1::1"]))));
    cluster.apply(apply(pool(
        "z1",
        &[("10.64.0.0/16", "Active"), ("fd00:10::/48", "Active")],
    )));
    for block in blocks {
        cluster.apply(apply(Object::Block(block.clone())));
    }
    for kind in Kind::ALL {
        cluster.apply(Event::Synced(kind));
    }
    cluster
}

/// An interface that is up.
pub(crate) fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        mtu: 1500,
        mac: None,
        up: true,
        running: true,
        loopback: name == "lo",
        group: 0,
        alias: None,
        veth_peer: None,
    }
}

/// An address that can be used.
pub(crate) fn address(dev: u32, address: &str, length: u8) -> Address {
    Address {
        dev,
        address: address.parse().unwrap(),
        length,
        tentative: false,
    }
}

/// One uplink with 10.1.0.1/24 and fd00:1::1/64, and loopback.
pub(crate) fn links() -> Links {
    Links::new(
        vec![link(LOOPBACK, "lo"), link(UPLINK, "eth0")],
        vec![
            address(LOOPBACK, "127.0.0.1", 8),
            address(UPLINK, "10.1.0.1", 24),
            address(UPLINK, "fd00:1::1", 64),
            address(UPLINK, "fe80::1", 64),
        ],
    )
}

pub(crate) fn planned(cluster: &Cluster) -> Plan {
    planned_with(cluster, &Learned::default())
}

pub(crate) fn planned_with(cluster: &Cluster, learned: &Learned) -> Plan {
    plan(&Inputs {
        me: &me(),
        cluster,
        retained: &Retained::default(),
        links: &links(),
        boot: &boot(),
        learned,
        aggregates: &BTreeSet::new(),
    })
}

/// What BGP has learned, and been heard out on: each prefix with its next hops.
pub(crate) fn learned(routes: &[(&str, &[&str])]) -> Learned {
    let ips = |vias: &[&str]| vias.iter().map(|via| via.parse().unwrap()).collect();
    let routes = routes.iter();
    let routes = routes.map(|(prefix, vias)| (prefix.parse().unwrap(), ips(vias)));
    Learned {
        routes: Arc::new(routes.collect()),
        ..Learned::default()
    }
}

/// What a round found that had nothing to do.
pub(crate) fn seen(cluster: Cluster, learned: Learned) -> Seen {
    Seen {
        links: links(),
        plan: Arc::new(planned_with(&cluster, &learned)),
        cluster: Arc::new(cluster),
        learned,
        aggregates: BTreeSet::new(),
        retained: Arc::default(),
        gateways: BTreeSet::new(),
        round: Round::default(),
        sysctls: Kept::default(),
        firewall: None,
        published: Ok(()),
    }
}
