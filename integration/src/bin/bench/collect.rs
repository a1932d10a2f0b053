//! Many pods taken away at once, beside one by one. Ours alone: none of the others has such a GC.

use crate::call::Verb;
use crate::metric::Metric;
use crate::node::{Node, Pod};
use anyhow::Result;
use gingham_integration::bench::{Sample, milliseconds};
use std::time::{Duration, Instant};

/// As many as facts of old kernels are about.
const SOME: usize = 60;

/// What a round adds to the figures of ours. All pods are there before and after.
pub(crate) fn take(node: &Node) -> Result<Sample<Metric>> {
    let all = node.standing.as_slice();
    let (some, rest) = all.split_at(SOME.min(all.len()));
    let by_group = |gone: &[Pod], left: &[Pod]| -> Result<f64> {
        let took = node.gc(left)?;
        node.fill(gone)?;
        Ok(milliseconds(took))
    };
    let one_by_one = |gone: &[Pod]| -> Result<f64> {
        let started = Instant::now();
        gone.iter()
            .try_for_each(|pod| node.one(Verb::Del, pod).map(drop))?;
        let took: Duration = started.elapsed();
        node.fill(gone)?;
        Ok(milliseconds(took))
    };
    Ok(Sample::from([
        (Metric::GcSome, by_group(some, rest)?),
        (Metric::DelSome, one_by_one(some)?),
        (Metric::GcAll, by_group(all, &[])?),
        (Metric::DelAll, one_by_one(all)?),
    ]))
}
