//! What ADD made, what there is, and how the two differ.

use crate::wire::GATEWAY_LENGTH;
use gingham_ipam::{Lease, LeaseState};
use gingham_model::{Family, HOST_MAC, MacAddress, Owner, POD_LINK_GROUP, Prefix, gateway};
use gingham_netlink::fib::{Entry, Leads, Lookup, Way};
use gingham_netlink::{Address, Link, Neighbour};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// What must be so, as ADD has made it and later plugins of the chain have changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) host: ExpectedEnd,
    pub(crate) pod: ExpectedEnd,
    /// The addresses that we gave, IPv4 first.
    pub(crate) ours: Vec<IpAddr>,
    /// Addresses on the pod's interface with their lengths: ours, and what others have added.
    pub(crate) listed: Vec<(IpAddr, u8)>,
    /// Default routes through our gateway, by family, and the table each stands in.
    pub(crate) defaults: BTreeMap<Family, u32>,
    /// The host end answers ARP.
    pub(crate) proxy_arp: bool,
}

/// What one end must be. `None` is what nobody can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedEnd {
    pub(crate) name: String,
    pub(crate) mac: Option<MacAddress>,
    pub(crate) mtu: Option<u32>,
}

/// What there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    /// The lease of this attachment.
    pub(crate) lease: Option<Lease>,
    pub(crate) host: Option<HostEnd>,
    pub(crate) pod: Option<PodEnd>,
}

/// The host end with what concerns the pod's addresses.
#[derive(Clone, Debug)]
pub(crate) struct HostEnd {
    pub(crate) link: Link,
    pub(crate) addresses: Vec<Address>,
    pub(crate) neighbours: BTreeMap<IpAddr, Option<Neighbour>>,
    /// Where the host sends what is for each of the pod's addresses.
    pub(crate) lookups: BTreeMap<IpAddr, Lookup>,
    /// The setting's text.
    pub(crate) proxy_arp: String,
}

/// The interface in the pod.
#[derive(Clone, Debug)]
pub(crate) struct PodEnd {
    pub(crate) link: Link,
    pub(crate) addresses: Vec<Address>,
    pub(crate) gateways: BTreeMap<Family, Option<Neighbour>>,
    /// Every default route of the pod's namespace.
    pub(crate) defaults: Vec<Entry>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    what: String,
    want: String,
    have: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { what, want, have } = self;
        write!(f, "{what}: want {want}, have {have}")
    }
}

/// Every difference, in the order in which a person would look: lease, links, what lies on them.
pub(crate) fn differences(want: &Expected, have: &Observed) -> Vec<Difference> {
    let mut found = Findings::default();
    found.lease(want, have.lease.as_ref());
    let (host, pod) = (have.host.as_ref(), have.pod.as_ref());
    let (host_if, pod_if) = (&want.host.name, &want.pod.name);
    match pod {
        None => found.missing(format_args!("{pod_if} in the pod"), "an interface"),
        Some(pod) => found.pod(want, pod),
    }
    match host {
        None => found.missing(format_args!("{host_if} on the host"), "an interface"),
        Some(host) => found.host(want, host),
    }
    if let (Some(host), Some(pod)) = (host, pod) {
        found.pair(want, &host.link, &pod.link);
    }
    found.0
}

#[derive(Default)]
struct Findings(Vec<Difference>);

impl Findings {
    fn missing(&mut self, what: impl fmt::Display, want: impl fmt::Display) {
        self.differ(what, want, "none");
    }

    fn differ(
        &mut self,
        what: impl fmt::Display,
        want: impl fmt::Display,
        have: impl fmt::Display,
    ) {
        self.0.push(Difference {
            what: what.to_string(),
            want: want.to_string(),
            have: have.to_string(),
        });
    }

    fn lease(&mut self, want: &Expected, lease: Option<&Lease>) {
        let ours = list(want.ours.iter());
        match lease {
            None => self.missing("lease", format_args!("one of {ours}")),
            Some(lease) if lease.state != LeaseState::Held => {
                self.differ("lease", "Held", format_args!("{:?}", lease.state));
            }
            Some(lease) => {
                let held: Vec<IpAddr> = lease.addresses().collect();
                if held != want.ours {
                    self.differ("lease", ours, list(held.iter()));
                }
            }
        }
    }

    fn pod(&mut self, want: &Expected, pod: &PodEnd) {
        let whose = format!("{} in the pod", want.pod.name);
        self.end(&whose, &want.pod, &pod.link);
        for (address, length) in &want.listed {
            self.address(&whose, (*address, *length), &pod.addresses);
        }
        for (family, table) in &want.defaults {
            let way = Way {
                via: Some(gateway(*family)),
                dev: pod.link.index,
            };
            let fits = |entry: &&Entry| entry.key.table == *table && leads_by(&entry.leads, way);
            let mut of_family = pod
                .defaults
                .iter()
                .filter(|e| e.key.prefix.family() == *family);
            if of_family.clone().any(|entry| fits(&entry)) {
                continue;
            }
            let have = of_family
                .next()
                .map_or("none".into(), |entry| shown(&entry.leads));
            let what = format_args!("{family} default route in the pod");
            self.differ(what, format_args!("one via {}", gateway(*family)), have);
        }
        for (family, neighbour) in &pod.gateways {
            self.neighbour(&whose, (gateway(*family), HOST_MAC), neighbour.as_ref());
        }
    }

