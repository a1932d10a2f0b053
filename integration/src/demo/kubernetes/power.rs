//! The plug of a node, pulled and put back.

use super::cast::Cast;
use super::{FAR, PATIENCE};
use anyhow::{Result, ensure};
use gingham_integration::fleet::http::host;
use gingham_integration::fleet::{FleetPod, PodSpec};
use gingham_integration::{Fleet, eventually};
use std::time::Instant;

/// Pods that are on it besides.
const MORE: usize = 3;

/// Whether every pod of the node runs again, and answers in both families.
pub(super) fn lost_and_back(fleet: &mut Fleet, cast: &Cast) -> Result<String> {
    let mut before = vec![cast.far.clone()];
    for number in 1..=MORE {
        let spec = PodSpec::server(&format!("far-{number}")).on(FAR);
        before.push(fleet.run(&spec)?);
    }
    fleet.power_off(FAR)?;
    let off = Instant::now();
    fleet.power_on(FAR)?;
    let mut lines = Vec::new();
    for pod in &before {
        let again = runs_again(fleet, pod)?;
        for address in &again.addresses {
            let url = format!("http://{}:8080/hostname", host(*address));
            let said = eventually(&url, PATIENCE, || fleet.fetch(&cast.asking, &url))?;
            ensure!(said == pod.name, "{url}: {said}");
        }
        lines.push(format!(
            "{}: {} before, {} now",
            pod.name,
            words(pod),
            words(&again)
        ));
    }
    let took = off.elapsed().as_secs_f64();
    fleet.wait_nodes_ready(PATIENCE)?;
    fleet.wait_agents(PATIENCE)?;
    lines.push(format!(
        "all answer {} {took:.1} s after {FAR} was off",
        cast.asking.name
    ));
    Ok(lines.join("\n"))
}

/// A pod whose container was started anew.
fn runs_again(fleet: &Fleet, pod: &FleetPod) -> Result<FleetPod> {
    eventually(&format!("{} runs again", pod.name), PATIENCE, || {
        let object = fleet.json(&["get", "pod", &pod.name])?;
        let container = &object["status"]["containerStatuses"][0];
        ensure!(container["restartCount"].as_u64() > Some(0), "{container}");
        fleet.pod(&pod.name)
    })
}

fn words(pod: &FleetPod) -> String {
    let addresses = pod.addresses.iter().map(ToString::to_string);
    addresses.collect::<Vec<_>>().join(" ")
}
