//! What is to become of one block, by all that can be found out about it.

use super::mirrors_pod_cidr;
use crate::store::{Inspected, Member};
use gingham_model::{Block, BlockState};
use std::time::{Duration, SystemTime};

/// Clocks of two reflectors may differ by so much without one taking the other's time for wrong.
const SKEW: Duration = Duration::from_secs(60);

/// The paths of the owner that this reflector holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paths {
    /// That cannot be said, for this reason.
    Unknown(String),
    /// None.
    None,
    /// Only such as their peer does not stand by at the moment; from these peers.
    Stale(String),
    /// At least one that is; from these peers.
    Live(String),
}

/// All a judgement depends on. The answers are younger than the list.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The block by the list.
    pub listed: &'a Block,
    /// The Node of the owner's name, as just asked for.
    pub member: Option<&'a Member>,
    /// The Block object, as just read.
    pub found: Option<&'a Inspected>,
    /// Whether anything is heard of the owner.
    pub paths: &'a Paths,
    /// For how long this reflector has seen it without an owner and Orphaned.
    pub watched: Duration,
    /// How long it stays its owner's.
    pub delay: Duration,
    /// The present, by the clock that the time of the object was taken from.
    pub wall: SystemTime,
}

/// What is to become of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its object is gone, or in other hands: the list will say so.
    Settled,
    /// Its owner lives.
    Lives,
    /// It is to be marked as without owner, since now.
    Orphan,
    /// It is marked, and stays the owner's for so much longer.
    Wait(Duration),
    /// It stays, for this reason.
    Held(String),
    /// It is to be freed.
    Free,
}

/// Judges.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let Evidence { listed, wall, .. } = *evidence;
    let same = |found: &&Inspected| {
        found.block.node == listed.node && found.block.node_uid == listed.node_uid
    };
    let Some(found) = evidence.found.filter(same) else {
        return Verdict::Settled;
    };
    let block = &found.block;
    if evidence.member.is_some_and(|member| holds(member, block)) {
        return Verdict::Lives;
    }
    let Some(age) = age(found, wall).filter(|_| block.state == BlockState::Orphaned) else {
        return Verdict::Orphan;
    };
    let delay = match mirrors_pod_cidr(block) {
        true => Duration::ZERO,
        false => evidence.delay,
    };
    let left = delay.saturating_sub(age.min(evidence.watched));
    if !left.is_zero() {
        return Verdict::Wait(left);
    }
    match evidence.paths {
        Paths::Unknown(why) => Verdict::Held(why.clone()),
        Paths::Live(from) => Verdict::Held(format!("paths to it are held, from {from}")),
        Paths::Stale(from) if !mirrors_pod_cidr(block) => {
            Verdict::Held(format!("stale paths to it are held, from {from}"))
        }
        Paths::Stale(_) | Paths::None => Verdict::Free,
    }
}

/// Whether the Node is the owner, or will take the block back. A Node that was registered anew does,
/// unless it is by its podCIDRs that it has blocks, and it was given others.
fn holds(member: &Member, block: &Block) -> bool {
    let mut cidrs = member.pod_cidrs.iter();
    !mirrors_pod_cidr(block)
        || member.uid == block.node_uid
        || cidrs.any(|cidr| cidr.overlaps(block.cidr))
}

/// For how long the owner has been gone by the time in the object; `None` where that has to be
/// written, since it is missing or cannot be true.
fn age(found: &Inspected, wall: SystemTime) -> Option<Duration> {
    match wall.duration_since(found.orphaned_since?) {
        Ok(age) => Some(age),
        Err(ahead) => (ahead.duration() <= SKEW).then_some(Duration::ZERO),
    }
}
