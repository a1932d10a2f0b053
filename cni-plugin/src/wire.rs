//! The datapath of one pod: a veth pair, and who is whose neighbour.
//!
//! ```text
//!    host                                      pod
//!    gh1234567890ab  02:67:68:00:00:01         eth0  02:67:..
//!      fe80::1/64                                10.101.21.2/32  fd00:101:0:21::2/128
//!      10.101.21.2 is at 02:67:..  (permanent)   169.254.1.1 is at 02:67:68:00:00:01  (permanent)
//!      10.101.21.2/32 dev gh1234567890ab         default via 169.254.1.1 dev eth0 onlink
//! ```
//!
//! No bridge, no proxy ARP, no ARP at all: both sides know each other from the start. The host end
//! has no IPv4 address.
//!
//! With `proxyArp` the host end answers ARP as well, at once and for whatever is routed elsewhere: so
//! virtual machines behind the pod's interface, which know nobody, find 169.254.1.1. The kernel
//! answers only for what the node has a route to; its default route covers that.

use gingham_model::{
    Family, HOST_MAC, MacAddress, Owner, POD_LINK_GROUP, Prefix, Route, Target, gateway,
};
use gingham_netlink::link::{self, Settings, VethEnd, VethPair};
use gingham_netlink::{
    Error, Link, Netns, NetnsError, Request, Socket, address, neighbour, route, sysctl,
};
use nix::errno::Errno;
use std::net::IpAddr;
use std::time::Duration;

/// How long one exchange with the kernel may take: well below the minute that a runtime waits.
pub(crate) const KERNEL_TIMEOUT: Duration = Duration::from_secs(9);

/// Length of the connected prefix of the gateway's IPv6 address on a host end.
pub(crate) const GATEWAY_LENGTH: u8 = 64;

/// What a pod is to be wired as.
#[derive(Clone, Debug)]
pub(crate) struct Wiring {
    pub(crate) host_if: String,
    pub(crate) alias: String,
    pub(crate) pod_if: String,
    pub(crate) pod_mac: MacAddress,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) mtu: u32,
    pub(crate) proxy_arp: bool,
}

/// Where the two ends stand.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) host: Netns,
    pub(crate) pod: Netns,
}

