//! Kubernetes' own tests of a cluster's network, run against one of ours.
//!
//! ```text
//!  specs.txt ── quick, long ──► ginkgo ──► e2e.test, several at a time ──► report ──► a Verdict each
//!      └─ left out, with the reason
//! ```
//!
//! `integration/e2e/specs.txt` names every spec of sig-network that e2e.test has. Nothing is skipped in silence:
//! a spec that is run must pass, and one that says of itself that it cannot run here counts as one that did not.

mod report;
mod specs;

pub use report::Verdict;
pub use specs::{Place, Spec};

use crate::{LabBox, tools};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

/// What the names of all of them begin with.
const GROUP: &str = "[sig-network]";
/// Where the images' registries are said to be: what a node has loaded is nowhere else.
const REGISTRIES: &str = "\
promoterE2eRegistry: localhost
gcRegistry: localhost
buildImageRegistry: localhost
";
/// They wait for most of their time.
const AT_A_TIME: usize = 8;
/// What a run may take to end after its own deadline.
const LEAVE: Duration = Duration::from_secs(60);

/// A cluster, as seen by its tests.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// A box from which the API server, the nodes and the pods are reached.
    pub from: &'a LabBox,
    /// The administrator's kubeconfig, by its path in that box.
    pub kubeconfig: &'a str,
    /// How many nodes pods are placed on.
    pub nodes: usize,
}

/// Every spec there is, by the list in the tree.
///
/// # Errors
/// A line of it that is no good, by its number.
pub fn specs() -> Result<Vec<Spec>> {
    specs::parse(include_str!("../e2e/specs.txt")).context("integration/e2e/specs.txt")
}

/// Every spec there is, by the executable.
///
/// # Errors
/// e2e.test is missing or does not list them.
pub fn known() -> Result<BTreeSet<String>> {
    let program = tools::locate("e2e.test")?;
    let output = Command::new(&program).arg("--list-tests").output();
    let output = output.with_context(|| program.display().to_string())?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let names: BTreeSet<String> = listed.lines().filter_map(name).map(str::to_owned).collect();
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !names.is_empty(),
        "{} --list-tests: {error}",
        program.display()
    );
    Ok(names)
}

/// The spec that a line of the list names, after the file and line it is at.
fn name(line: &str) -> Option<&str> {
    let (_, name) = line.split_once(": ")?;
    name.starts_with(GROUP).then_some(name)
}

/// Runs these specs, several at a time. Every one of them has a verdict then.
///
/// # Errors
/// A program that is missing, or a run that did not come to a report; carries what it said.
pub fn run(target: &Target<'_>, names: &[&str], deadline: Duration) -> Result<Vec<Verdict>> {
    let folder = tempfile::Builder::new()
        .prefix("gingham-e2e-")
        .tempdir()
        .context("a folder for the report")?;
    let registries = folder.path().join("registries.yaml");
    std::fs::write(&registries, REGISTRIES).context("the registries' file")?;
    let argv = arguments(target, names, deadline, &text(folder.path()))?;
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let output = target
        .from
        .command(&argv)
        .env("HOME", &text(folder.path()))
        .env("KUBE_TEST_REPO_LIST", &text(&registries))
        .deadline(deadline + LEAVE)
        .output()?;
    let report = folder.path().join(REPORT);
    let said = || format!("{}\n{}{}", output.status, output.stdout, output.stderr);
    let report = std::fs::read(&report).with_context(said)?;
    report::verdicts(&report, names).with_context(said)
}

/// The report's name in its folder.
const REPORT: &str = "report.json";

fn arguments(
    target: &Target<'_>,
    names: &[&str],
    deadline: Duration,
    folder: &str,
) -> Result<Vec<String>> {
    Ok(vec![
        text(&tools::locate("ginkgo")?),
        format!("--procs={AT_A_TIME}"),
        "--no-color".into(),
        "--succinct".into(),
        format!("--timeout={}s", deadline.as_secs()),
        format!("--output-dir={folder}"),
        format!("--json-report={REPORT}"),
        format!("--focus={}", specs::pattern(names)),
        text(&tools::locate("e2e.test")?),
        "--".into(),
        "--provider=skeleton".into(),
        format!("--kubeconfig={}", target.kubeconfig),
        format!("--kubectl-path={}", text(&tools::locate("kubectl")?)),
        format!("--num-nodes={}", target.nodes),
    ])
}

fn text(path: &std::path::Path) -> String {
    path.display().to_string()
}
