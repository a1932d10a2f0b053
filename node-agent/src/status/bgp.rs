//! BGP: what `status` says of it, and the documents of `peers` and `rib`.

use gingham_bgp::rib::Standing;
use gingham_bgp::session::State;
use gingham_bgp::speaker::report::{PathReport, PeerReport, PrefixReport};
use gingham_bgp::{Asn, RouterId};
use gingham_model::{Family, Prefix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// BGP on this node, a part of the status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BgpStatus {
    /// `reflector`, `node`, or `none` where this node speaks no BGP; empty of an agent that does not
    /// know BGP.
    pub part: String,
    /// The zone's autonomous system.
    pub asn: Option<Asn>,
    /// The BGP identifier.
    pub router_id: Option<RouterId>,
    /// The cluster of a reflector (RFC 4456).
    pub cluster_id: Option<RouterId>,
    /// How the sessions stand; `None` where no speaker says it.
    pub sessions: Option<Sessions>,
    /// How many prefixes are learned.
    pub learned: BTreeMap<Family, usize>,
    /// Families of which not everything has been heard yet, and why: nothing learned before goes.
    pub pending: BTreeMap<Family, String>,
    /// What an operator ought to know; among the notices of the status too.
    pub notices: Vec<String>,
    /// What of BGP keeps the node from being ready; among the reasons of the status too.
    pub troubles: Vec<String>,
}

/// How many sessions are up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// Those that are.
    pub established: usize,
    /// All that are wanted, and those of peers that dialled in.
    pub all: usize,
}

/// `GET /v1/peers`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peers {
    /// [`super::VERSION`].
    pub version: u32,
    /// Every neighbour, by name.
    pub peers: Vec<PeerReport>,
}

/// `GET /v1/rib?prefix=P`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Paths {
    /// [`super::VERSION`].
    pub version: u32,
    /// The prefix and every path to it, the best first.
    #[serde(flatten)]
    pub report: PrefixReport,
}

/// `GET /v1/rib`: a short line for each prefix, since there may be 100,000.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rib {
    /// [`super::VERSION`].
    pub version: u32,
    /// Every prefix of which a path is held.
    pub prefixes: Vec<RibLine>,
}

/// One prefix of the RIB in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RibLine {
    /// The prefix.
    pub prefix: Prefix,
    /// The next hops of the paths that share the load, the best first; empty when none can be used.
    pub next_hops: Vec<IpAddr>,
    /// Whose they are.
    pub peers: Vec<String>,
    /// The AS path of the best.
    pub as_path: String,
    /// How many paths are held.
    pub paths: usize,
}

impl RibLine {
    /// A prefix in short.
    pub fn of(report: &PrefixReport) -> Self {
        let best = used(report).next();
        RibLine {
            prefix: report.prefix,
            next_hops: used(report).map(|path| path.attributes.next_hop).collect(),
            peers: used(report).map(|path| path.peer.clone()).collect(),
            as_path: best.map_or_else(String::new, |path| path.attributes.as_path.clone()),
            paths: report.paths.len(),
        }
    }
}

/// Every state of a session, in their order.
pub(crate) const STATES: [State; 6] = [
    State::Idle,
    State::Connect,
    State::Active,
    State::OpenSent,
    State::OpenConfirm,
    State::Established,
];

/// A state as tables and metrics have it.
pub(crate) fn state_word(state: State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Connect => "connect",
        State::Active => "active",
        State::OpenSent => "open-sent",
        State::OpenConfirm => "open-confirm",
        State::Established => "established",
    }
}

/// The paths that share the load, the best first.
pub(crate) fn used(report: &PrefixReport) -> impl Iterator<Item = &PathReport> {
    let used =
        |path: &&PathReport| matches!(path.standing, Standing::Best | Standing::Multipath(_));
    report.paths.iter().filter(used)
}
