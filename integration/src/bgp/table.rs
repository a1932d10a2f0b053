//! A routing table as every daemon can tell it.

use anyhow::{Context, Result};
use gingham_model::Prefix;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// All paths of a speaker, by prefix, in the order of their next hops.
pub type Table = BTreeMap<String, Vec<Path>>;

/// One path to a prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// NEXT_HOP.
    pub next_hop: IpAddr,
    /// Who said it; `None` for what the speaker originates.
    pub from: Option<IpAddr>,
    /// AS_PATH.
    pub as_path: Vec<u32>,
    /// LOCAL_PREF; 100 where there is none.
    pub local_pref: u32,
    /// MULTI_EXIT_DISC; 0 where there is none.
    pub med: u32,
    /// Communities.
    pub communities: BTreeSet<Community>,
    /// Large communities, such as `64512:1:2`.
    pub large_communities: BTreeSet<String>,
    /// ORIGINATOR_ID.
    pub originator: Option<Ipv4Addr>,
    /// CLUSTER_LIST, the latest first.
    pub cluster_list: Vec<Ipv4Addr>,
    /// Kept although its peer is gone, where the daemon says so.
    pub stale: bool,
}

impl Path {
    /// A path with nothing but a next hop.
    pub fn via(next_hop: IpAddr) -> Self {
        Path {
            next_hop,
            from: None,
            as_path: Vec::new(),
            local_pref: 100,
            med: 0,
            communities: BTreeSet::new(),
            large_communities: BTreeSet::new(),
            originator: None,
            cluster_list: Vec::new(),
            stale: false,
        }
    }
}

/// A community; read from digits and from the well-known names that daemons print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Community(pub u32);

/// Well-known communities as FRR and ours print them.
const NAMES: [(&str, u32); 6] = [
    ("graceful-shutdown", 0xFFFF_0000),
    ("llgr-stale", 0xFFFF_0006),
    ("no-llgr", 0xFFFF_0007),
    ("blackhole", 0xFFFF_029A),
    ("no-export", 0xFFFF_FF01),
    ("no-advertise", 0xFFFF_FF02),
];

impl FromStr for Community {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        if let Some((_, number)) = known {
            return Ok(Community(*number));
        }
        let (high, low) = text
            .split_once(':')
            .with_context(|| format!("community {text:?}"))?;
        let half = |part: &str| {
            part.parse::<u16>()
                .with_context(|| format!("community {text:?}"))
        };
        Ok(Community(
            u32::from(half(high)?) << 16 | u32::from(half(low)?),
        ))
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0 >> 16, self.0 & 0xFFFF)
    }
}

/// The numbers of an AS path as text, those of a set included.
pub(super) fn as_path(text: &str) -> Vec<u32> {
    let digits = |c: char| !c.is_ascii_digit();
    text.split(digits)
        .filter_map(|asn| asn.parse().ok())
        .collect()
}

/// One spelling of a prefix for all.
pub(super) fn prefix(text: &str) -> Result<String> {
    let prefix: Prefix = text.parse().with_context(|| format!("prefix {text:?}"))?;
    Ok(prefix.to_string())
}

/// What a speaker hears of `from`, out of everything it knows.
pub(super) fn heard(table: &Table, from: IpAddr) -> Table {
    let of = |paths: &Vec<Path>| -> Vec<Path> {
        let theirs = |path: &&Path| path.from == Some(from);
        paths.iter().filter(theirs).cloned().collect()
    };
    let all = table
        .iter()
        .map(|(prefix, paths)| (prefix.clone(), of(paths)));
    all.filter(|(_, paths)| !paths.is_empty()).collect()
}

/// A number in JSON, where there is one.
pub(super) fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| number.try_into().ok())
}

/// The texts of a list in JSON; none where there is no list.
pub(super) fn words(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}
