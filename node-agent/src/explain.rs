//! Where a packet of this node to an address goes, and why: whose the address is, which route takes
//! it, what else there was, and whether kernel and plan are of one mind. Pure but for [`Kernel::read`].
//!
//! ```text
//!   Cluster ──► owner ──┐
//!   routes around it ───┼─► choice ──► origin (with the RIB's paths)
//!   plan, lookup ───────┴─► verdict: kernel, plan and choice say the same, or what differs
//! ```

mod choice;
mod origin;
mod owner;
mod verdict;

pub use choice::{choose, rank};
pub use owner::Holder;

use crate::cluster::Cluster;
use crate::links::Links;
use crate::pass::{REQUEST, Seen};
use crate::routes::table::name_of;
use crate::status::VERSION;
use gingham_bgp::speaker::report::PrefixReport;
use gingham_model::{NodeName, Owner, Prefix, RouteProtocol};
use gingham_netlink::fib::{Entry, Leads, Lookup};
use gingham_netlink::{Error, Socket};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the kernel says of an address.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The interfaces.
    pub links: Links,
    /// Every route that could take a packet to it.
    pub around: Vec<Entry>,
    /// Where a packet to it goes.
    pub lookup: Lookup,
}

impl Kernel {
    /// Asks it.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn read(address: IpAddr) -> Result<Self, Error> {
        let mut socket = Socket::open(REQUEST)?;
        Ok(Kernel {
            links: Links::new(socket.links()?, socket.addresses()?),
            around: socket.routes_around(address)?,
            lookup: socket.route_to(address)?,
        })
    }
}

/// All an explanation depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The address.
    pub address: IpAddr,
    /// This node.
    pub me: &'a NodeName,
    /// The cluster as last known.
    pub cluster: &'a Cluster,
    /// What the last round found; `None` before the first.
    pub seen: Option<&'a Seen>,
    /// What the kernel says.
    pub kernel: &'a Kernel,
    /// The BGP paths to every prefix that holds the address, or why they are not known.
    pub paths: &'a Result<Vec<PrefixReport>, String>,
}

/// `GET /v1/explain?ip=A`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// [`VERSION`].
    pub version: u32,
    /// The address.
    pub address: IpAddr,
    /// Whose it is.
    pub holder: Holder,
    /// Where the route comes from, in words.
    pub origin: String,
    /// The route that takes a packet to it; `None` when none does.
    pub chosen: Option<Candidate>,
    /// The routes that could but for a better one, the best first.
    pub others: Vec<Candidate>,
    /// The BGP paths to every prefix that holds the address.
    pub paths: Vec<PrefixReport>,
    /// Why the paths are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths_unknown: Option<String>,
    /// The kernel's own answer, as `ip route get` has it.
    pub kernel: String,
    /// Where kernel and plan are not of one mind; empty when they are.
    pub disagreements: Vec<String>,
}

/// A route that could take the packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The routing table: 254 is main, 255 local.
    pub table: u32,
    /// The destination.
    pub prefix: Prefix,
    /// The metric.
    pub metric: u32,
    /// `rtm_protocol`.
    pub protocol: u8,
    /// Whose number that is, where known.
    pub by: String,
    /// Where it leads, in words.
    pub leads: String,
    /// Why it wins, or why not.
    pub because: String,
}

/// Explains.
pub fn explain(inputs: &Inputs<'_>) -> Explained {
    let Kernel { links, around, .. } = inputs.kernel;
    let ranked = rank(around);
    let chosen = choose(around);
    let candidate = |entry: &Entry, because: String| Candidate {
        table: entry.key.table,
        prefix: entry.key.prefix,
        metric: entry.key.metric,
        protocol: entry.protocol.0,
        by: by(entry.protocol),
        leads: leads(&entry.leads, links),
        because,
    };
    let is_chosen = |entry: &Entry| chosen.is_some_and(|chosen| std::ptr::eq(chosen, entry));
    let others = ranked.iter().filter(|entry| !is_chosen(entry));
    let paths = inputs.paths.as_ref();
    Explained {
        version: VERSION,
        address: inputs.address,
        holder: owner::holder(inputs, chosen),
        origin: origin::origin(inputs, chosen),
        chosen: chosen.map(|entry| candidate(entry, choice::why(entry, &ranked))),
        others: others
            .map(|entry| candidate(entry, choice::why_not(entry, chosen)))
            .collect(),
        paths: paths.cloned().unwrap_or_default(),
        paths_unknown: paths.err().cloned(),
        kernel: verdict::said(&inputs.kernel.lookup, links),
        disagreements: verdict::disagreements(inputs, chosen),
    }
}

/// Who marks routes with this number: one of our own parts, or a program that is known by it.
fn by(protocol: RouteProtocol) -> String {
    let ours = Owner::of(protocol).map(|owner| owner.to_string());
    let theirs = || name_of(protocol).map(str::to_owned);
    ours.or_else(theirs).unwrap_or_default()
}

/// Where a route leads, as `ip route` would say it.
fn leads(leads: &Leads, links: &Links) -> String {
    match leads {
        Leads::Here => "this host".to_owned(),
        Leads::Many => "broadcast or multicast".to_owned(),
        Leads::Nowhere(Errno::EACCES) => "prohibit".to_owned(),
        Leads::Nowhere(Errno::EINVAL) => "blackhole".to_owned(),
        Leads::Nowhere(_) => "unreachable".to_owned(),
        Leads::NextTable => "the next table".to_owned(),
        Leads::Out(ways) => {
            let ways = ways.iter().map(|way| match way.via {
                Some(via) => format!("via {via} dev {}", links.name(way.dev)),
                None => format!("dev {}", links.name(way.dev)),
            });
            ways.collect::<Vec<_>>().join(", ")
        }
    }
}
