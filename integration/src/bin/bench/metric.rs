//! What is measured.

use gingham_integration::bench::Figure;

/// One figure, in the order of a round. Medians and sums are of one round; the 99th of a hundred is of
/// all rounds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    AddWall,
    AddSlow,
    AddCpu,
    AddWaiting,
    DelWall,
    DelSlow,
    DelCpu,
    BurstAddWhole,
    BurstAddWall,
    BurstAddSlow,
    BurstAddCpu,
    BurstDelWhole,
    BurstDelWall,
    BurstDelSlow,
    BurstDelCpu,
    GcSome,
    DelSome,
    GcAll,
    DelAll,
}

impl Figure for Metric {
    fn describe(self) -> (&'static str, &'static str) {
        let what = match self {
            Metric::AddWall => "ADD: median",
            Metric::AddSlow => "ADD: p99 of all rounds",
            Metric::AddCpu => "ADD: processor time, median",
            Metric::AddWaiting => "ADD, duplicates looked for: median",
            Metric::DelWall => "DEL: median",
            Metric::DelSlow => "DEL: p99 of all rounds",
            Metric::DelCpu => "DEL: processor time, median",
            Metric::BurstAddWhole => "burst of ADD: until the last is done",
            Metric::BurstAddWall => "burst of ADD: median",
            Metric::BurstAddSlow => "burst of ADD: p99 of all rounds",
            Metric::BurstAddCpu => "burst of ADD: processor time of each",
            Metric::BurstDelWhole => "burst of DEL: until the last is done",
            Metric::BurstDelWall => "burst of DEL: median",
            Metric::BurstDelSlow => "burst of DEL: p99 of all rounds",
            Metric::BurstDelCpu => "burst of DEL: processor time of each",
            Metric::GcSome => "GC of 60 pods",
            Metric::DelSome => "DEL of the same, one by one",
            Metric::GcAll => "GC of all pods",
            Metric::DelAll => "DEL of the same, one by one",
        };
        (what, "ms")
    }

    fn target(self) -> Option<&'static str> {
        match self {
            Metric::AddWall => Some("floor x 2 at most; ptp 8, ptp+masq 15 times ours"),
            Metric::AddCpu | Metric::DelCpu => Some("floor x 1.5 at most"),
            Metric::BurstAddSlow => Some("floor x 3 at most"),
            _ => None,
        }
    }
}