    fn host(&mut self, want: &Expected, host: &HostEnd) {
        let whose = format!("{} on the host", want.host.name);
        self.end(&whose, &want.host, &host.link);
        if host.link.group != POD_LINK_GROUP {
            let what = format_args!("group of {whose}");
            self.differ(what, POD_LINK_GROUP, host.link.group);
        }
        if want.ours.iter().any(IpAddr::is_ipv6) {
            let address = (gateway(Family::V6), GATEWAY_LENGTH);
            self.address(&whose, address, &host.addresses);
        }
        for address in &want.ours {
            if let (Some(mac), Some(neighbour)) = (want.pod.mac, host.neighbours.get(address)) {
                self.neighbour(&whose, (*address, mac), neighbour.as_ref());
            }
            if let Some(lookup) = host.lookups.get(address)
                && !is_pods(lookup, *address, host.link.index)
            {
                let prefix = Prefix::host(*address);
                let what = format_args!("route to {prefix} on the host");
                self.differ(
                    what,
                    format_args!("ours onto {}", want.host.name),
                    route(lookup),
                );
            }
        }
        if want.proxy_arp && host.proxy_arp != "1" {
            self.differ(format_args!("proxy_arp of {whose}"), 1, &host.proxy_arp);
        }
    }

    /// What is the same for both ends.
    fn end(&mut self, whose: &str, want: &ExpectedEnd, link: &Link) {
        if link.veth_peer.is_none() {
            self.differ(whose, "a veth", "an interface of another kind");
        }
        if !link.up {
            self.differ(whose, "up", "down");
        }
        if want.mac.is_some() && want.mac != link.mac {
            self.differ(
                format_args!("MAC of {whose}"),
                text(want.mac),
                text(link.mac),
            );
        }
        if let Some(mtu) = want.mtu.filter(|mtu| *mtu != link.mtu) {
            self.differ(format_args!("MTU of {whose}"), mtu, link.mtu);
        }
    }

    /// That the two are ends of one pair, which no name tells, and pass packets of one size.
    fn pair(&mut self, want: &Expected, host: &Link, pod: &Link) {
        let (host_if, pod_if) = (&want.host.name, &want.pod.name);
        if let Some(peer) = pod.veth_peer.filter(|peer| *peer != host.index) {
            let what = format_args!("other end of {pod_if} in the pod");
            let (want, have) = (host.index, peer);
            self.differ(what, format_args!("{host_if}, interface {want}"), have);
        }
        let unknown = want.pod.mtu.is_none() && want.host.mtu.is_none();
        if unknown && host.mtu != pod.mtu {
            let what = format_args!("MTU of {pod_if} in the pod");
            self.differ(what, format_args!("{} as of {host_if}", host.mtu), pod.mtu);
        }
    }

    fn address(&mut self, whose: &str, (address, length): (IpAddr, u8), have: &[Address]) {
        let found = have
            .iter()
            .find(|h| (h.address, h.length) == (address, length));
        let what = format_args!("address {address}/{length} on {whose}");
        match found {
            None => self.missing(what, "it"),
            Some(found) if found.tentative => self.differ(what, "usable", "tentative"),
            Some(_) => {}
        }
    }

    fn neighbour(
        &mut self,
        whose: &str,
        (address, mac): (IpAddr, MacAddress),
        have: Option<&Neighbour>,
    ) {
        let what = format_args!("neighbour {address} of {whose}");
        let want = format_args!("{mac} for good");
        match have {
            None => self.missing(what, want),
            Some(have) if have.mac == Some(mac) && have.permanent => {}
            Some(Neighbour {
                mac,
                permanent: true,
                ..
            }) => self.differ(what, want, text(*mac)),
            Some(Neighbour { mac, .. }) => {
                self.differ(what, want, format_args!("{} for a while", text(*mac)));
            }
        }
    }
}

/// Whether what is for a pod's address goes onto its host end, by the route that ADD has made.
fn is_pods(lookup: &Lookup, address: IpAddr, dev: u32) -> bool {
    let Lookup::Taken { route, .. } = lookup else {
        return false;
    };
    route.key == Owner::Pod.key(Prefix::host(address))
        && route.protocol == Owner::Pod.protocol()
        && leads_by(&route.leads, Way { via: None, dev })
}

fn leads_by(leads: &Leads, way: Way) -> bool {
    matches!(leads, Leads::Out(ways) if *ways == [way])
}

fn route(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Refused(errno) => format!("none ({errno})"),
        Lookup::Taken { route, .. } => {
            let (prefix, metric) = (route.key.prefix, route.key.metric);
            let protocol = route.protocol.0;
            let leads = shown(&route.leads);
            format!("{prefix} {leads} protocol {protocol} metric {metric}")
        }
    }
}

fn shown(leads: &Leads) -> String {
    match leads {
        Leads::Out(ways) => {
            let way = |way: &Way| match way.via {
                Some(via) => format!("via {via} dev {}", way.dev),
                None => format!("dev {}", way.dev),
            };
            ways.iter().map(way).collect::<Vec<_>>().join(", ")
        }
        Leads::Here => "to the host itself".into(),
        Leads::Many => "to many".into(),
        Leads::Nowhere(errno) => format!("nowhere ({errno})"),
        Leads::NextTable => "to the next table".into(),
    }
}

fn text(mac: Option<MacAddress>) -> String {
    mac.map_or("none".into(), |mac| mac.to_string())
}

fn list<'a>(addresses: impl Iterator<Item = &'a IpAddr>) -> String {
    addresses
        .map(IpAddr::to_string)
        .collect::<Vec<_>>()
        .join(" and ")
}
