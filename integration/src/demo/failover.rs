//! A cable pulled between a core and the backbone.

use super::{flows, settle};
use crate::standing::SETTLED_DEADLINE;
use anyhow::{Context, Result, ensure};
use gingham_integration::topology::CORE_ZONE;
use gingham_integration::{Lab, LabBox, Pod, Router, eventually, tables};
use gingham_model::Family;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The core.
const CORE: &str = "c1";
/// How long the other uplink carries all traffic, counted.
const ALONE: Duration = Duration::from_secs(1);

/// Cuts the uplink that the IPv4 traffic takes, sees all routes move to the other one and every packet
/// sent from then on arrive, and restores it.
pub(super) fn of_an_uplink(lab: &Lab, ends: (&Pod, &Pod)) -> Result<String> {
    let core = lab.router(CORE)?;
    let uplink = taken(core.host(), ends)?;
    let traffic = flows::start(ends)?;
    sleep(ALONE);
    let cut = Instant::now();
    lab.cut(CORE, &uplink)?;
    let moved = eventually(
        "the core's routes by the other uplink",
        SETTLED_DEADLINE,
        || moved(&core, &uplink),
    );
    let took = cut.elapsed();
    let disturbed = flows::stop(traffic)?;
    moved?;
    let traffic = flows::start(ends)?;
    sleep(ALONE);
    let alone = flows::lossless(&flows::stop(traffic)?);
    lab.restore(CORE, &uplink)?;
    settle::tables(lab)?;
    Ok(format!(
        "{CORE} lost {uplink}, and had all routes by the other after {} ms\n{}\nthen:\n{}",
        took.as_millis(),
        flows::words(&disturbed),
        alone?
    ))
}

/// The interface by which the core forwards IPv4 packets between the pods.
fn taken(core: &LabBox, (from, to): (&Pod, &Pod)) -> Result<String> {
    let (from, to) = (from.address(Family::V4)?, to.address(Family::V4)?);
    let (from, to) = (from.to_string(), to.to_string());
    let argv = [
        "ip", "-o", "route", "get", &to, "from", &from, "iif", CORE_ZONE,
    ];
    let found = core.exec(&argv)?;
    let mut words = found.split(' ').skip_while(|word| *word != "dev");
    let uplink = words
        .nth(1)
        .with_context(|| format!("no interface: {found}"))?;
    Ok(uplink.to_owned())
}

/// Whether no route of the core is by what stood at the other end of the cable.
fn moved(core: &Router, uplink: &str) -> Result<()> {
    let seen = tables::seen(core.host())?;
    let gone = || core.plan().external().filter(|peer| peer.on == uplink);
    let by = |line: &&String| {
        gone().any(|peer| {
            let address = peer.address.to_string();
            line.split([' ', ',']).any(|word| word == address)
        })
    };
    let old: Vec<&String> = seen.iter().filter(by).collect();
    ensure!(old.is_empty(), "{old:?}");
    let other = seen
        .iter()
        .any(|line| line.starts_with("10.102.0.0/16 via "));
    ensure!(other, "{seen:?}");
    Ok(())
}
