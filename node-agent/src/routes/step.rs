//! A round in which nothing but learned prefixes changed: a node may have learned 100,000, and BGP
//! changes a few of them again and again.
//!
//! Where the last round found the kernel's table to be the plan, the difference of two plans is what
//! is to be done, and the kernel's echo of each change is its read-back. All news that would say
//! otherwise make a round of another kind; whatever is not as expected ends the step, and the
//! tables are read after all. So they are where changes are so many that a dump costs less than an
//! echo of each.

use super::reconcile::{Order, PART, Round, apply};
use crate::plan::Plan;
use gingham_model::{Change, Owner, diff};
use gingham_netlink::Socket;
use std::time::Instant;

/// The most changes that are read back by their echoes.
const ECHOED: usize = 2048;

/// How it ended.
pub(super) enum Step {
    /// All is done, and read back.
    Made(Round),
    /// These changes were made, and are still to be read back, or something was not as expected.
    Unread(Vec<Change>),
}

/// Makes the step from the last plan to this one, if it is one for learned prefixes.
pub(super) fn step(socket: &mut Socket, order: &Order<'_>) -> Step {
    let mut applied = Vec::new();
    let Some((before, changes)) = foreseen(order) else {
        return Step::Unread(applied);
    };
    if changes.len() > ECHOED {
        let mut round = Round::default();
        apply(socket, &changes, order.deadline, &mut round);
        return Step::Unread(round.applied);
    }
    for part in changes.chunks(PART) {
        if Instant::now() >= order.deadline {
            return Step::Unread(applied);
        }
        let mut expected = true;
        for (change, outcome) in part.iter().zip(socket.apply_and_read(part)) {
            let Ok(read) = outcome else {
                expected = false;
                continue;
            };
            expected &= match change {
                Change::Remove(_) => true,
                make => read.as_ref() == Some(make.route()),
            };
            applied.push(change.clone());
        }
        if !expected {
            return Step::Unread(applied);
        }
    }
    Step::Made(Round {
        applied,
        odd: before.odd.clone(),
        mass: before.mass,
        again: before.again,
        ..Round::default()
    })
}

/// The round before, and what leads from its plan to this one: learned routes only, none of them
/// odd then or to be held now.
fn foreseen<'a>(order: &Order<'a>) -> Option<(&'a Round, Vec<Change>)> {
    let (before, round) = order.before?;
    let Plan {
        routes, removals, ..
    } = order.plan;
    if before.removals != *removals
        || before.unresolved != order.plan.unresolved
        || before.take_over != order.plan.take_over
    {
        return None;
    }
    let plain = |change: &Change| {
        let (key, route) = (change.key(), change.route());
        let had = before.routes.get(&key);
        let held = match change {
            Change::Remove(_) => removals.hold(route),
            _ => had.and_then(|had| removals.hold_hops(route, had)),
        };
        let learned = route.protocol == Owner::Learned.protocol();
        learned && held.is_none() && !round.odd.contains_key(&key)
    };
    let changes = diff(routes, &before.routes);
    let plain = changes.iter().all(plain);
    plain.then_some((round, changes))
}
