//! The filters every zone has. Pure.
//!
//! | session | import | export |
//! |---|---|---|
//! | node to reflector | [`outside`] | [`own`] |
//! | reflector to node | (by origin alone) | [`to_nodes`] |
//! | reflector to reflector | [`outside`] | [`to_reflectors`] |
//! | reflector to core | [`outside`], then the peer's | [`to_cores`], then the peer's |
//!
//! What a peer may say of blocks is not said here: that is its [`gingham_bgp::config::Scope`].

use gingham_bgp::attributes::Community;
use gingham_bgp::policy::{Action, Filter, PrefixRange, Rule, Verdict};
use gingham_bgp::rib::Provenance;
use gingham_model::{Family, Prefix};

/// Where packets to other hosts never go (RFC 1122, RFC 3927, RFC 5771, RFC 4291): the range, and the
/// least length that is refused in it. The default route is none of them.
const MARTIANS: [(&str, u8); 9] = [
    ("0.0.0.0/8", 8),
    ("127.0.0.0/8", 8),
    ("169.254.0.0/16", 16),
    ("224.0.0.0/4", 4),
    ("240.0.0.0/4", 4),
    ("::/127", 127),
    ("::ffff:0:0/96", 96),
    ("fe80::/10", 10),
    ("ff00::/8", 8),
];

/// The prefixes of a zone that nobody outside of it may speak for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// The CIDRs of the zone's pools.
    pub pools: Vec<Prefix>,
    /// Those of them that are announced as aggregates.
    pub aggregates: Vec<Prefix>,
    /// The subnets of its nodes.
    pub nodes: Vec<Prefix>,
}

/// What comes from outside of the zone: no martians, not the zone's own pools, nothing inside its node
/// subnets. More specific prefixes of a pool are fine: a node that moved to another zone keeps its
/// blocks.
pub fn outside(home: &Home) -> Filter {
    let equal = |prefix: &Prefix| PrefixRange {
        prefix: *prefix,
        min_length: None,
        max_length: None,
    };
    let martians = MARTIANS.iter().filter_map(|(range, least)| {
        let prefix: Prefix = range.parse().ok()?;
        Some(PrefixRange {
            min_length: Some(*least),
            ..equal(&prefix)
        })
    });
    let rules = [
        rejecting("martian", martians.collect()),
        rejecting("own-pool", home.pools.iter().map(equal).collect()),
        rejecting("own-node-subnet", home.nodes.iter().map(within).collect()),
    ];
    Filter {
        // A rule without prefixes would match them all.
        rules: rules
            .into_iter()
            .filter(|rule| !rule.prefixes.is_empty())
            .collect(),
        otherwise: Verdict::Accept,
        next: None,
    }
}

/// The rules of a peer's filters on what it says, with the default route refused where none of them
/// allows it.
pub fn of_peer_import(mut rules: Vec<Rule>) -> Filter {
    let defaults = Family::ALL.map(|family| PrefixRange {
        prefix: Prefix::default_of(family),
        min_length: None,
        max_length: None,
    });
    rules.push(rejecting("default-route", defaults.into()));
    accepting(rules)
}

/// What a node that does not reflect says: what is its own (law 10).
pub fn own() -> Filter {
    accepting(vec![Rule {
        provenance: vec![Provenance::Zone, Provenance::Outside],
        ..rejecting("not-own", Vec::new())
    }])
}

/// What a reflector tells nodes: what comes from outside; the blocks of the zone they know from its
/// objects.
pub fn to_nodes() -> Filter {
    accepting(vec![Rule {
        provenance: vec![Provenance::Own, Provenance::Zone],
        ..rejecting("inside-the-zone", Vec::new())
    }])
}

/// What a reflector tells another one: its own blocks and what comes from outside. Nodes talk to each
/// reflector themselves, and each has an aggregate of its own.
pub fn to_reflectors(home: &Home) -> Filter {
    let mut rules = vec![Rule {
        provenance: vec![Provenance::Zone],
        ..rejecting("of-nodes", Vec::new())
    }];
    if !home.aggregates.is_empty() {
        rules.push(aggregates(home, Verdict::Reject));
    }
    accepting(rules)
}

/// What a reflector tells a core: everything; blocks that an aggregate stands for do not leave the AS
/// (RFC 1997). The tag is put on here and nowhere else.
pub fn to_cores(home: &Home) -> Filter {
    if home.aggregates.is_empty() {
        return accepting(Vec::new());
    }
    let specifics = Rule {
        prefixes: home.aggregates.iter().map(within).collect(),
        provenance: vec![Provenance::Own, Provenance::Zone],
        then: Verdict::Accept,
        actions: vec![Action::AddCommunity(Community::NO_EXPORT)],
        ..rejecting("stays-in-the-zone", Vec::new())
    };
    accepting(vec![aggregates(home, Verdict::Accept), specifics])
}

/// `filter`, and what it accepts through `next` as well.
pub fn then(filter: Filter, next: Filter) -> Filter {
    Filter {
        next: Some(Box::new(next)),
        ..filter
    }
}

/// Accepts what no rule decides.
pub fn accepting(rules: Vec<Rule>) -> Filter {
    Filter {
        rules,
        otherwise: Verdict::Accept,
        next: None,
    }
}

fn aggregates(home: &Home, then: Verdict) -> Rule {
    let equal = home.aggregates.iter().map(|prefix| PrefixRange {
        prefix: *prefix,
        min_length: None,
        max_length: None,
    });
    Rule {
        provenance: vec![Provenance::Own],
        then,
        ..rejecting("aggregate", equal.collect())
    }
}

/// A prefix and everything inside it.
fn within(prefix: &Prefix) -> PrefixRange {
    PrefixRange {
        prefix: *prefix,
        min_length: Some(prefix.length()),
        max_length: None,
    }
}

fn rejecting(name: &str, prefixes: Vec<PrefixRange>) -> Rule {
    Rule {
        name: name.to_owned(),
        prefixes,
        origin_nodes: Vec::new(),
        communities: Vec::new(),
        large_communities: Vec::new(),
        as_path: Default::default(),
        next_hops: Vec::new(),
        provenance: Vec::new(),
        then: Verdict::Reject,
        actions: Vec::new(),
    }
}
