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

use gingham_model::{
    Family, HOST_MAC, MacAddress, Owner, POD_LINK_GROUP, Prefix, Route, Target, gateway,
};
use gingham_netlink::link::{self, VethEnd, VethPair};
use gingham_netlink::{Error, Netns, NetnsError, Request, Socket, address, neighbour, route};
use nix::errno::Errno;
use std::net::IpAddr;
use std::time::Duration;

/// How long one exchange with the kernel may take: well below the minute that a runtime waits.
pub(crate) const KERNEL_TIMEOUT: Duration = Duration::from_secs(15);

/// What a pod is to be wired as.
#[derive(Clone, Debug)]
pub(crate) struct Wiring {
    pub(crate) host_if: String,
    pub(crate) alias: String,
    pub(crate) pod_if: String,
    pub(crate) pod_mac: MacAddress,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) mtu: u32,
}

/// Why a pod could not be wired.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The pair was not made; nothing of it is there, and what is there is not of this attempt.
    #[error(transparent)]
    Create(Error),
    /// The kernel refused a step on the host's side.
    #[error("on the host: {0}")]
    Host(Error),
    /// The kernel refused a step in the pod's namespace.
    #[error("in the pod: {0}")]
    Pod(Error),
    /// The pod's namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
}

/// Makes the pair and everything on it, or nothing.
pub(crate) fn wire(wiring: &Wiring, netns: &Netns) -> Result<(), WireError> {
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
    host.run(&[link::create_veth(&pair, netns)])
        .map_err(WireError::Create)?;
    furnish(wiring, netns, &mut host).inspect_err(|_| {
        // The first error is the one to tell; a pair left over is found by DEL.
        let _ = unwire(&wiring.host_if);
    })
}

/// Puts everything on a pair that was just made.
fn furnish(wiring: &Wiring, netns: &Netns, host: &mut Socket) -> Result<(), WireError> {
    let in_pod = || -> Result<(), Error> {
        let mut pod = Socket::open(KERNEL_TIMEOUT)?;
        let dev = pod.link(&wiring.pod_if)?.index;
        pod.run(&pod_side(wiring, dev))
    };
    netns.visit(in_pod)?.map_err(WireError::Pod)?;
    let dev = host.link(&wiring.host_if).map_err(WireError::Host)?.index;
    host.run(&host_side(wiring, dev)).map_err(WireError::Host)
}

/// Removes the pair; with it go its addresses, neighbours and routes. Nothing there is as good.
pub(crate) fn unwire(host_if: &str) -> Result<(), Error> {
    match Socket::open(KERNEL_TIMEOUT)?.run(&[link::delete(host_if)]) {
        Err(error) if error.errno() == Some(Errno::ENODEV) => Ok(()),
        outcome => outcome,
    }
}

fn pod_side(wiring: &Wiring, dev: u32) -> Vec<Request> {
    let mut requests = Vec::new();
    if wiring.has_ipv6() {
        requests.push(link::set_addr_gen_none(dev));
    }
    requests.push(link::set_up(dev));
    for address in &wiring.addresses {
        let family = Family::of(*address);
        requests.push(address::add(dev, *address, family.bits()));
        requests.push(neighbour::set_permanent(dev, gateway(family), HOST_MAC));
        requests.push(route::add_default_onlink(dev, gateway(family)));
    }
    requests
}

fn host_side(wiring: &Wiring, dev: u32) -> Vec<Request> {
    let mut requests = vec![
        link::set_alias(dev, &wiring.alias),
        link::set_rp_filter_strict(dev),
    ];
    if wiring.has_ipv6() {
        requests.push(link::set_addr_gen_none(dev));
        requests.push(link::set_up(dev));
        requests.push(address::add(dev, gateway(Family::V6), 64));
    } else {
        requests.push(link::set_up(dev));
    }
    for address in &wiring.addresses {
        requests.push(neighbour::set_permanent(dev, *address, wiring.pod_mac));
        // Not a replacement: a route that is there already means that somebody has the address.
        let route = Route::of(Owner::Pod, Prefix::host(*address), Target::Link(dev));
        requests.push(route::add(&route));
    }
    requests
}

impl Wiring {
    fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(IpAddr::is_ipv6)
    }
}
