//! Path attributes: one set per distinct value, shared by every path that carries it.

mod community;
mod intern;
mod path;

pub use community::{Community, CommunityError, ExtendedCommunity, LargeCommunity};
pub use intern::{Interned, Interner};
pub use path::AsPath;

use crate::{Asn, RouterId};
use std::net::{IpAddr, Ipv4Addr};

/// ORIGIN (RFC 4271 section 5.1.1), the most preferred first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Learned inside the originating AS.
    Igp,
    /// Learned by EGP.
    Egp,
    /// By other means.
    Incomplete,
}

/// AGGREGATOR (RFC 4271 section 5.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aggregator {
    /// The AS that aggregated.
    pub asn: Asn,
    /// The router that did.
    pub router: Ipv4Addr,
}

/// An attribute this speaker does not know. Only optional transitive ones are kept; they are passed on
/// with the Partial bit set (RFC 4271 section 5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnknownAttribute {
    /// Its type code.
    pub code: u8,
    /// Its value as received.
    pub value: Box<[u8]>,
}

/// Everything said of a path but its prefix. Lists are boxed slices: sets are many and rarely change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH, with the numbers of a two-octet peer already merged from AS4_PATH (RFC 6793).
    pub as_path: AsPath,
    /// The next hop, from NEXT_HOP or MP_REACH_NLRI. A link-local one beside a global one is dropped:
    /// reflection crosses links.
    pub next_hop: IpAddr,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF; absent from external peers.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES (RFC 1997), sorted, each once.
    pub communities: Box<[Community]>,
    /// EXTENDED COMMUNITIES (RFC 4360), sorted, each once.
    pub extended_communities: Box<[ExtendedCommunity]>,
    /// LARGE COMMUNITIES (RFC 8092), sorted, each once.
    pub large_communities: Box<[LargeCommunity]>,
    /// ORIGINATOR_ID (RFC 4456).
    pub originator: Option<RouterId>,
    /// CLUSTER_LIST (RFC 4456), the nearest cluster first.
    pub cluster_list: Box<[RouterId]>,
    /// Optional transitive attributes this speaker does not know, by type code.
    pub unknown: Box<[UnknownAttribute]>,
}

impl Attributes {
    /// The least there is: a path that begins here, with this next hop.
    pub fn originated(next_hop: IpAddr) -> Self {
        Attributes {
            origin: Origin::Igp,
            as_path: AsPath::default(),
            next_hop,
            med: None,
            local_pref: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: Box::default(),
            extended_communities: Box::default(),
            large_communities: Box::default(),
            originator: None,
            cluster_list: Box::default(),
            unknown: Box::default(),
        }
    }

    /// Whether the path carries this community.
    pub fn has(&self, community: Community) -> bool {
        self.communities.binary_search(&community).is_ok()
    }

    /// The same attributes with `community` among them.
    pub fn with_community(mut self, community: Community) -> Self {
        if let Err(at) = self.communities.binary_search(&community) {
            let mut list = self.communities.into_vec();
            list.insert(at, community);
            self.communities = list.into_boxed_slice();
        }
        self
    }
}
