//! What there is to say, by what is known after a round. Pure.
//!
//! What concerns all agents is said by one of them. What every node of a zone sees is said soon by
//! its reflectors, and by the others in their own time: a bad Block is no reason for thousands of
//! writes at once.

use super::{About, Item, Notice, Repeat, Report};
use crate::config::NetworkUnavailable;
use crate::objects::Kind;
use crate::pass::Seen;
use crate::routes::standing::Standing;
use crate::snapshot::Known;
use crate::source::State;
use gingham_model::Owner;
use std::time::Duration;

/// How long something must have been so before an operator is told.
const SETTLE: Duration = Duration::from_secs(10);
/// How long a change of an object may take to reach the agent that judges it.
const JUDGED: Duration = Duration::from_secs(2);
/// How often what stays so is told again: an API server forgets events after an hour.
const AGAIN: Repeat = Repeat::Every {
    period: Duration::from_secs(1800),
    pause: Duration::from_secs(300),
};
/// How often a condition is compared with what is there.
const COMPARED: Repeat = Repeat::Every {
    period: Duration::from_secs(600),
    pause: Duration::from_secs(5),
};
/// How many notices of one reason are told by name.
const NAMED: usize = 3;

/// What an agent is to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whether it speaks for all agents.
    pub leads: bool,
    /// How much longer than a reflector it leaves what others see too.
    pub patience: Duration,
}

/// What is to be said while it is so.
pub fn wanted(known: &Known, seat: Seat) -> Vec<Item> {
    // What cannot be written now is no news either.
    let sources = known.cluster.sources();
    if sources.iter().any(|s| matches!(s.state, State::Lost(_))) {
        return Vec::new();
    }
    let mut items = of_this_node(known, seat);
    items.extend(network(known));
    if seat.leads {
        items.extend(of_all(known));
    }
    items
}

/// The conditions of objects all agents read, and an event for each that is not in force.
fn of_all(known: &Known) -> Vec<Item> {
    let judged = known.cluster.judged().into_iter();
    let items = judged.flat_map(|judged| {
        let (about, verdict) = (judged.about, judged.verdict);
        let event = (!verdict.reason.is_accepted()).then(|| {
            let note = verdict.message.clone();
            let notice = Notice {
                about: about.clone(),
                reason: "NotAccepted",
                same: note.clone(),
                note,
            };
            item(Report::Event(notice), SETTLE)
        });
        let condition = Item {
            report: Report::Accepted(about, verdict),
            print: judged.print,
            settle: JUDGED,
            repeat: COMPARED,
        };
        std::iter::once(condition).chain(event)
    });
    items.collect()
}

/// Once, when the node has been ready.
fn network(known: &Known) -> Option<Item> {
    let is_wanted = known.cluster.config().network_unavailable == NetworkUnavailable::Clear;
    let is_ready = || known.reasons().is_empty() && known.cluster.complete(&known.me).is_ok();
    (is_wanted && is_ready()).then(|| Item {
        report: Report::NetworkAvailable(known.me.clone()),
        print: 0,
        settle: Duration::ZERO,
        repeat: Repeat::Never,
    })
}

/// What this node sees, told of its own Node.
fn of_this_node(known: &Known, seat: Seat) -> Vec<Item> {
    let about = About {
        kind: Kind::Node,
        name: known.me.to_string(),
    };
    let mut told = Told {
        about,
        items: Vec::new(),
    };
    let is_reflector = known
        .cluster
        .node(&known.me)
        .is_some_and(|n| n.is_reflector());
    let later = SETTLE
        + if is_reflector {
            Duration::ZERO
        } else {
            seat.patience
        };
    told.each("ZoneUnknown", SETTLE, zone(known));
    told.each("BlockNotClaimed", SETTLE, claims(known));
    told.each("CNIConfiguration", SETTLE, same(known.conf_notices()));
    if is_reflector {
        told.each(
            "BGPTrouble",
            SETTLE,
            same(known.bgp.notices.iter().cloned()),
        );
    }
    let Some(seen) = &known.seen else {
        return told.items;
    };
    let failures = seen
        .sysctls
        .failures
        .iter()
        .map(|failure| failure.error.clone());
    told.each("SettingNotMade", SETTLE, same(failures));
    told.each("RemovalsHeld", SETTLE, mass(seen));
    told.each("RouteConflict", SETTLE, conflicts(seen));
    told.each("RouteContested", SETTLE, fights(known));
    told.each(
        "AddressDisputed",
        later,
        same(seen.plan.disputes.iter().map(ToString::to_string)),
    );
    let (off_link, skipped) = skipped(seen);
    told.each("NextHopOffLink", later, off_link);
    told.each("BlockWithoutRoute", later, skipped);
    told.items
}

