//! Since when each source of cluster objects stands as it does. Pure: time is an argument.
//!
//! Times are no part of the index: the same events give the same index, whenever they came.

use crate::cluster::{Cluster, SourceView};
use crate::objects::Kind;
use crate::source::State;
use jiff::{Timestamp, Unit};
use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::time::SystemTime;

/// When each source came to stand as it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since(BTreeMap<Kind, (Discriminant<State>, SystemTime)>);

impl Since {
    /// It is `now`, and the sources stand so.
    pub fn note(&mut self, cluster: &Cluster, now: SystemTime) {
        for source in cluster.sources() {
            let state = discriminant(source.state);
            let stood = self.0.entry(source.kind).or_insert((state, now));
            // That it fails for another reason now is no new failure.
            if stood.0 != state {
                *stood = (state, now);
            }
        }
    }

    /// When the source of `kind` came to stand as it does.
    pub fn of(&self, kind: Kind) -> Option<SystemTime> {
        self.0.get(&kind).map(|(_, since)| *since)
    }

    /// When the objects of a source were last known to be all there is, if they ever were.
    pub fn heard(&self, source: &SourceView<'_>, now: SystemTime) -> Option<SystemTime> {
        match source.state {
            State::Synced => Some(now),
            State::Lost(_) => self.of(source.kind),
            State::Pending | State::Failed(_) => None,
        }
    }

    /// What there is to know of sources that said all and cannot be read any more.
    pub fn notices(&self, cluster: &Cluster) -> Vec<String> {
        let sources = cluster.sources();
        let lost = sources.iter().filter_map(|source| {
            let State::Lost(error) = source.state else {
                return None;
            };
            let since = self.of(source.kind).map(text).unwrap_or_default();
            let plural = source.kind.plural();
            Some(format!("{plural} cannot be read since {since}: {error}"))
        });
        lost.collect()
    }
}

/// A time as Kubernetes writes it, to the second. One that no calendar has is the first there is.
pub fn text(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or_default();
    time.round(Unit::Second).unwrap_or(time).to_string()
}
