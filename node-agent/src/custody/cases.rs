//! The blocks whose owner no list shows, and when each is looked into.

use super::members::Members;
use super::turn::turn;
use super::{Verdict, mirrors_pod_cidr};
use crate::cluster::{Cluster, Complete};
use gingham_model::{Block, BlockState, NodeName, Prefix, Zone};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Nodes that may vanish at once without a question,
const FEW: usize = 10;
/// or this part of all.
const PART: usize = 10;
/// How much later the next reflector acts, if it is still so.
const STAGGER: Duration = Duration::from_secs(5);
/// Until the list shows what was just done.
const UNLISTED: Duration = Duration::from_secs(5);
/// Until an owner that stands elsewhere is asked for again.
const ELSEWHERE: Duration = Duration::from_secs(300);
/// Until what holds a block is looked at again; where another node may wait for it, sooner.
const HELD: Duration = Duration::from_secs(30);
const HELD_POD_CIDR: Duration = Duration::from_secs(5);
/// Until something that failed is tried again; doubled with each failure,
const RETRY: Duration = Duration::from_secs(2);
/// so often.
const DOUBLINGS: u32 = 5;
/// So many blocks are looked into at one time.
const AT_ONCE: usize = 16;
/// So many are named.
const NAMED: usize = 8;

/// All a look depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// This reflector,
    pub me: &'a NodeName,
    /// and those of its zone.
    pub reflectors: &'a [NodeName],
    /// The zone.
    pub zone: &'a Zone,
    /// The cluster as last known.
    pub cluster: &'a Cluster,
    /// Proof that all of it is known.
    pub complete: Complete,
    /// The Nodes of the zone.
    pub members: &'a Members,
    /// The present.
    pub now: Instant,
}

/// What a look finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Blocks to be looked into now.
    pub examine: Vec<Block>,
    /// Blocks of the zone that are marked as without owner.
    pub orphaned: usize,
    /// What an operator ought to know.
    pub notices: Vec<String>,
    /// When to look again.
    pub again: Option<Instant>,
}

/// What has been found out, and since when.
#[derive(Clone, Debug, Default)]
pub struct Custody {
    cases: BTreeMap<Prefix, Case>,
}

/// A block whose owner no list shows.
#[derive(Clone, Debug)]
struct Case {
    node: NodeName,
    uid: String,
    since: Instant,
    /// Since when it has been seen Orphaned.
    orphaned: Option<Instant>,
    /// Whether somebody had found the owner gone before this case was opened.
    known: bool,
    /// Whether the owner stands elsewhere.
    elsewhere: bool,
    pod_cidr: bool,
    held: Option<String>,
    turn: u32,
    failures: u32,
    due: Instant,
}

impl Custody {
    /// Looks at the lists. Nothing is found where they are not complete, or all removal is paused.
    pub fn look(&mut self, situation: &Situation<'_>) -> Look {
        let Situation {
            cluster,
            members,
            now,
            zone,
            ..
        } = *situation;
        let here = |block: &&Block| block.zone == *zone && block.node != *situation.me;
        let is_orphaned = |block: &&Block| block.state == BlockState::Orphaned;
        let mut look = Look {
            orphaned: cluster.blocks().filter(here).filter(is_orphaned).count(),
            ..Look::default()
        };
        let trouble = members.trouble();
        look.notices
            .extend(trouble.map(|why| format!("custody waits: {why}")));
        if !members.are_complete() || cluster.config().paused {
            return look;
        }
        let missing = cluster.blocks().filter(here);
        let missing: BTreeMap<Prefix, &Block> = missing
            .filter(|block| is_missing(block, members))
            .map(|block| (block.cidr, block))
            .collect();
        self.cases.retain(|cidr, case| {
            let block = missing.get(cidr);
            block.is_some_and(|block| block.node == case.node && block.node_uid == case.uid)
        });
        for block in missing.values() {
            self.open(block, situation);
        }
        let hold = cluster.config().mass_removal_hold;
        let (fresh, all) = self.fresh(members, (hold, now));
        let mass = fresh.len() > FEW.max(all / PART);
        if mass {
            let vanished = fresh.len();
            look.notices.push(format!(
                "custody: {vanished} of {all} nodes of zone {zone} vanished at once; their blocks \
                 stay theirs until that has lasted {} s",
                hold.as_secs()
            ));
        }
        let spared: BTreeSet<Prefix> = match mass {
            true => self.of(&fresh).collect(),
            false => BTreeSet::new(),
        };
        for (cidr, case) in &self.cases {
            let due = match spared.contains(cidr) {
                true => case.due.max(case.since + hold),
                false => case.due,
            };
            if due > now {
                look.again = earlier(look.again, due);
            } else if look.examine.len() < AT_ONCE {
                look.examine
                    .extend(missing.get(cidr).map(|block| (*block).clone()));
            } else {
                look.again = earlier(look.again, now);
            }
        }
        look.notices.extend(self.held());
        look
    }

