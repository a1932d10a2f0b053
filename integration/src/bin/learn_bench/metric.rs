//! What is measured.

use gingham_integration::bench::Figure;

/// One figure of a run, in the order of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    StartWall,
    StartMemory,
    FloodWall,
    FloodCpu,
    FloodBench,
    FloodWrites,
    FloodMemory,
    FloodPeak,
    ChangeWall,
    ChangeCpu,
    WithdrawWall,
    WithdrawCpu,
    RestartUp,
    RestartEnded,
    RestartCpu,
    RestartWrites,
    RestartWrong,
    CrowdUp,
    CrowdTold,
    CrowdCpu,
    CrowdBench,
    CrowdMemory,
    CrowdPeak,
}

impl Figure for Metric {
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Metric::StartWall => ("start: until established", "ms"),
            Metric::StartMemory => ("start: memory", "MB"),
            Metric::FloodWall => ("flood: until the last route", "ms"),
            Metric::FloodCpu => ("flood: processor time", "ms"),
            Metric::FloodBench => ("flood: the bench's processor time", "ms"),
            Metric::FloodWrites => ("flood: route writes", ""),
            Metric::FloodMemory => ("flood: memory after", "MB"),
            Metric::FloodPeak => ("flood: most memory", "MB"),
            Metric::ChangeWall => ("one change: until in the kernel", "ms"),
            Metric::ChangeCpu => ("one change: processor time", "ms"),
            Metric::WithdrawWall => ("10 % withdrawn: until the last is gone", "ms"),
            Metric::WithdrawCpu => ("10 % withdrawn: processor time", "ms"),
            Metric::RestartUp => ("kill -9, start: until established", "ms"),
            Metric::RestartEnded => ("kill -9, start: until its End-of-RIB", "ms"),
            Metric::RestartCpu => ("kill -9, start: processor time", "ms"),
            Metric::RestartWrites => ("kill -9, start: route writes", ""),
            Metric::RestartWrong => ("kill -9, start: most routes wrong", ""),
            Metric::CrowdUp => ("all nodes dial: until all are up", "ms"),
            Metric::CrowdTold => ("all nodes dial: until all are told", "ms"),
            Metric::CrowdCpu => ("all nodes dial: processor time", "ms"),
            Metric::CrowdBench => ("all nodes dial: the bench's", "ms"),
            Metric::CrowdMemory => ("all nodes dial: memory after", "MB"),
            Metric::CrowdPeak => ("all nodes dial: most memory", "MB"),
        }
    }

    fn target(self) -> Option<&'static str> {
        match self {
            Metric::FloodWall => Some("no slower than bird"),
            Metric::RestartWrites | Metric::RestartWrong => Some("0"),
            _ => None,
        }
    }
}