/// What makes it the same, and the words.
type Line = (String, String);

struct Told {
    about: About,
    items: Vec<Item>,
}

impl Told {
    /// Some by name; that there are more, as one.
    fn each(&mut self, reason: &'static str, settle: Duration, lines: Vec<Line>) {
        let more = lines.len() > NAMED;
        let named = lines.into_iter().take(NAMED);
        let more = more.then(|| {
            let note = "there are more: gingham-agent status names them on this node".to_owned();
            ("more".to_owned(), note)
        });
        let items = named.chain(more).map(|(same, note)| {
            let notice = Notice {
                about: self.about.clone(),
                reason,
                same,
                note,
            };
            item(Report::Event(notice), settle)
        });
        self.items.extend(items);
    }
}

fn item(report: Report, settle: Duration) -> Item {
    Item {
        report,
        print: 0,
        settle,
        repeat: AGAIN,
    }
}

fn same(lines: impl Iterator<Item = String>) -> Vec<Line> {
    lines.map(|line| (line.clone(), line)).collect()
}

fn zone(known: &Known) -> Vec<Line> {
    let (cluster, me) = (&known.cluster, &known.me);
    // Nobody looks for the events of a Node that is not there.
    if !cluster.is_registered(me) {
        return Vec::new();
    }
    let unknown = cluster.identity(me).err();
    same(unknown.or_else(|| cluster.doubt(me)).into_iter())
}

/// What the node's own state does not say already.
fn claims(known: &Known) -> Vec<Line> {
    let incomplete = known.cluster.complete(&known.me).err().unwrap_or_default();
    let mass = known.seen.as_ref().and_then(|seen| seen.round.mass);
    let mass = mass.map(|mass| mass.to_string());
    let claims = known.claims.iter();
    let claims = claims.filter(|why| !incomplete.contains(why) && Some(*why) != mass.as_ref());
    same(claims.cloned())
}

fn mass(seen: &Seen) -> Vec<Line> {
    let held = seen.round.mass.map(|mass| {
        let note = format!(
            "{} of {} nodes would lose their routes at once; {} routes are held until that has stayed \
             so, or an operator confirms it",
            mass.losing, mass.all, mass.routes
        );
        (String::new(), note)
    });
    held.into_iter().collect()
}

fn conflicts(seen: &Seen) -> Vec<Line> {
    let conflicts = seen.round.odd.values().filter_map(|(route, standing)| {
        let Standing::Conflict(rival) = standing else {
            return None;
        };
        let prefix = route.key.prefix;
        let note = format!("route {prefix}: a foreign one stands in its way, {rival}");
        Some((prefix.to_string(), note))
    });
    conflicts.collect()
}

fn fights(known: &Known) -> Vec<Line> {
    let fights = known.memory.fights.all();
    let fights = fights.map(|(key, fight)| {
        let note = format!("route {}: {fight}", key.prefix);
        (key.prefix.to_string(), note)
    });
    fights.collect()
}

/// Blocks whose next hop is on no link, and those without a route for another reason.
fn skipped(seen: &Seen) -> (Vec<Line>, Vec<Line>) {
    let all = seen.plan.skipped.iter().map(|skipped| {
        let (block, node) = (skipped.block, &skipped.node);
        let note = format!(
            "no route to block {block} of node {node}: {}",
            skipped.reason
        );
        let off_link = seen.plan.off_link.contains_key(&Owner::Direct.key(block));
        (off_link, (format!("{block} {node}"), note))
    });
    let (off_link, others): (Vec<_>, Vec<_>) = all.partition(|(off_link, _)| *off_link);
    let lines = |all: Vec<(bool, Line)>| all.into_iter().map(|(_, line)| line).collect();
    (lines(off_link), lines(others))
}
