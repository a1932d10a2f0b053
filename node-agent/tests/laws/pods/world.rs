//! Pods whose leases, links and routes may be there, missing or bent; and what a kernel would list.

use gingham_agent::pods::{Datapath, Repair, Step};
use gingham_ipam::Leases;
use gingham_model::{
    Change, Family, MacAddress, Owner, POD_LINK_GROUP, Prefix, Route, RouteKey, RouteProtocol,
    Target, gateway,
};
use gingham_netlink::{Address, Link, Neighbour};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Long after boot: what is since 7 is old, and what is since NOW is not until the test ends.
pub(crate) const NOW: u64 = 10_000;
pub(crate) const LO: u32 = 1;
pub(crate) const FOREIGN: RouteProtocol = RouteProtocol(4);

/// One pod as leases and kernel have it.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) id: u8,
    /// State and age of its lease.
    pub(crate) lease: Option<(&'static str, u64)>,
    /// What is on its host end.
    pub(crate) end: Option<End>,
    /// Where its routes lead, first things first.
    pub(crate) routes: Vec<Lead>,
}

#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) up: bool,
    pub(crate) gateway: bool,
    pub(crate) neighbour: Option<(u8, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lead {
    Right,
    Elsewhere,
    Foreign,
    OtherMetric,
}

impl Pod {
    pub(crate) fn healthy(id: u8) -> Self {
        let end = End {
            up: true,
            gateway: true,
            neighbour: Some((id, true)),
        };
        Pod {
            id,
            lease: Some(("Held", 7)),
            end: Some(end),
            routes: vec![Lead::Right],
        }
    }

    pub(crate) fn host_if(&self) -> String {
        format!("gh{}", self.id)
    }

    pub(crate) fn dev(&self) -> u32 {
        10 + u32::from(self.id)
    }

    pub(crate) fn mac(last: u8) -> MacAddress {
        MacAddress([2, 0x67, 0, 0, 1, last])
    }

    pub(crate) fn addresses(&self) -> [IpAddr; 2] {
        ["10.64.0.", "fd00::"].map(|net| format!("{net}{}", self.id + 1).parse().unwrap())
    }

    pub(crate) fn is_young_intent(&self) -> bool {
        self.lease == Some(("Intent", NOW))
    }

    pub(crate) fn right(&self, address: IpAddr) -> Route {
        Route::of(Owner::Pod, Prefix::host(address), Target::Link(self.dev()))
    }

    pub(crate) fn lease(&self) -> Option<Value> {
        let [v4, v6] = self.addresses();
        let (state, since) = self.lease?;
        Some(json!({
            "network": "gingham", "containerId": format!("c{}", self.id), "ifname": "eth0",
            "pod": format!("shop/web-{}", self.id), "v4": v4, "v6": v6,
            "mac": Pod::mac(self.id), "hostIf": self.host_if(), "state": state, "since": since,
        }))
    }
}

/// What the kernel would list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) routes: Vec<Route>,
}

impl Kernel {
    pub(crate) fn of(pods: &[Pod]) -> Self {
        let mut kernel = Kernel::default();
        kernel.link(LO, "lo", 0);
        for pod in pods {
            if let Some(end) = &pod.end {
                kernel.end(pod, end);
            }
            for address in pod.addresses() {
                let leads = pod.routes.iter();
                let there = leads.filter(|lead| **lead != Lead::Right || pod.end.is_some());
                kernel
                    .routes
                    .extend(there.map(|lead| route(pod.right(address), *lead)));
            }
        }
        kernel
    }

    pub(crate) fn link(&mut self, index: u32, name: &str, group: u32) -> &mut Link {
        self.links.push(Link {
            index,
            name: name.to_owned(),
            mtu: 1500,
            mac: None,
            up: true,
            running: true,
            loopback: index == LO,
            group,
            alias: None,
            veth_peer: None,
        });
        self.links.last_mut().unwrap()
    }

