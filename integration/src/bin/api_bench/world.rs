//! The real thing: an API server that holds the cluster, and the two nodes of it that stand.

use crate::agent::{PATIENCE, Stand};
use crate::metric::Who;
use crate::plan::Plan;
use anyhow::{Context, Result};
use gingham_integration::bench::say;
use gingham_integration::kubernetes::{Api, MANIFEST, Question};
use gingham_integration::{Binaries, Lab, Plan as LabPlan, tools};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Objects between two words about how far it is.
const STEP: usize = 1_000;
/// Nodes in one answer.
const PAGE: usize = 250;

pub(crate) struct World {
    pub(crate) worker: Stand,
    pub(crate) master: Stand,
    pub(crate) api: Api,
    /// kubectl, and who it is.
    kubectl: (PathBuf, PathBuf),
    /// Ends the boxes.
    _lab: Lab,
}

impl World {
    pub(crate) fn new(plan: &Plan, agent: &Path) -> Result<Self> {
        say("etcd and kube-apiserver start");
        let api = Api::start(&[])?;
        api.apply(MANIFEST)?;
        create(&api, "Nodes", &plan.nodes()?)?;
        let others = plan.others(&uids(&api)?)?;
        create(&api, "Blocks, pools and settings", &others)?;
        let lab = Lab::up(LabPlan::scoped(plan.stage(), Binaries::lab_only()?))?;
        let worker = Stand::new(&lab, &api, Who::Worker, agent)?;
        let floor = Who::Floor;
        let token = api.token_for(floor.account(), floor.node())?;
        let url = format!("https://{}", worker.relay.address());
        Ok(World {
            master: Stand::new(&lab, &api, Who::Master, agent)?,
            worker,
            kubectl: (
                tools::locate("kubectl")?,
                api.kubeconfig("kubectl", &url, &token)?,
            ),
            api,
            _lab: lab,
        })
    }

    /// What kubectl prints of `path`, in the box of the worker.
    pub(crate) fn kubectl(&self, path: &str) -> Result<String> {
        let (program, kubeconfig) = &self.kubectl;
        let (program, kubeconfig) = (program.to_string_lossy(), kubeconfig.to_string_lossy());
        let words = [
            &*program,
            "--kubeconfig",
            &*kubeconfig,
            "get",
            "--raw",
            path,
        ];
        self.worker.host.command(&words).deadline(PATIENCE).text()
    }
}

fn create(api: &Api, what: &str, objects: &[Value]) -> Result<()> {
    let start = Instant::now();
    let mut made = 0;
    for some in objects.chunks(STEP) {
        api.create_all(some)
            .with_context(|| format!("creating {what}"))?;
        made += some.len();
        say(&format!(
            "{made} of {} {what} after {:.1} s",
            objects.len(),
            start.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

/// What the API server calls the Nodes.
fn uids(api: &Api) -> Result<BTreeMap<String, String>> {
    let mut uids = BTreeMap::new();
    let mut from = String::new();
    loop {
        let page = format!("/api/v1/nodes?limit={PAGE}&continue={from}");
        let page = api
            .ask(Question::get(page))?
            .ok()
            .context("listing Nodes")?;
        for node in page["items"].as_array().into_iter().flatten() {
            let text = |field: &str| node["metadata"][field].as_str().unwrap_or_default();
            uids.insert(text("name").to_owned(), text("uid").to_owned());
        }
        match page["metadata"]["continue"].as_str() {
            Some(next) if !next.is_empty() => from = next.to_owned(),
            _ => return Ok(uids),
        }
    }
}
