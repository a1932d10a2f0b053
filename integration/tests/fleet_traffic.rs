//! Who reaches whom in a cluster of real kubelets, and under which address.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod fleet_world;

use anyhow::{Result, ensure};
use fleet_world::{FETCH, PATIENCE, client, fetch, host, installed, server};
use gingham_integration::fleet::FleetPod;
use gingham_integration::{Endpoint, Fleet, eventually};
use gingham_model::Family;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The client outside of the cluster.
const CLIENT: [&str; 2] = ["203.0.113.10", "fd00:203::10"];

#[test]
fn pods_services_names_host_ports_and_the_world() {
    let fleet = installed();
    fleet.apply_dns(PATIENCE).unwrap();
    let port = json!([{"containerPort": 8080, "hostPort": 8090}]);
    let servers = [
        server("near").on("z1m1").with("ports", port),
        server("far").on("z2w1"),
        server("here").on("z1w1"),
    ];
    let servers = servers.map(|spec| fleet.run(&spec).unwrap());
    let asking = fleet.run(&client("asking").on("z1w1")).unwrap();

    pods_see_each_others_own_addresses(&fleet, &asking, &servers);
    the_api_server_reaches_pods(&fleet, &servers);
    services_balance(&fleet, &asking);
    names_resolve(&fleet, &asking);
    host_ports_lead_to_the_pod(&fleet, &asking);
    the_world_sees_the_node(&fleet, &asking);
    the_world_reaches_pods(&fleet, &servers);
}

fn pods_see_each_others_own_addresses(fleet: &Fleet, asking: &FleetPod, servers: &[FleetPod]) {
    for server in servers {
        for address in &server.addresses {
            let url = format!("http://{}:8080/clientip", host(*address));
            let seen = fetch(fleet, asking, &url).unwrap();
            let own = own(asking, Family::of(*address));
            assert!(
                seen.starts_with(&format!("{}:", host(own))),
                "{url}: {seen}"
            );
        }
    }
}

/// As for webhooks and `kubectl proxy`: it has no agent, only routers.
fn the_api_server_reaches_pods(fleet: &Fleet, servers: &[FleetPod]) {
    for server in servers {
        let path = format!(
            "/api/v1/namespaces/default/pods/{}:8080/proxy/hostname",
            server.name
        );
        let said = fleet.kubectl(&["get", "--raw", &path]).text().unwrap();
        assert_eq!(said, server.name);
    }
}

fn services_balance(fleet: &Fleet, asking: &FleetPod) {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "all"},
        "spec": {
            "ipFamilyPolicy": "RequireDualStack",
            "selector": {"serves": "all"},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    });
    fleet.apply(&service.to_string()).unwrap();
    for name in ["near", "far"] {
        fleet
            .kubectl(&["label", "pod", name, "serves=all"])
            .text()
            .unwrap();
    }
    let service = fleet.json(&["get", "service", "all"]).unwrap();
    for address in service["spec"]["clusterIPs"].as_array().unwrap() {
        let address: IpAddr = address.as_str().unwrap().parse().unwrap();
        let url = format!("http://{}/hostname", host(address));
        let mut answered = BTreeSet::new();
        eventually(&format!("{url} is answered by both"), PATIENCE, || {
            answered.insert(fetch(fleet, asking, &url)?);
            ensure!(answered.len() == 2, "{answered:?}");
            Ok(())
        })
        .unwrap();
    }
}

fn names_resolve(fleet: &Fleet, asking: &FleetPod) {
    for name in ["all", "all.default.svc.cluster.local"] {
        let url = format!("http://{name}/hostname");
        wait(&url, || fetch(fleet, asking, &url));
    }
}

fn host_ports_lead_to_the_pod(fleet: &Fleet, asking: &FleetPod) {
    let outside = outside(fleet);
    for node in ["10.1.0.11", "fd00:1::11"] {
        let url = format!("http://{}:8090/hostname", host(node.parse().unwrap()));
        assert_eq!(wait(&url, || fetch(fleet, asking, &url)), "near");
        let words = [&FETCH[..], &[&url]].concat();
        assert_eq!(wait(&url, || outside.command(&words).text()), "near");
    }
}

/// What leaves the cluster has the node's address, and answers come back.
fn the_world_sees_the_node(fleet: &Fleet, asking: &FleetPod) {
    let outside = outside(fleet);
    let lab = outside.host().lab_executable().display().to_string();
    let echo = outside
        .spawn("echo", &[&lab, "probe", "echo", "--port", "7000"])
        .unwrap();
    for (address, node) in CLIENT.iter().zip(["10.1.0.21", "fd00:1::21"]) {
        let talk = format!("echo hello | nc -N -w 5 {address} 7000");
        let said = wait("the echo", || {
            fleet.exec(asking, &["sh", "-c", &talk]).text()
        });
        assert_eq!(said.trim(), "hello");
        let callers = echo.printed().unwrap();
        assert!(callers.contains(&format!("from {node}\n")), "{callers}");
    }
}

/// The zone's aggregate is known outside.
fn the_world_reaches_pods(fleet: &Fleet, servers: &[FleetPod]) {
    let outside = outside(fleet);
    for server in servers {
        for address in &server.addresses {
            let url = format!("http://{}:8080/clientip", host(*address));
            let words = [&FETCH[..], &[&url]].concat();
            let seen = wait(&url, || outside.command(&words).text());
            let own = CLIENT.map(|own| own.parse().unwrap());
            let own = own
                .into_iter()
                .find(|own| Family::of(*own) == Family::of(*address));
            assert!(seen.starts_with(&host(own.unwrap())), "{url}: {seen}");
        }
    }
}

fn outside(fleet: &Fleet) -> Endpoint {
    let addresses = CLIENT.map(|own| own.parse().unwrap());
    Endpoint::of_box(fleet.lab().at("cl").unwrap(), &addresses)
}

fn own(pod: &FleetPod, family: Family) -> IpAddr {
    let mut own = pod.addresses.iter().copied();
    own.find(|own| Family::of(*own) == family).unwrap()
}

fn wait<T>(what: &str, look: impl FnMut() -> Result<T>) -> T {
    eventually(what, PATIENCE, look).unwrap()
}
