//! What five speakers ought to know, worked out prefix by prefix from who is alive, who is joined to
//! whom and who originates what, with no sessions, no groups and no time.
//!
//! ```text
//!            5  AS 65005
//!          /   \
//!         2     4      AS 64512: 1 reflects for 2 and 3, 4 is no client
//!          \   /
//!            1 ─ 3
//! ```

use super::world::At;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const NODES: [At; 5] = [1, 2, 3, 4, 5];
pub(super) const LINKS: [[At; 2]; 5] = [[1, 2], [1, 3], [1, 4], [2, 5], [4, 5]];
/// The prefix that strict filters stop, and another.
pub(super) const PREFIXES: [&str; 2] = ["10.8.0.0/24", "10.9.0.0/24"];
const STOPPED: &str = PREFIXES[1];

/// Whether a node stops a prefix between systems, on the way in and on the way out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strict {
    pub(super) import: bool,
    pub(super) export: bool,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) originated: BTreeSet<(At, &'static str)>,
    pub(super) strict: BTreeMap<At, Strict>,
    pub(super) cut: BTreeSet<[At; 2]>,
    pub(super) dead: BTreeSet<At>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Route {
    path: Vec<u32>,
    next_hop: At,
    originator: Option<At>,
    clusters: Vec<At>,
}

/// What each node was told of one prefix by each peer.
type Told = BTreeMap<(At, At), Route>;

/// What a node uses: a route, and whom it has it from; itself for its own.
type Choice = (At, Route);

fn asn(node: At) -> u32 {
    if node == 5 { 65005 } else { 64512 }
}

fn are_external(one: At, other: At) -> bool {
    asn(one) != asn(other)
}

/// Who may hear anything of anybody: a client, and everybody of a client or of another system.
fn reflects(source: At, by: At, to: At) -> bool {
    let is_client = |node: At| by == 1 && matches!(node, 2 | 3);
    is_client(source) || is_client(to)
}

impl Model {
    /// The table of a node as [`super::listing::learned`] writes it.
    pub(super) fn table(&self, node: At) -> Vec<String> {
        let mut lines = Vec::new();
        for prefix in PREFIXES {
            let told = self.settled(prefix);
            let mut known: Vec<(At, &Route, Option<&str>)> = told
                .iter()
                .filter(|((_, to), _)| *to == node)
                .map(|((from, _), route)| {
                    (*from, route, self.refusal(node, *from, (prefix, route)))
                })
                .collect();
            known.sort_by_key(|(from, route, refusal)| {
                (
                    refusal.map(|_| *from),
                    refusal.is_none().then(|| rank(node, *from, route)),
                )
            });
            lines.extend(
                known
                    .iter()
                    .map(|(from, route, refusal)| line(prefix, *from, (route, *refusal))),
            );
        }
        lines
    }

    /// Everybody tells everybody what they use until nothing changes.
    fn settled(&self, prefix: &'static str) -> Told {
        let mut told = Told::new();
        for _ in 0..20 {
            let before = told.clone();
            for link in LINKS {
                for (from, to) in [(link[0], link[1]), (link[1], link[0])] {
                    let choice = self.choice(from, prefix, &told);
                    match choice.and_then(|choice| self.out(choice, (from, to), prefix)) {
                        Some(route) => told.insert((from, to), route),
                        None => told.remove(&(from, to)),
                    };
                }
            }
            if told == before {
                return told;
            }
        }
        panic!("the model never comes to rest");
    }

    fn choice(&self, node: At, prefix: &'static str, told: &Told) -> Option<Choice> {
        if self.originated.contains(&(node, prefix)) {
            let own = Route {
                next_hop: node,
                ..Route::default()
            };
            return Some((node, own));
        }
        let usable = told.iter().filter(|((from, to), route)| {
            *to == node && self.refusal(node, *from, (prefix, route)).is_none()
        });
        let best = usable.min_by_key(|((from, _), route)| rank(node, *from, route));
        best.map(|((from, _), route)| (*from, route.clone()))
    }

    fn out(&self, (source, route): Choice, (from, to): (At, At), prefix: &str) -> Option<Route> {
        let joined = !self.cut.contains(&[from.min(to), from.max(to)]);
        let alive = !self.dead.contains(&from) && !self.dead.contains(&to);
        if !joined || !alive || source == to {
            return None;
        }
        if are_external(from, to) {
            let stopped = self.strict.get(&from).is_some_and(|it| it.export) && prefix == STOPPED;
            return (!stopped).then(|| Route {
                path: [vec![asn(from)], route.path].concat(),
                next_hop: from,
                ..Route::default()
            });
        }
        if source == from || are_external(source, from) {
            return Some(route);
        }
        reflects(source, from, to).then(|| Route {
            originator: route.originator.or(Some(source)),
            clusters: [vec![from], route.clusters].concat(),
            ..route
        })
    }

    fn refusal(&self, node: At, from: At, (prefix, route): (&str, &Route)) -> Option<&'static str> {
        let external = are_external(node, from);
        let stops = self.strict.get(&node).is_some_and(|it| it.import) && prefix == STOPPED;
        if route.path.contains(&asn(node)) {
            Some("AsLoop")
        } else if route.originator == Some(node) {
            Some("OwnOriginator")
        } else if route.clusters.contains(&node) {
            Some("ClusterLoop")
        } else if route.next_hop == node {
            Some("NextHop")
        } else {
            (external && stops).then_some("Filter(Some(\"strict\"))")
        }
    }
}

