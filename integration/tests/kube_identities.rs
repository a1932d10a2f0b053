//! Who may do what at the API server: both service accounts with a token, and both groups with a client
//! certificate, of the node itself, of another node, and of none. The table is asked with `dryRun=All`: everything is checked and nothing
//! is changed, so that no row depends on another.

#[path = "kube_identities/agents.rs"]
mod agents;
#[path = "kube_identities/blocks.rs"]
mod blocks;
#[path = "kube_identities/cluster.rs"]
mod cluster;
#[path = "kube_identities/others.rs"]
mod others;
#[path = "kube_identities/questions.rs"]
mod questions;

use anyhow::Result;
use cluster::{By, Cluster};

#[test]
fn a_node_creates_changes_and_deletes_its_own_blocks_and_no_others() -> Result<()> {
    table(By::Token)
}

#[test]
fn so_does_one_that_shows_a_certificate() -> Result<()> {
    table(By::Certificate)
}

fn table(by: By) -> Result<()> {
    let mut cluster = Cluster::new(by)?;
    blocks::of_its_own(&mut cluster)?;
    blocks::of_others(&mut cluster)?;
    blocks::in_pools(&mut cluster)?;
    blocks::and_their_metadata(&mut cluster)?;
    others::without_a_node(&mut cluster)?;
    others::node_status(&mut cluster)?;
    others::reading(&mut cluster)?;
    others::reporting(&mut cluster)?;
    others::the_operator(&mut cluster)?;
    cluster.verdict()
}

#[test]
fn agents_are_refused_nothing_they_do_and_select_what_they_list() -> Result<()> {
    agents::live()
}
