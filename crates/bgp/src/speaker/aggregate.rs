//! Aggregates: prefixes this speaker originates only while it holds a part of them from a node of the
//! zone. Who knows of no node must not draw the traffic for all of them.

use super::core::Core;
use crate::config::Announcement;
use crate::{Nlri, PeerId};
use gingham_model::Prefix;

impl Core {
    /// Looks again at every aggregate around one of these prefixes, which are sorted.
    pub(super) fn aggregate(&mut self, changed: &[Prefix]) {
        let aggregates = self.aggregates.iter();
        let concerned = aggregates.filter(|(prefix, _)| holds_any(**prefix, changed));
        let concerned: Vec<Announcement> = concerned.map(|(_, it)| it.clone()).collect();
        for aggregate in concerned {
            self.originate_if_contributed(&aggregate);
        }
    }

    /// Announces an aggregate that is contributed to, and any other no more.
    pub(super) fn originate_if_contributed(&mut self, aggregate: &Announcement) {
        let nlri = Nlri::plain(aggregate.prefix);
        let contributed = self.rib.contributes(aggregate.prefix);
        if contributed != self.rib.holds(PeerId::LOCAL, nlri) {
            tracing::info!(prefix = %aggregate.prefix, announced = contributed, "aggregate");
        }
        if contributed {
            self.originate(aggregate);
        } else {
            self.rib.withdraw(PeerId::LOCAL, nlri);
        }
    }
}

/// Whether one of these prefixes, sorted, lies inside `aggregate`.
fn holds_any(aggregate: Prefix, prefixes: &[Prefix]) -> bool {
    let first = prefixes.partition_point(|prefix| *prefix < aggregate);
    let first = prefixes.get(first);
    first.is_some_and(|prefix| aggregate.covers(*prefix))
}