/// Less is better: RFC 4271 section 9.1.2.2 and RFC 4456 section 9, where nothing else differs.
fn rank(node: At, from: At, route: &Route) -> impl Ord + use<> {
    let internal = !are_external(node, from);
    let router = route.originator.unwrap_or(from);
    (
        route.path.len(),
        internal,
        router,
        route.clusters.len(),
        from,
    )
}

fn line(prefix: &str, from: At, (route, refusal): (&Route, Option<&str>)) -> String {
    let join = |list: Vec<String>| (!list.is_empty()).then(|| list.join(" "));
    let routers = |list: &[At]| list.iter().map(|it| format!("10.0.0.{it}")).collect();
    let words = [
        Some(format!(
            "{prefix} from n{from} via 10.0.0.{}",
            route.next_hop
        )),
        join(route.path.iter().map(u32::to_string).collect()).map(|it| format!("path {it}")),
        route.originator.map(|it| format!("by 10.0.0.{it}")),
        join(routers(&route.clusters)).map(|it| format!("through {it}")),
        refusal.map(str::to_owned),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    words.join(", ")
}

/// The configuration of a node.
pub(super) fn yaml(node: At, strict: Strict) -> String {
    let filter = |name: &str, strict: bool| {
        let rule = format!("{{name: strict, prefixes: [{{prefix: {STOPPED}}}], then: reject}}");
        let rules = if strict { rule } else { String::new() };
        format!("{name}: {{rules: [{rules}], otherwise: accept}}")
    };
    let joined = LINKS.iter().filter(|link| link.contains(&node));
    let peers: Vec<String> = joined
        .map(|link| {
            let peer = link[0] + link[1] - node;
            let client = node == 1 && matches!(peer, 2 | 3);
            let more = match (are_external(node, peer), client) {
                (true, _) => ", import: in, export: out",
                (_, true) => ", role: client",
                _ => "",
            };
            format!(
                "{{name: n{peer}, address: 10.0.0.{peer}, asn: {}{more}}}",
                asn(peer)
            )
        })
        .collect();
    format!(
        "{{asn: {}, routerId: 10.0.0.{node}, filters: {{{}, {}}}, neighbours: [{}]}}",
        asn(node),
        filter("in", strict.import),
        filter("out", strict.export),
        peers.join(", ")
    )
}
