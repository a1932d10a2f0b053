//! What a foreign hand or a link does to the agent's routes is undone at once, and nothing else is
//! touched.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;

use anyhow::{Result, ensure};
use gingham_integration::{Lab, LabBox, Node, Store, on_both_stores};
use std::thread::sleep;
use std::time::Duration;
use world::{ip, one_zone, routes, up, wait_for_repair};

on_both_stores! {
    a_deleted_route_is_back,
    a_changed_route_is_right_again,
    a_route_of_ours_too_many_goes,
    a_route_that_goes_silently_with_its_next_hop_object_is_back,
    routes_are_back_after_the_uplink_was_down,
    routes_are_back_after_the_address_was_gone,
    routes_stay_or_are_back_after_carrier_was_lost,
}

/// Routes of another daemon: beside ours, over ours, and in a table of its own.
const FOREIGN: [&str; 4] = [
    "route add 10.99.0.0/24 via 10.1.0.1 proto 99 metric 12",
    "route add 10.101.22.0/24 via 10.1.0.1 proto 99 metric 4000",
    "route add 10.99.0.0/24 via 10.1.0.1 proto 99 table 99",
    "route add fd00:99::/64 via fd00:1::1 proto 99 metric 12",
];

/// Long enough for the agent to see that something is gone.
const LOSS: Duration = Duration::from_secs(2);

/// A node with its routes and those of somebody else.
struct Scene {
    lab: Lab,
    node: Node,
    own: Vec<String>,
    foreign: Vec<String>,
}

impl Scene {
    fn new(store: Store) -> Self {
        let lab = up(store, one_zone());
        let node = lab.node("z1w1").unwrap();
        ip(node.host(), &FOREIGN);
        let scene = Scene {
            own: own(&node),
            foreign: foreign(&node),
            node,
            lab,
        };
        assert_eq!(scene.own.len(), 4, "{:#?}", scene.own);
        assert_eq!(scene.foreign.len(), FOREIGN.len(), "{:#?}", scene.foreign);
        scene
    }

    /// Does the damage in one go and waits for the end of it.
    fn damaged(&self, what: &str, lines: &[&str]) {
        ip(self.node.host(), lines);
        self.repaired(what);
        assert_eq!(foreign(&self.node), self.foreign, "{what}");
    }

    /// Takes something away in `on` and gives it back: at once, then after the agent has seen it gone.
    fn lost(&self, on: &LabBox, what: &str, [away, back]: [&str; 2]) {
        ip(on, &[away, back]);
        self.repaired(&format!("{what} gone and back at once"));
        ip(on, &[away]);
        sleep(LOSS);
        ip(on, &[back]);
        self.repaired(&format!("{what} gone for {LOSS:?}"));
    }

    fn repaired(&self, what: &str) {
        wait_for_repair(what, || {
            self.as_before()?;
            let status = self.node.agent_status()?;
            ensure!(status["ready"] == true, "{status:#}");
            Ok(())
        });
    }

    fn as_before(&self) -> Result<()> {
        let have = own(&self.node);
        ensure!(have == self.own, "{have:#?} instead of {:#?}", self.own);
        Ok(())
    }
}

fn own(node: &Node) -> Vec<String> {
    let lines = [201, 203].map(|protocol| routes(node, protocol));
    // A link without carrier marks its routes; they stay what they are.
    let unmarked = |line: String| line.replace(" dead", "").replace(" linkdown", "");
    lines.into_iter().flatten().map(unmarked).collect()
}

fn foreign(node: &Node) -> Vec<String> {
    let mut lines = routes(node, 99);
    let table = node.exec(&["ip", "route", "show", "table", "99"]).unwrap();
    lines.extend(table.lines().map(str::to_owned));
    lines
}

fn a_deleted_route_is_back(store: Store) {
    let scene = Scene::new(store);
    scene.damaged(
        "direct routes deleted",
        &[
            "route delete 10.101.22.0/24 proto 201",
            "route delete fd00:101:0:22::/64 proto 201",
        ],
    );
    scene.damaged(
        "sinks deleted",
        &[
            "route delete unreachable 10.101.21.0/24 proto 203",
            "route delete unreachable fd00:101:0:21::/64 proto 203",
        ],
    );
    scene.damaged(
        "all routes flushed",
        &[
            "route flush root 0.0.0.0/0 proto 201",
            "route flush root 0.0.0.0/0 proto 203",
            "route flush root ::/0 proto 201",
            "route flush root ::/0 proto 203",
        ],
    );
}

fn a_changed_route_is_right_again(store: Store) {
    let scene = Scene::new(store);
    scene.damaged(
        "direct routes replaced by a wrong next hop",
        &[
            "route replace 10.101.22.0/24 via 10.1.0.1 proto 201 metric 12",
            "route replace fd00:101:0:22::/64 via fd00:1::1 proto 201 metric 12",
        ],
    );
    scene.damaged(
        "a direct route replaced by a black hole, a sink by a way out",
        &[
            "route replace blackhole 10.101.22.0/24 proto 201 metric 12",
            "route replace 10.101.21.0/24 via 10.1.0.1 proto 203 metric 4000000000",
        ],
    );
}

fn a_route_of_ours_too_many_goes(store: Store) {
    let scene = Scene::new(store);
    scene.damaged(
        "a second route appended to each",
        &[
            "route append 10.101.22.0/24 via 10.1.0.1 proto 201 metric 12",
            "route append fd00:101:0:22::/64 via fd00:1::1 proto 201 metric 12",
        ],
    );
    scene.damaged(
        "a better metric under our mark",
        &[
            "route add 10.101.22.0/24 via 10.1.0.1 proto 201 metric 5",
            "route add fd00:101:0:22::/64 via fd00:1::1 proto 201 metric 5",
        ],
    );
    scene.damaged(
        "routes to nobody under our mark",
        &[
            "route add 10.98.0.0/24 via 10.1.0.1 proto 201 metric 12",
            "route add unreachable fd00:98::/64 proto 203 metric 4000000000",
        ],
    );
}

fn a_route_that_goes_silently_with_its_next_hop_object_is_back(store: Store) {
    let scene = Scene::new(store);
    scene.damaged(
        "the next hop object of a changed route deleted",
        &[
            "nexthop add id 7 via 10.1.0.1 dev eth0",
            "route replace 10.101.22.0/24 nhid 7 proto 201 metric 12",
            "nexthop delete id 7",
        ],
    );
}

fn routes_are_back_after_the_uplink_was_down(store: Store) {
    let scene = Scene::new(store);
    // Else the kernel forgets the node's IPv6 address, and only who gave it could give it again.
    let keep = "echo 1 > /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down";
    scene.node.exec(&["sh", "-c", keep]).unwrap();
    scene.lost(
        scene.node.host(),
        "the uplink",
        ["link set eth0 down", "link set eth0 up"],
    );
}

fn routes_are_back_after_the_address_was_gone(store: Store) {
    let scene = Scene::new(store);
    for (what, address) in [
        ("the IPv4 address", "10.1.0.21/24 dev eth0"),
        ("the IPv6 address", "fd00:1::21/64 dev eth0"),
    ] {
        let lost = format!("address delete {address}");
        let found = format!("address add {address} nodad");
        scene.lost(scene.node.host(), what, [&lost, &found]);
    }
}

fn routes_stay_or_are_back_after_carrier_was_lost(store: Store) {
    let scene = Scene::new(store);
    let switch = scene.lab.at("sw1").unwrap();
    scene.lost(
        switch,
        "carrier",
        ["link set z1w1 down", "link set z1w1 up"],
    );
}
