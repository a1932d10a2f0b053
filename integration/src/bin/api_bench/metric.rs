//! What is measured, and of whom.

use gingham_integration::bench::{Figure, Rival};
use std::fmt;

/// One figure, in the order of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    StartListed,
    StartRoutes,
    StartLast,
    StartReady,
    StartCpu,
    StartBytes,
    StartRequests,
    StartMemory,
    StartPeak,
    BeatsCpu,
    BeatsBytes,
    BeatsRequests,
    BeatsLeases,
    BeatsWrites,
    OutageSynced,
    OutageBytes,
    OutageRequests,
    OutageMemory,
    OutagePeak,
}

impl Figure for Metric {
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Metric::StartListed => ("start: until all is listed", "ms"),
            Metric::StartRoutes => ("start: from the list to the last route", "ms"),
            Metric::StartLast => ("start: until the last route", "ms"),
            Metric::StartReady => ("start: until ready", "ms"),
            Metric::StartCpu => ("start: processor time", "ms"),
            Metric::StartBytes => ("start: bytes from the API server", "kB"),
            Metric::StartRequests => ("start: requests", ""),
            Metric::StartMemory => ("start: memory after", "MB"),
            Metric::StartPeak => ("start: most memory", "MB"),
            Metric::BeatsCpu => ("heartbeats: processor time", "%"),
            Metric::BeatsBytes => ("heartbeats: bytes from the API server", "kB/s"),
            Metric::BeatsRequests => ("heartbeats: requests", ""),
            Metric::BeatsLeases => ("heartbeats: renewals of the Lease", ""),
            Metric::BeatsWrites => ("heartbeats: other writes", ""),
            Metric::OutageSynced => ("API server back: until synced", "ms"),
            Metric::OutageBytes => ("API server back: bytes from it", "kB"),
            Metric::OutageRequests => ("API server back: requests", ""),
            Metric::OutageMemory => ("API server back: memory after", "MB"),
            Metric::OutagePeak => ("API server back: most memory", "MB"),
        }
    }

    fn target(self) -> Option<&'static str> {
        match self {
            Metric::StartRoutes => Some("3000"),
            Metric::StartPeak | Metric::OutagePeak => Some("40"),
            Metric::BeatsCpu => Some("under 1"),
            Metric::BeatsWrites => Some("0"),
            _ => None,
        }
    }
}

/// Who asks the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// The agent of a worker.
    Worker,
    /// The agent of a reflector.
    Master,
    /// kubectl, which lists the same Blocks and throws them away.
    Floor,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::Worker => "worker",
            Who::Master => "master",
            Who::Floor => "kubectl",
        })
    }
}

impl Rival for Who {
    fn is_ours(self) -> bool {
        self == Who::Worker
    }

    fn is_peer(self) -> bool {
        false
    }
}
