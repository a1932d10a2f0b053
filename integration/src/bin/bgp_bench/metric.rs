//! What is measured.

use gingham_integration::bench::Figure;

/// One figure of a run, in the order of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    EstablishWall,
    EstablishCpu,
    EstablishMemory,
    FloodWall,
    FloodCpu,
    FloodInjector,
    FloodUpdates,
    FloodOctets,
    FloodMemory,
    FloodPeak,
    ChangeWall,
    ChangeCpu,
    WithdrawWall,
    WithdrawCpu,
    LostWall,
    LostCpu,
    Notifications,
    StormUp,
    StormFull,
    StormCpu,
    StormOverflows,
    StormDrops,
}

impl Figure for Metric {
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Metric::EstablishWall => ("establish: until all are up", "ms"),
            Metric::EstablishCpu => ("establish: processor time", "ms"),
            Metric::EstablishMemory => ("establish: memory", "MB"),
            Metric::FloodWall => ("flood: until the slowest has all", "ms"),
            Metric::FloodCpu => ("flood: processor time", "ms"),
            Metric::FloodInjector => ("flood: injector's processor time", "ms"),
            Metric::FloodUpdates => ("flood: UPDATE messages received", ""),
            Metric::FloodOctets => ("flood: octets received", "MB"),
            Metric::FloodMemory => ("flood: memory after", "MB"),
            Metric::FloodPeak => ("flood: most memory", "MB"),
            Metric::ChangeWall => ("one change: until all heard", "ms"),
            Metric::ChangeCpu => ("one change: processor time", "ms"),
            Metric::WithdrawWall => ("10 % withdrawn: until all know", "ms"),
            Metric::WithdrawCpu => ("10 % withdrawn: processor time", "ms"),
            Metric::LostWall => ("client lost: until all know", "ms"),
            Metric::LostCpu => ("client lost: processor time", "ms"),
            Metric::Notifications => ("NOTIFICATIONs before the storm", ""),
            Metric::StormUp => ("storm: until all are up", "ms"),
            Metric::StormFull => ("storm: until all have all", "ms"),
            Metric::StormCpu => ("storm: processor time", "ms"),
            Metric::StormOverflows => ("storm: listen overflows", ""),
            Metric::StormDrops => ("storm: listen drops", ""),
        }
    }
}
