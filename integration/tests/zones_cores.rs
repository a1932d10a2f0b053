//! Two zones of two cores each: a core loses the backbone, and then its whole zone does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod world;
mod zones_world;

use anyhow::{Result, bail, ensure};
use gingham_integration::tables::expected;
use gingham_integration::topology::{Cores, Zones, reference};
use gingham_integration::{Count, Flow, Lab, Pod, Store, Traffic, eventually, on_both_stores};
use gingham_model::Family;
use std::thread::sleep;
use std::time::{Duration, Instant};
use zones_world::{PATIENCE, reach, settled, timed, up, wait_for};

on_both_stores! {
    a_core_without_uplinks_is_gone_around,
    a_zone_that_is_cut_off_talks_on_inside,
}

/// Packets a second of each flow.
const RATE: u32 = 200;
/// Flows of a kind: hashing spreads them over the cores.
const FLOWS: usize = 3;
/// How long traffic is watched that should lose nothing.
const SECOND: Duration = Duration::from_secs(1);
/// Runs that a busy machine may need for one whose control run loses nothing.
const RUNS: usize = 5;
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

    fn stop(self) -> Result<Vec<Count>> {
        self.0.into_iter().map(Traffic::stop).collect()
    }
}

fn lost(counts: &[Count]) -> u64 {
    counts.iter().map(Count::lost).sum()
}

fn sent(counts: &[Count]) -> u64 {
    counts.iter().map(|count| count.sent.sent).sum()
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
fn say(what: &str, counts: &[Count]) {
    let (lost, sent) = (lost(counts), sent(counts));
    println!("{what}: {lost} of {sent} packets lost");
}

fn a_core_without_uplinks_is_gone_around(store: Store) -> Result<()> {
    let lab = up(store, reference(Zones::Two, Cores::Two)?)?;
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
        for stream in streams {
            let counts = stream.stop()?;
            say(&format!("{core} without uplinks"), &counts);
            ensure!(lost(&counts) < sent(&counts), "nothing came through");
        }
        loses_nothing(&near, &far)?;
        loses_nothing(&far, &near)?;

        let streams = [Stream::start(&near, &far)?, Stream::start(&far, &near)?];
        timed(
            &format!("{core} with uplinks again: tables everywhere"),
            || {
                restore(&lab, core)?;
                settled(&lab)
            },
        )?;
        for stream in streams {
            say(&format!("{core} with uplinks again"), &stream.stop()?);
        }
    }
    Ok(())
}

/// A busy machine loses a packet now and then; a hole in the tables loses some of every run.
fn loses_nothing(from: &Pod, to: &Pod) -> Result<()> {
    eventually("traffic that loses nothing", PATIENCE, || {
        let stream = Stream::start(from, to)?;
        sleep(SECOND);
        let counts = stream.stop()?;
        ensure!(lost(&counts) == 0, "{counts:?}");
        Ok(())
    })
}

fn a_zone_that_is_cut_off_talks_on_inside(store: Store) -> Result<()> {
    let lab = up(store, reference(Zones::Two, Cores::Two)?)?;
    let [near, neighbour, far] = pods(&lab, ["z1w1", "z1w2", "z2w1"])?;
    for _ in 0..RUNS {
        let (start, inside) = (Instant::now(), Stream::start(&near, &neighbour)?);
        cut_off_and_back(&lab, &near, &far)?;
        let (took, disturbed) = (start.elapsed(), inside.stop()?);
        let inside = Stream::start(&near, &neighbour)?;
        sleep(took);
        let undisturbed = inside.stop()?;
        say("inside of zone 1, cut off and back", &disturbed);
        say("inside of zone 1, control run", &undisturbed);
        // A control run that loses some itself proves nothing about the other.
        if lost(&undisturbed) == 0 {
            ensure!(lost(&disturbed) == 0, "{disturbed:?}");
            return reach(&near, &[neighbour, far]);
        }
    }
    bail!("every one of {RUNS} control runs loses some itself")
}

fn cut_off_and_back(lab: &Lab, near: &Pod, far: &Pod) -> Result<()> {
    let mut without = lab.topology().clone();
    for core in ["c1", "c1b"] {
        cut(lab, core)?;
        without.cut_off(core);
    }
    timed("zone 1 is cut off: tables everywhere", || {
        wait_for(lab, &expected(&without))
    })?;
    for family in Family::ALL {
        let result = near.ping(far.address(family)?, 1)?;
        ensure!(result.received == 0, "{family} leaves the zone: {result:?}");
    }
    for core in ["c1", "c1b"] {
        restore(lab, core)?;
    }
    timed("zone 1 is back: tables everywhere", || settled(lab))
}
