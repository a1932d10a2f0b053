//! What an operator asks an agent, as an operator does: by kubectl.

use super::cast::{Cast, NEAR};
use super::{WORKER, shown};
use anyhow::{Context, Result, ensure};
use gingham_integration::Fleet;
use gingham_integration::fleet::chart::NAMESPACE;

/// The first lines of `gingham-agent status` on the worker.
pub(super) fn status(fleet: &Fleet) -> Result<String> {
    let said = ask(fleet, &["status"])?;
    let ready = said.lines().any(|line| words(line) == ["Ready", "yes"]);
    ensure!(ready, "{said}");
    Ok(shown::first(&said, 14))
}

/// The first lines of `gingham-agent explain` on the worker: about a pod of its zone, and about one of the
/// other, of which it knows no more than BGP tells.
pub(super) fn explain(fleet: &Fleet, cast: &Cast) -> Result<String> {
    let mut lines = Vec::new();
    for (pod, wanted) in [
        (&cast.near, format!("Held by  node {NEAR}")),
        (&cast.far, "learned by BGP from".to_owned()),
    ] {
        let address = pod.addresses.first().context("a pod without addresses")?;
        let said = ask(fleet, &["explain", &address.to_string()])?;
        ensure!(said.contains(&wanted), "{said}");
        lines.push(shown::first(&said, 8));
    }
    Ok(lines.join("\n"))
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn ask(fleet: &Fleet, what: &[&str]) -> Result<String> {
    let agent = fleet.agent(WORKER)?;
    let exec = ["-n", NAMESPACE, "exec", &agent, "--", "gingham-agent"];
    let said = fleet.kubectl(&[&exec[..], what].concat()).text()?;
    Ok(format!(
        "# kubectl -n {NAMESPACE} exec {agent} -- gingham-agent {}\n{said}",
        what.join(" ")
    ))
}
