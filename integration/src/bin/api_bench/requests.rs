//! What the agents asked, by the API server's own account.

use crate::metric::Who;
use anyhow::{Result, bail, ensure};
use gingham_integration::kubernetes::{Api, Entry};

/// The audit log up to a moment.
pub(crate) struct Mark(usize);

/// Requests of one agent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked {
    /// All of them.
    pub(crate) requests: usize,
    /// Renewals of the Lease of who writes conditions.
    pub(crate) leases: usize,
    /// Everything else that writes.
    pub(crate) writes: usize,
}

impl Mark {
    pub(crate) fn now(api: &Api) -> Result<Self> {
        Ok(Mark(api.audit()?.len()))
    }

    /// What `who` asked since.
    pub(crate) fn since(&self, api: &Api, who: Who) -> Result<Asked> {
        let mut asked = Asked::default();
        for entry in api.audit()?.iter().skip(self.0) {
            // A watch has two entries; its beginning is the request.
            let begins = match &*entry.verb {
                "watch" => entry.stage == "ResponseStarted",
                _ => entry.stage == "ResponseComplete",
            };
            if !begins || !is_of(entry, who) {
                continue;
            }
            asked.requests += 1;
            match (entry.writes(), entry.resource()) {
                (true, "leases") => asked.leases += 1,
                (true, _) => asked.writes += 1,
                (false, _) => {}
            }
        }
        Ok(asked)
    }
}

/// Whether every list and watch of Nodes and Blocks asked for some only, and nothing was refused.
pub(crate) fn check(api: &Api) -> Result<()> {
    let mut lists = 0;
    for entry in api.audit()? {
        if ![Who::Worker, Who::Master]
            .iter()
            .any(|who| is_of(&entry, *who))
        {
            continue;
        }
        let Entry { verb, uri, .. } = &entry;
        ensure!(entry.code() != 403, "refused: {verb} {uri}");
        let many = matches!(&**verb, "list" | "watch");
        if !many || !["nodes", "blocks"].contains(&entry.resource()) {
            continue;
        }
        lists += 1;
        let selects = ["fieldSelector=", "labelSelector="];
        if !selects.iter().any(|selector| uri.contains(selector)) {
            bail!("{} asks for all: {verb} {uri}", entry.user());
        }
    }
    ensure!(lists > 0, "no list of Nodes or Blocks was ever asked for");
    Ok(())
}

fn is_of(entry: &Entry, who: Who) -> bool {
    let node = &entry.user["extra"]["authentication.kubernetes.io/node-name"][0];
    let account = format!("system:serviceaccount:gingham-system:{}", who.account());
    entry.user() == account && node == who.node()
}
