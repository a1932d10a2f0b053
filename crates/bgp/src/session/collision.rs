//! Which of two connections of one peer survives (RFC 4271 section 6.8, RFC 6286 section 2.3).
//!
//! The RFC decides when both have brought an OPEN; a side that has established one by then closes
//! the other whatever the identifiers say. Two ends can so close a connection each and lose both.
//! Here the connection that would lose is not confirmed while the one that would win is alive: for
//! a short time only, since that one may be dead without saying so.

use crate::{Asn, Moment, RouterId};

/// Who dialled a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// We did.
    Dialled,
    /// The peer did.
    Accepted,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Dialled => Side::Accepted,
            Side::Accepted => Side::Dialled,
        }
    }
}

/// How far a connection got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The peer's OPEN is to come.
    OpenSent,
    /// It came. If this connection would lose, it waits until then for the other.
    OpenConfirm(Moment),
}

/// What is to be done about two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: both go on.
    Undecided,
    /// This one is not to be confirmed before that moment.
    Wait(Side, Moment),
    /// This one is to be closed.
    Close(Side),
}

/// The connection that survives: the one dialled by the higher identifier, read as a number; between
/// equal ones, which only external peers may have, by the higher AS.
pub(super) fn winner(ours: (RouterId, Asn), theirs: (RouterId, Asn)) -> Side {
    // The octets of an address compare like the number they are in network order.
    match ours > theirs {
        true => Side::Dialled,
        false => Side::Accepted,
    }
}

/// What follows for a connection we dialled and one we accepted, if `winner` is to survive.
pub(super) fn judge(winner: Side, dialled: Stage, accepted: Stage, now: Moment) -> Verdict {
    let (winning, losing) = match winner {
        Side::Dialled => (dialled, accepted),
        Side::Accepted => (accepted, dialled),
    };
    match (winning, losing) {
        (_, Stage::OpenSent) => Verdict::Undecided,
        (Stage::OpenConfirm(_), Stage::OpenConfirm(_)) => Verdict::Close(winner.other()),
        (Stage::OpenSent, Stage::OpenConfirm(until)) if now < until => {
            Verdict::Wait(winner.other(), until)
        }
        (Stage::OpenSent, Stage::OpenConfirm(_)) => Verdict::Close(winner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn speaker(last: u8, asn: u32) -> (RouterId, Asn) {
        (RouterId([10, 0, 0, last].into()), Asn(asn))
    }

    #[test]
    fn the_higher_identifier_wins_then_the_higher_as() {
        assert_eq!(winner(speaker(2, 1), speaker(1, 9)), Side::Dialled);
        assert_eq!(winner(speaker(1, 9), speaker(2, 1)), Side::Accepted);
        assert_eq!(winner(speaker(1, 9), speaker(1, 8)), Side::Dialled);
        assert_eq!(winner(speaker(1, 8), speaker(1, 9)), Side::Accepted);
        // 128 and more are not negative.
        assert_eq!(winner(speaker(200, 1), speaker(100, 1)), Side::Dialled);
    }

    #[test]
    fn only_the_one_that_would_lose_waits() {
        let now = Moment::after_start(Duration::from_secs(10));
        let later = now + Duration::from_secs(2);
        let (sent, confirm, over) = (
            Stage::OpenSent,
            Stage::OpenConfirm(later),
            Stage::OpenConfirm(now),
        );
        let (dialled, accepted) = (Side::Dialled, Side::Accepted);
        let cases = [
            (dialled, sent, sent, Verdict::Undecided),
            (dialled, confirm, sent, Verdict::Undecided),
            (dialled, over, sent, Verdict::Undecided),
            (dialled, confirm, confirm, Verdict::Close(accepted)),
            (dialled, sent, confirm, Verdict::Wait(accepted, later)),
            (dialled, sent, over, Verdict::Close(dialled)),
            (accepted, sent, confirm, Verdict::Undecided),
            (accepted, confirm, confirm, Verdict::Close(dialled)),
            (accepted, confirm, sent, Verdict::Wait(dialled, later)),
            (accepted, over, sent, Verdict::Close(accepted)),
        ];
        for (winner, ours, theirs, verdict) in cases {
            assert_eq!(
                judge(winner, ours, theirs, now),
                verdict,
                "{winner:?} {ours:?} {theirs:?}"
            );
        }
    }
}
