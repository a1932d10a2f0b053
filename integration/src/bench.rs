//! What the benches share: children with what they cost, a place for those who measure, and the report
//! in which rounds become medians and ratios.
//!
//! A bench judges nothing but that what was measured is right.

mod placement;
mod report;
mod running;
mod world;

pub use placement::Placement;
pub use report::{Figure, Output, Report, Rival, Sample, Samples, milliseconds};
pub use running::{Launch, Memory, Running, log_end};
pub use world::{conditions, ip, load, own_mounts, say, seconds};