    pub(crate) fn end(&mut self, pod: &Pod, end: &End) {
        let link = self.link(pod.dev(), &pod.host_if(), POD_LINK_GROUP);
        link.up = end.up;
        link.alias = Some(format!("shop/web-{} eth0", pod.id));
        if end.gateway {
            self.gateway(pod.dev());
        }
        if let Some((mac, permanent)) = end.neighbour {
            self.neighbours
                .extend(pod.addresses().map(|address| Neighbour {
                    dev: pod.dev(),
                    address,
                    mac: Some(Pod::mac(mac)),
                    permanent,
                }));
        }
    }

    pub(crate) fn gateway(&mut self, dev: u32) {
        self.addresses.push(Address {
            dev,
            address: gateway(Family::V6),
            length: 64,
            tentative: false,
        });
    }

    pub(crate) fn datapath(&self) -> Datapath {
        Datapath::new(&self.links, &self.addresses, &self.neighbours, &self.routes)
    }

    /// What the kernel makes of a repair.
    pub(crate) fn mend(&mut self, Repair { dev, step, .. }: &Repair) {
        let at = |routes: &[Route], key: RouteKey| routes.iter().position(|r| r.key == key);
        match step {
            Step::Up => {
                let link = self.links.iter_mut().find(|link| link.index == *dev);
                link.unwrap().up = true;
            }
            Step::Gateway => self.gateway(*dev),
            Step::Neighbour(address, mac) => {
                self.neighbours
                    .retain(|n| (n.dev, n.address) != (*dev, *address));
                self.neighbours.push(Neighbour {
                    dev: *dev,
                    address: *address,
                    mac: Some(*mac),
                    permanent: true,
                });
            }
            Step::Route(Change::Add(route)) => {
                if at(&self.routes, route.key).is_none() {
                    self.routes.push(route.clone());
                }
            }
            Step::Route(Change::Replace(route)) => {
                let at = at(&self.routes, route.key).unwrap();
                assert_eq!(self.routes[at].protocol, Owner::Pod.protocol());
                self.routes[at] = route.clone();
            }
            Step::Route(Change::Remove(route)) => {
                let at = self.routes.iter().position(|other| other == route).unwrap();
                self.routes.remove(at);
            }
        }
    }
}

pub(crate) fn route(right: Route, lead: Lead) -> Route {
    let mut route = right;
    match lead {
        Lead::Right => {}
        Lead::Elsewhere => route.target = Target::Link(LO),
        Lead::Foreign => route.protocol = FOREIGN,
        Lead::OtherMetric => route.key.metric = 99,
    }
    route
}

pub(crate) fn leases(pods: &[Pod]) -> Leases {
    let leases: Vec<Value> = pods.iter().filter_map(Pod::lease).collect();
    let boot = "8b1fbfa9-bbc5-4d86-9c9b-2818d6a61351";
    let file = json!({"version": 1, "bootId": boot, "leases": leases});
    Leases::parse(file.to_string().as_bytes()).unwrap()
}

pub(crate) fn any_pod(id: u8) -> impl Strategy<Value = Pod> {
    let lease = select(vec![
        None,
        Some(("Held", 7)),
        Some(("Held", 7)),
        Some(("Held", NOW)),
        Some(("Intent", 7)),
        Some(("Intent", NOW)),
        Some(("Cooling", 7)),
    ]);
    let neighbour = prop::option::of((select(vec![id, 99]), any::<bool>()));
    let end = (any::<bool>(), any::<bool>(), neighbour).prop_map(|(up, gateway, neighbour)| End {
        up,
        gateway,
        neighbour,
    });
    let leads = select(vec![
        vec![],
        vec![Lead::Right],
        vec![Lead::Right, Lead::Elsewhere],
        vec![Lead::Right, Lead::OtherMetric],
        vec![Lead::Elsewhere],
        vec![Lead::Elsewhere, Lead::Right],
        vec![Lead::Foreign],
        vec![Lead::Foreign, Lead::Elsewhere],
    ]);
    (lease, prop::option::weighted(0.8, end), leads).prop_map(move |(lease, end, routes)| Pod {
        id,
        lease,
        end,
        routes,
    })
}

pub(crate) fn any_pods() -> impl Strategy<Value = Vec<Pod>> {
    (0u8..5).prop_flat_map(|count| (0..count).map(any_pod).collect::<Vec<_>>())
}