/// Why a pod could not be wired.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The pair was not made; nothing of it is there, and what is there is not of this attempt.
    #[error(transparent)]
    Create(Error),
    /// A step on the host's side failed.
    #[error("on the host: {0}")]
    Host(StepError),
    /// A step in the pod's namespace failed.
    #[error("in the pod: {0}")]
    Pod(StepError),
    /// The pod's namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// The kernel refused it.
    #[error(transparent)]
    Refused(#[from] Error),
    /// IPv6 could not be switched on for the interface.
    #[error(transparent)]
    Sysctl(#[from] sysctl::Error),
    /// The kernel was built or booted (`ipv6.disable=1`) without IPv6.
    #[error("this kernel has no IPv6, which node.json says pods have: {0}")]
    NoIpv6(Error),
    /// The namespace could not be entered once more.
    #[error(transparent)]
    Netns(#[from] NetnsError),
}

/// Makes the pair and everything on it, or nothing.
pub(crate) fn wire(wiring: &Wiring, places: &Places) -> Result<(), WireError> {
    let mut host = Socket::open(KERNEL_TIMEOUT).map_err(WireError::Create)?;
    let pair = VethPair {
        host: VethEnd {
            name: wiring.host_if.clone(),
            mac: HOST_MAC,
        },
        peer: VethEnd {
            name: wiring.pod_if.clone(),
            mac: wiring.pod_mac,
        },
        mtu: wiring.mtu,
        group: POD_LINK_GROUP,
    };
    let end = host
        .make_veth(&pair, &places.pod)
        .map_err(WireError::Create)?;
    furnish(wiring, places, &end, &mut host).inspect_err(|_| {
        // The first error is the one to tell; a pair left over is found by DEL.
        let _ = host.run(&[link::delete_index(end.index)]);
    })
}

/// Puts everything on a pair that was just made. The host's socket is where it was opened, whatever
/// becomes of the thread.
fn furnish(
    wiring: &Wiring,
    places: &Places,
    end: &Link,
    host: &mut Socket,
) -> Result<(), WireError> {
    let opened = (places.pod).step_in(&places.host, || Socket::open(KERNEL_TIMEOUT))?;
    let refused = |error: Error| WireError::Pod(error.into());
    let mut pod = opened.map_err(refused)?;
    let dev = match end.veth_peer {
        Some(peer) => peer,
        None => pod.link(&wiring.pod_if).map_err(refused)?.index,
    };
    let name = &wiring.pod_if;
    let inside = |set: SetSysctl<'_>| places.pod.step_in(&places.host, set);
    pod_side(wiring, dev)
        .run(&mut pod, name, inside)
        .map_err(WireError::Pod)?;
    let here = |set: SetSysctl<'_>| Ok(set());
    host_side(wiring, end.index)
        .run(host, &wiring.host_if, here)
        .map_err(WireError::Host)?;
    // A link that has just come up drops what is sent until the kernel's link watch has been at it;
    // asking for the link makes it do so at once (Linux 6.8).
    pod.link_at(dev).map_err(refused)?;
    host.link_at(end.index)
        .map(drop)
        .map_err(|error| WireError::Host(error.into()))
}

/// What sets a kernel setting in the namespace of the thread that runs it.
type SetSysctl<'a> = &'a dyn Fn() -> Result<sysctl::Outcome, sysctl::Error>;

/// What is to be done on one end, in order.
#[derive(Default)]
struct Side {
    requests: Vec<Request>,
    /// How many of the last ones concern IPv6 addresses; the first of them adds one.
    v6: usize,
}

impl Side {
    /// Carries it out. Where the namespace's defaults switch IPv6 off on new interfaces
    /// (`net.ipv6.conf.default.disable_ipv6`), it is switched on for this one. `in_place` runs what
    /// it is given in the namespace of the socket.
    fn run(
        self,
        socket: &mut Socket,
        name: &str,
        in_place: impl Fn(SetSysctl<'_>) -> Result<Result<sysctl::Outcome, sysctl::Error>, NetnsError>,
    ) -> Result<(), StepError> {
        let Err(error) = socket.run(&self.requests) else {
            return Ok(());
        };
        match error.errno() {
            // Of what there is to refuse, only addresses and routes of such an interface are
            // (net/ipv6/addrconf.c, route.c): all before them has been done.
            Some(Errno::EACCES) if self.v6 > 0 => {
                let setting = format!("net/ipv6/conf/{name}/disable_ipv6");
                in_place(&|| sysctl::set(&setting, "0"))??;
                Ok(socket.run(&self.requests[self.requests.len() - self.v6..])?)
            }
            // Of the link's settings, or of the address, for which nobody is there.
            Some(Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP) if self.v6 > 0 => {
                Err(StepError::NoIpv6(error))
            }
            _ => Err(error.into()),
        }
    }
}

fn pod_side(wiring: &Wiring, dev: u32) -> Side {
    let mut side = Side::default();
    if wiring.has_ipv6() {
        side.requests.push(link::set_addr_gen_none(dev));
    }
    side.requests.push(link::set_up(dev));
    for family in Family::ALL {
        let before = side.requests.len();
        for address in wiring.of(family) {
            side.requests.extend([
                address::add(dev, address, family.bits()),
                neighbour::set_permanent(dev, gateway(family), HOST_MAC),
                route::add_default_onlink(dev, gateway(family)),
            ]);
        }
        side.v6 = side.requests.len() - before;
    }
    side
}

fn host_side(wiring: &Wiring, dev: u32) -> Side {
    let mut side = Side::default();
    let settings = Settings {
        alias: Some(&wiring.alias),
        addr_gen_none: wiring.has_ipv6(),
        rp_filter_strict: true,
        proxy_arp: wiring.proxy_arp,
    };
    side.requests.push(link::configure(dev, &settings));
    if wiring.proxy_arp {
        side.requests.push(neighbour::answer_proxied_at_once(dev));
    }
    side.requests.push(link::set_up(dev));
    for family in Family::ALL {
        let before = side.requests.len();
        if family == Family::V6 && wiring.has_ipv6() {
            let gateway = address::add(dev, gateway(family), GATEWAY_LENGTH);
            side.requests.push(gateway);
        }
        for address in wiring.of(family) {
            // Not a replacement: a route that is there already means that somebody has the address.
            let route = Route::of(Owner::Pod, Prefix::host(address), Target::Link(dev));
            side.requests.extend([
                neighbour::set_permanent(dev, address, wiring.pod_mac),
                route::add(&route),
            ]);
        }
        side.v6 = side.requests.len() - before;
    }
    side
}

impl Wiring {
    fn of(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        let addresses = self.addresses.iter().copied();
        addresses.filter(move |address| Family::of(*address) == family)
    }

    fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(IpAddr::is_ipv6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An interface below the least MTU of IPv6 has none, as every interface of such a kernel.
    #[test]
    fn where_the_kernel_has_no_ipv6_it_is_said_and_nothing_is_left() {
        let wiring = Wiring {
            host_if: "gh0".into(),
            alias: "shop/web eth0".into(),
            pod_if: "eth0".into(),
            pod_mac: MacAddress([2, 0, 0, 0, 0, 1]),
            addresses: vec!["10.1.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
            mtu: 1000,
            proxy_arp: false,
        };
        let (host, pod) = (Netns::create().unwrap(), Netns::create().unwrap());
        let look = || {
            let host = Netns::current().unwrap();
            let error = wire(&wiring, &Places { host, pod }).unwrap_err();
            let links = Socket::open(KERNEL_TIMEOUT).unwrap().links().unwrap();
            (error.to_string(), links.len())
        };
        let (error, links) = host.visit(look).unwrap();
        let said = "in the pod: this kernel has no IPv6, which node.json says pods have: set ";
        assert!(error.starts_with(said), "{error}");
        assert_eq!(links, 1, "lo alone");
    }
}
