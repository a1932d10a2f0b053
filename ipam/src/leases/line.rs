//! One lease of `leases.json`, changed where it stands.
//!
//! Two of the three changes that the plugin makes are of one lease that is there. To read and write all
//! leases of a full node for that costs as much processor time as half of the wiring of a pod.
//!
//! Only our own form is understood here, as `json.rs` writes it: a head, then a line for each lease,
//! live ones first. What is wrong in other lines is neither seen nor lost.

use crate::{BootId, Lease, LeaseKey, LeaseState};

/// The end of the file, behind the last lease.
const END: &str = "]}\n";

/// The content with the Intent of `key` as Held; `None` if there is none in our form.
pub(crate) fn confirm(content: &str, boot: &BootId, key: &LeaseKey, now: u64) -> Option<String> {
    let line = Line::find(content, boot, key)?;
    match line.lease.state {
        LeaseState::Intent => line.become_held(now),
        LeaseState::Held | LeaseState::Cooling => None,
    }
}

/// The content with the Intent or Held of `key` as Cooling; `None` if there is none in our form.
pub(crate) fn release(content: &str, boot: &BootId, key: &LeaseKey, now: u64) -> Option<String> {
    let line = Line::find(content, boot, key)?;
    match line.lease.state {
        LeaseState::Intent | LeaseState::Held => line.go_to_rest(now),
        LeaseState::Cooling => None,
    }
}

/// A lease, and what stands before and behind it.
struct Line<'a> {
    before: &'a str,
    lease: Lease,
    after: &'a str,
}

impl<'a> Line<'a> {
    /// The first of `key`: a live one, if there is any.
    fn find(content: &'a str, boot: &BootId, key: &LeaseKey) -> Option<Self> {
        let head = format!(r#"{{"version":1,"bootId":"{boot}","#);
        if !content.starts_with(&head) || !content.ends_with(END) {
            return None;
        }
        let text = |text: &str| serde_json::to_string(text).ok();
        let start = format!(
            "\n{{\"network\":{},\"containerId\":{},\"ifname\":{},",
            text(&key.network)?,
            text(&key.container_id)?,
            text(&key.ifname)?
        );
        let (before, rest) = content.split_at(content.find(&start)? + 1);
        let line = rest.lines().next()?;
        let json = line.strip_suffix(',').or_else(|| line.strip_suffix("]}"))?;
        let lease: Lease = serde_json::from_str(json).ok()?;
        lease.is_of(key).then_some(Line {
            before,
            lease,
            after: &rest[json.len()..],
        })
    }

    fn become_held(self, now: u64) -> Option<String> {
        let Line { before, after, .. } = self;
        let lease = self.lease.standing(LeaseState::Held, now)?;
        Some([before, &lease, after].concat())
    }

    /// Behind all others, since it has been idle for the shortest time.
    fn go_to_rest(self, now: u64) -> Option<String> {
        let Line { before, after, .. } = self;
        let lease = self.lease.standing(LeaseState::Cooling, now)?;
        match after.strip_prefix(",\n") {
            Some(others) => {
                let others = others.strip_suffix(END)?;
                Some([before, others, ",\n", &lease, END].concat())
            }
            None => Some([before, &lease, after].concat()),
        }
    }
}

impl Lease {
    /// Its line when it stands there from `now` on.
    fn standing(self, state: LeaseState, now: u64) -> Option<String> {
        let since = now;
        let lease = Lease {
            state,
            since,
            ..self
        };
        serde_json::to_string(&lease).ok()
    }
}
