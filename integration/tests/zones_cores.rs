//! Two zones of two cores each: a core loses the backbone, and then its whole zone does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;
mod zones_world;

use anyhow::{Result, ensure};
use gingham_integration::tables::expected;
use gingham_integration::topology::{Cores, Zones, reference};
use gingham_integration::{Flow, Lab, Pod, Traffic};
use gingham_model::Family;
use std::thread::sleep;
use std::time::{Duration, Instant};
use zones_world::{reach, settled, timed, up, wait_for};

/// Packets a second of each flow.
const RATE: u32 = 200;
/// Flows of a kind: hashing spreads them over the cores.
const FLOWS: usize = 3;
/// The backbone routers, after which a core names its uplinks.
const UPLINKS: [&str; 2] = ["bb1", "bb2"];

/// Traffic from one pod to another, both families.
struct Stream(Vec<Traffic>);

impl Stream {
    fn start(from: &Pod, to: &Pod) -> Result<Self> {
        let families = Family::ALL.repeat(FLOWS);
        let start = |family| Traffic::start(from, to, Flow { family, rate: RATE });
        Ok(Stream(
            families.into_iter().map(start).collect::<Result<_>>()?,
        ))
    }

    /// Packets sent and packets lost.
    fn stop(self) -> Result<[u64; 2]> {
        let mut sum = [0, 0];
        for flow in self.0 {
            let count = flow.stop()?;
            sum[0] += count.sent.sent;
            sum[1] += count.lost();
        }
        ensure!(sum[0] > 0, "nothing was sent");
        Ok(sum)
    }
}

fn cut(lab: &Lab, core: &str) -> Result<()> {
    UPLINKS.iter().try_for_each(|uplink| lab.cut(core, uplink))
}

fn restore(lab: &Lab, core: &str) -> Result<()> {
    UPLINKS
        .iter()
        .try_for_each(|uplink| lab.restore(core, uplink))
}

fn pods<const N: usize>(lab: &Lab, nodes: [&str; N]) -> Result<[Pod; N]> {
    let pods = nodes.map(|name| lab.node(name)?.add_pod("a"));
    let pods: Vec<Pod> = pods.into_iter().collect::<Result<_>>()?;
    pods.try_into().map_err(|_| anyhow::anyhow!("{N} pods"))
}

#[expect(
    clippy::print_stdout,
    reason = "a figure for who reads a test's output"
)]
fn say(what: &str, [sent, lost]: [u64; 2]) {
    println!("{what}: {lost} of {sent} packets lost");
}

#[test]
fn a_core_without_uplinks_is_gone_around() -> Result<()> {
    let lab = up(reference(Zones::Two, Cores::Two)?)?;
    let [near, far] = pods(&lab, ["z1w1", "z2w1"])?;
    for core in ["c1", "c2b"] {
        let streams = [Stream::start(&near, &far)?, Stream::start(&far, &near)?];
        let mut without = lab.topology().clone();
        without.cut_off(core);
        timed(
            &format!("{core} without uplinks: tables everywhere"),
            || {
                cut(&lab, core)?;
                wait_for(&lab, &expected(&without))
            },
        )?;
        let around = Stream::start(&near, &far)?;
        reach(&near, std::slice::from_ref(&far))?;
        for stream in streams {
            let counts = stream.stop()?;
            say(&format!("{core} without uplinks"), counts);
            ensure!(counts[1] < counts[0], "nothing came through");
        }
        let counts = around.stop()?;
        ensure!(counts[1] == 0, "{core} is gone around: {counts:?}");

        let streams = [Stream::start(&near, &far)?, Stream::start(&far, &near)?];
        timed(
            &format!("{core} with uplinks again: tables everywhere"),
            || {
                restore(&lab, core)?;
                settled(&lab)
            },
        )?;
        for stream in streams {
            say(&format!("{core} with uplinks again"), stream.stop()?);
        }
    }
    Ok(())
}

/// Inside, nothing is lost; a control run of the same length loses nothing either.
#[test]
fn a_zone_that_is_cut_off_talks_on_inside() -> Result<()> {
    let lab = up(reference(Zones::Two, Cores::Two)?)?;
    let [near, neighbour, far] = pods(&lab, ["z1w1", "z1w2", "z2w1"])?;
    let inside = Stream::start(&near, &neighbour)?;
    let start = Instant::now();
    let mut without = lab.topology().clone();
    for core in ["c1", "c1b"] {
        cut(&lab, core)?;
        without.cut_off(core);
    }
    timed("zone 1 is cut off: tables everywhere", || {
        wait_for(&lab, &expected(&without))
    })?;
    ensure!(reach(&near, std::slice::from_ref(&far)).is_err());
    for core in ["c1", "c1b"] {
        restore(&lab, core)?;
    }
    timed("zone 1 is back: tables everywhere", || settled(&lab))?;
    let took = start.elapsed();
    let cut_off = inside.stop()?;

    let control = Stream::start(&near, &neighbour)?;
    sleep(took.max(Duration::from_secs(1)));
    let control = control.stop()?;
    ensure!(
        control[1] == 0,
        "the control run loses some itself: {control:?}"
    );
    ensure!(cut_off[1] == 0, "{cut_off:?}");
    reach(&near, &[neighbour, far])
}