    /// Notes what was found out about a block, and done if something was to be.
    pub fn found(&mut self, cidr: Prefix, verdict: &Verdict, now: Instant) {
        let Some(case) = self.cases.get_mut(&cidr) else {
            return;
        };
        case.failures = 0;
        case.elsewhere = *verdict == Verdict::Lives;
        case.held = match verdict {
            Verdict::Held(why) => Some(why.clone()),
            _ => None,
        };
        case.due = now
            + match verdict {
                Verdict::Lives => ELSEWHERE,
                Verdict::Orphan if case.pod_cidr => Duration::ZERO,
                Verdict::Orphan | Verdict::Settled | Verdict::Free => UNLISTED,
                Verdict::Wait(left) => *left + STAGGER * case.turn,
                Verdict::Held(_) if case.pod_cidr => HELD_POD_CIDR,
                Verdict::Held(_) => HELD,
            };
    }

    /// Notes that nothing could be found out about a block, or done.
    pub fn failed(&mut self, cidr: Prefix, now: Instant) {
        if let Some(case) = self.cases.get_mut(&cidr) {
            case.due = now + RETRY * 2u32.pow(case.failures.min(DOUBLINGS));
            case.failures += 1;
        }
    }

    /// For how long this reflector has seen the block without an owner, and Orphaned.
    pub fn watched(&self, cidr: Prefix, now: Instant) -> Duration {
        let since = self.cases.get(&cidr).and_then(|case| case.orphaned);
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn open(&mut self, block: &Block, situation: &Situation<'_>) {
        let (now, reflectors) = (situation.now, situation.reflectors.iter());
        let is_orphaned = block.state == BlockState::Orphaned;
        let turn = turn(block.cidr, situation.me, reflectors);
        let case = self.cases.entry(block.cidr).or_insert_with(|| Case {
            node: block.node.clone(),
            uid: block.node_uid.clone(),
            since: now,
            orphaned: None,
            known: is_orphaned,
            elsewhere: false,
            pod_cidr: mirrors_pod_cidr(block),
            held: None,
            turn,
            failures: 0,
            due: now + STAGGER * turn,
        });
        case.turn = turn;
        case.orphaned = match is_orphaned {
            true => case.orphaned.or(Some(now)),
            false => None,
        };
    }

    /// Owners that have vanished of late, and how many nodes there were.
    fn fresh(
        &self,
        members: &Members,
        (hold, now): (Duration, Instant),
    ) -> (BTreeSet<NodeName>, usize) {
        let cases = || self.cases.values().filter(|case| !case.elsewhere);
        let all: BTreeSet<&NodeName> = cases().map(|case| &case.node).collect();
        let gone = all
            .iter()
            .filter(|name| members.uid(name).is_none())
            .count();
        let fresh = cases().filter(|case| !case.known && now < case.since + hold);
        let fresh = fresh.map(|case| case.node.clone()).collect();
        (fresh, members.count() + gone)
    }

    /// The blocks of these nodes.
    fn of(&self, nodes: &BTreeSet<NodeName>) -> impl Iterator<Item = Prefix> {
        let cases = self.cases.iter();
        let theirs = cases.filter(|(_, case)| !case.known && nodes.contains(&case.node));
        theirs.map(|(cidr, _)| *cidr)
    }

    /// The blocks that are held, some of them by name.
    fn held(&self) -> Vec<String> {
        let cases = self.cases.iter();
        let mut held = cases.filter_map(|(cidr, case)| Some((cidr, case, case.held.as_ref()?)));
        let line = |(cidr, case, why): (&Prefix, &Case, &String)| {
            format!(
                "custody: block {cidr} of node {}, which is gone, stays: {why}",
                case.node
            )
        };
        let mut lines: Vec<String> = held.by_ref().take(NAMED).map(line).collect();
        let more = held.count();
        if more > 0 {
            lines.push(format!(
                "custody: {more} more blocks of nodes that are gone stay"
            ));
        }
        lines
    }
}

/// Whether no Node of the zone is its owner. One that was registered anew under the same name is: it
/// takes its blocks back, unless it may have been given other podCIDRs.
fn is_missing(block: &Block, members: &Members) -> bool {
    match members.uid(&block.node) {
        None => true,
        Some(uid) => mirrors_pod_cidr(block) && uid != block.node_uid,
    }
}

fn earlier(one: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(one.map_or(other, |one| one.min(other)))
}
