//! What the speaker tells of itself, as values and as JSON.

use crate::attributes::{Attributes, Community, ExtendedCommunity, LargeCommunity, Origin};
use crate::policy::Verdict;
use crate::rib::{Freshness, Path, Provenance, Refusal, Selection, SourceKind, Standing};
use crate::session::{RefreshKind, State};
use crate::wire::Disposition;
use crate::{Asn, RouterId};
use gingham_model::{Family, NodeName, Prefix};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What was counted of one neighbour since it was configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Messages received, of all kinds.
    pub messages_in: u64,
    /// UPDATE messages received.
    pub updates_in: u64,
    /// Messages of the session sent: all but UPDATEs.
    pub messages_out: u64,
    /// Octets written.
    pub octets_out: u64,
    /// Times the session was established.
    pub established: u64,
    /// Times it was lost.
    pub lost: u64,
    /// Malformed attributes survived, by what was done (RFC 7606).
    pub faults: BTreeMap<String, u64>,
    /// Paths it announced that were kept out, by reason: the refusal, or the rule of a filter.
    pub refused: BTreeMap<String, u64>,
}

impl Counters {
    pub(super) fn fault(&mut self, disposition: Disposition) {
        let name = match disposition {
            Disposition::AttributeDiscard => "attribute-discard",
            Disposition::TreatAsWithdraw => "treat-as-withdraw",
        };
        *self.faults.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        let count = self.refused.entry(refusal.reason().to_owned());
        *count.or_default() += 1;
    }
}

/// One neighbour.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerReport {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// The node it is, where it is configured or the territory knows one at its address.
    pub node: Option<NodeName>,
    /// What it is to us.
    pub kind: SourceKind,
    /// The state of its machine.
    pub state: State,
    /// Its AS.
    pub asn: Asn,
    /// Its identifier, while the session is up.
    pub router_id: Option<RouterId>,
    /// Since when the session is up, in seconds.
    pub up_seconds: Option<u64>,
    /// What was agreed upon, while it is up.
    pub negotiated: Option<NegotiatedReport>,
    /// By family: paths held of it, those of them that were taken, and prefixes or paths it is told.
    pub families: BTreeMap<Family, FamilyReport>,
    /// What was counted.
    #[serde(flatten)]
    pub counters: Counters,
    /// Why the last session or the last try ended.
    pub last_error: Option<String>,
}

/// What the two ends agreed upon.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NegotiatedReport {
    /// The hold time in seconds; 0 for none.
    pub hold_seconds: u64,
    /// The longest message.
    pub max_message: u16,
    /// Route refresh.
    pub refresh: RefreshKind,
    /// Families of graceful restart.
    pub graceful_restart: BTreeSet<Family>,
    /// Whether a NOTIFICATION keeps routes (RFC 8538).
    pub notification_restart: bool,
    /// Long-lived stale time in seconds, by family.
    pub long_lived_seconds: BTreeMap<Family, u64>,
    /// Families with several paths, received.
    pub add_path_in: BTreeSet<Family>,
    /// Families with several paths, sent.
    pub add_path_out: BTreeSet<Family>,
    /// Codes of the capabilities the peer sent.
    pub capabilities: BTreeSet<u8>,
}

/// One family of a neighbour.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FamilyReport {
    /// Paths held of it, refused ones included.
    pub received: usize,
    /// Those that were taken.
    pub accepted: usize,
    /// Those that were not, by reason, as in [`Counters::refused`].
    pub refused: BTreeMap<String, usize>,
    /// Those it does not stand by at the moment.
    pub stale: usize,
    /// Paths it is told.
    pub told: usize,
    /// Whether its End-of-RIB has come.
    pub end_of_rib: bool,
}

/// One prefix of the RIB.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrefixReport {
    /// The prefix.
    pub prefix: Prefix,
    /// Its paths, the best first.
    pub paths: Vec<PathReport>,
}

/// One path and how it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PathReport {
    /// The name of the peer; `local` for what is originated here.
    pub peer: String,
    /// The peer's number of it.
    pub path_id: u32,
    /// Where it is from.
    pub provenance: Provenance,
    /// Whether the peer still stands by it.
    pub freshness: Freshness,
    /// How it stands.
    pub standing: Standing,
    /// What is said of it, after import.
    #[serde(flatten)]
    pub attributes: AttributesReport,
}

/// One path as a peer is told it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldReport {
    /// The prefix.
    pub prefix: Prefix,
    /// The number of the path, 0 without Add-Path.
    pub path_id: u32,
    /// What is said of it.
    #[serde(flatten)]
    pub attributes: AttributesReport,
}

/// What a filter would do with one path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialReport {
    /// The prefix.
    pub prefix: Prefix,
    /// The name of the peer.
    pub peer: String,
    /// The peer's number of the path.
    pub path_id: u32,
    /// Whether it would go on.
    pub verdict: Verdict,
    /// The rule that decides; `None` when none matches.
    pub rule: Option<String>,
    /// What would be said of it, where that changes.
    pub attributes: Option<AttributesReport>,
}

/// Attributes for a listing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the attributes' own names")]
pub struct AttributesReport {
    pub next_hop: IpAddr,
    pub as_path: String,
    pub origin: Origin,
    pub local_pref: Option<u32>,
    pub med: Option<u32>,
    pub communities: Vec<Community>,
    pub extended_communities: Vec<ExtendedCommunity>,
    pub large_communities: Vec<LargeCommunity>,
    pub originator_id: Option<RouterId>,
    pub cluster_list: Vec<RouterId>,
}

impl AttributesReport {
    /// For a listing.
    pub fn of(attributes: &Attributes) -> Self {
        AttributesReport {
            next_hop: attributes.next_hop,
            as_path: attributes.as_path.to_string(),
            origin: attributes.origin,
            local_pref: attributes.local_pref,
            med: attributes.med,
            communities: attributes.communities.to_vec(),
            extended_communities: attributes.extended_communities.to_vec(),
            large_communities: attributes.large_communities.to_vec(),
            originator_id: attributes.originator,
            cluster_list: attributes.cluster_list.to_vec(),
        }
    }
}

/// Every path to a prefix; `name` gives the name of a path's source.
pub(super) fn prefix(
    prefix: Prefix,
    selection: &Selection,
    name: impl Fn(&Path) -> String,
) -> PrefixReport {
    let paths = selection.ranked.iter().map(|ranked| PathReport {
        peer: name(&ranked.path),
        path_id: ranked.path.path_id,
        provenance: ranked.path.provenance,
        freshness: ranked.path.freshness,
        standing: ranked.standing.clone(),
        attributes: AttributesReport::of(ranked.path.attributes()),
    });
    PrefixReport {
        prefix,
        paths: paths.collect(),
    }
}
