//! How a route stands after a round.

use super::fights::Fight;
use super::table::Rival;

/// How one route stands after a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As wanted, by read-back.
    Ok,
    /// Wanted, and not there although nothing failed: somebody is faster than we are.
    Missing,
    /// There against the plan although nothing failed.
    Superfluous,
    /// The kernel refused the change.
    Failed(String),
    /// Somebody else's route stands in its place, or is used instead of it.
    Conflict(Rival),
    /// Somebody keeps breaking it; we pause between repairs.
    Contested(Fight),
    /// Not wanted any more, or not with all of its next hops; it stays so for this reason.
    Held(String),
}

impl Standing {
    /// Whether the route is as the plan wants it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Standing::Ok | Standing::Held(_))
    }

    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Standing::Ok => "ok",
            Standing::Missing => "missing",
            Standing::Superfluous => "superfluous",
            Standing::Failed(_) => "failed",
            Standing::Conflict(_) => "conflict",
            Standing::Contested(_) => "contested",
            Standing::Held(_) => "held",
        }
    }

    /// What there is to say beyond the word.
    pub fn detail(&self) -> Option<String> {
        match self {
            Standing::Ok | Standing::Missing | Standing::Superfluous => None,
            Standing::Failed(why) | Standing::Held(why) => Some(why.clone()),
            Standing::Conflict(rival) => Some(rival.to_string()),
            Standing::Contested(fight) => Some(fight.to_string()),
        }
    }
}
