//! Whether the client that never reads is cut off in time.

use std::time::{Duration, Instant};

/// More than both sockets hold of what is not read (`tcp_wmem` and what the deaf client allows), in
/// octets: once so much was told to others, writing to it has stopped.
const ROOM: u64 = 8 << 20;
/// How long it may last from then on: eight minutes of send hold time (RFC 9687 section 4), and as a
/// reset is only seen with the next keepalive, two of grace.
const SEND_HOLD: Duration = Duration::from_secs(10 * 60);

/// The deaf client's session as it goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deaf {
    /// How many sessions were cut off before it.
    before: u64,
    /// What others had been told when it began, in octets.
    from: u64,
    /// When its sockets were full for certain.
    full: Option<Instant>,
}

impl Deaf {
    /// Whether it should have been cut off by `now`, when `cut` of its sessions were and another client
    /// has been told `told` octets in all.
    pub(crate) fn is_overdue(&mut self, now: Instant, cut: u64, told: u64) -> bool {
        if cut != self.before {
            *self = Deaf {
                before: cut,
                from: told,
                full: None,
            };
        }
        if self.full.is_none() && told - self.from > ROOM {
            self.full = Some(now);
        }
        self.full.is_some_and(|full| now - full > SEND_HOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_runs_from_when_nothing_fits_and_anew_for_each_session() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deaf = Deaf::default();
        assert!(!deaf.is_overdue(at(0), 0, ROOM));
        assert!(!deaf.is_overdue(at(5_000), 0, ROOM), "it may all have fit");
        assert!(!deaf.is_overdue(at(5_001), 0, ROOM + 1));
        assert!(!deaf.is_overdue(at(5_601), 0, 2 * ROOM));
        assert!(deaf.is_overdue(at(5_602), 0, 2 * ROOM));
        assert!(!deaf.is_overdue(at(5_603), 1, 2 * ROOM));
        assert!(!deaf.is_overdue(at(9_000), 1, 3 * ROOM));
    }
}
