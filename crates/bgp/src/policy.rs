//! Filters as data: what of a path is looked at, and what is done then. A filter is applied to values;
//! it can be tried on a RIB without touching it.
//!
//! Rules are asked in order; the first whose every condition holds decides. What no rule decides is
//! decided by [`Filter::otherwise`]. Conditions look at the path as it came: the actions of a rule
//! change what leaves the filter, never what is asked. [`Filter::next`] sees what left.

mod change;
mod condition;
mod decide;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
mod trial;

pub use trial::{Trial, dry_run};

use crate::attributes::{Attributes, Community, LargeCommunity};
use crate::rib::Provenance;
use crate::{Asn, Nlri, PeerId};
use gingham_model::{NodeName, Prefix};
use serde::{Deserialize, Serialize};

/// The name of a filter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FilterName(pub String);

/// An ordered list of rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// The rules, the first to match decides.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What becomes of paths no rule matches.
    #[serde(default)]
    pub otherwise: Verdict,
    /// Who judges what this filter accepts, with the changes it made.
    #[serde(default)]
    pub next: Option<Box<Filter>>,
}

/// Whether a path goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It does.
    Accept,
    /// It does not.
    #[default]
    Reject,
}

/// Conditions, all of which must hold, and what is done then.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Its name, told as the reason of a refusal.
    pub name: String,
    /// Any of these prefix ranges; any prefix when empty.
    #[serde(default)]
    pub prefixes: Vec<PrefixRange>,
    /// The node whose path it is: known for what we originate and for peers that are nodes.
    #[serde(default)]
    pub origin_nodes: Vec<NodeName>,
    /// Where the path is from: any of these.
    #[serde(default)]
    pub provenance: Vec<Provenance>,
    /// Any of these communities.
    #[serde(default)]
    pub communities: Vec<Community>,
    /// Any of these large communities.
    #[serde(default)]
    pub large_communities: Vec<LargeCommunity>,
    /// What the AS path must be.
    #[serde(default)]
    pub as_path: AsPathMatch,
    /// The next hop lies in any of these; anywhere when empty.
    #[serde(default)]
    pub next_hops: Vec<Prefix>,
    /// What becomes of the path.
    pub then: Verdict,
    /// What is changed in an accepted path, in this order.
    #[serde(default)]
    pub actions: Vec<Action>,
}

/// Prefixes inside one, of some lengths: the prefix alone without any, everything inside from the
/// least length on without the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrefixRange {
    /// What covers them.
    pub prefix: Prefix,
    /// The least length; the prefix's own unless told.
    #[serde(default)]
    pub min_length: Option<u8>,
    /// The greatest length. Unless told, the bits of the family where `min_length` is told, the
    /// prefix's own where it is not.
    #[serde(default)]
    pub max_length: Option<u8>,
}

/// Conditions on an AS path; each absent one holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AsPathMatch {
    /// The path begins with these.
    pub starts_with: Vec<Asn>,
    /// The path ends in this.
    pub origin: Option<Asn>,
    /// The path goes through this.
    pub contains: Option<Asn>,
    /// The path has at most so many hops.
    pub max_hops: Option<usize>,
}

/// A change of an accepted path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Adds a community.
    AddCommunity(Community),
    /// Adds a large community.
    AddLargeCommunity(LargeCommunity),
    /// Takes a community away.
    RemoveCommunity(Community),
    /// Sets LOCAL_PREF.
    SetLocalPref(u32),
    /// Sets MULTI_EXIT_DISC.
    SetMed(u32),
    /// Puts an AS in front, so many times.
    Prepend {
        /// The AS.
        asn: Asn,
        /// How many times.
        count: u8,
    },
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Prefix and path number.
    pub nlri: Nlri,
    /// The attributes as they came.
    pub attributes: &'a Attributes,
    /// Who said it.
    pub peer: PeerId,
    /// The node that is, where known.
    pub origin_node: Option<&'a NodeName>,
    /// Where it is from.
    pub provenance: Provenance,
}

/// What a filter says of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Goes on unchanged.
    Accept,
    /// Goes on like this.
    Change(Box<Attributes>),
    /// Does not go on, because of this rule; `None` when no rule matched.
    Reject(Option<String>),
}

impl Decision {
    /// Whether the path goes on.
    pub fn verdict(&self) -> Verdict {
        match self {
            Decision::Accept | Decision::Change(_) => Verdict::Accept,
            Decision::Reject(_) => Verdict::Reject,
        }
    }
}
