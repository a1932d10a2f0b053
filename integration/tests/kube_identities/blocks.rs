//! Blocks: the node's own, those of others, in pools and beside them.

use crate::cluster::Is::{Allowed, Invalid, Refused};
use crate::cluster::{Cluster, NO_RULE, Who};
use crate::questions::{
    BLOCKS, FREE, MERGE, ORPHANED, OTHER, OWN, POD_CIDR, block, delete, patched, path, post, put,
    spec, status,
};
use anyhow::{Context, Result};
use gingham_integration::kubernetes::Question;
use http::Method;
use serde_json::json;

pub(crate) fn of_its_own(cluster: &mut Cluster) -> Result<()> {
    let claim = post(BLOCKS, block(FREE, "n1", "z1", "Active"));
    cluster.both("claims a free block", claim, Allowed)?;
    let v6 = post(BLOCKS, block("fd00:64::40/122", "n1", "z1", "Active"));
    cluster.both("claims a free IPv6 block", v6, Allowed)?;
    let mut no_uid = block(FREE, "n1", "z1", "Active");
    no_uid["spec"]["nodeUID"] = json!("");
    let no_uid = post(BLOCKS, no_uid);
    cluster.both("claims for a Node without uid", no_uid, Invalid("nodeUID"))?;
    let drain = json!({"state": "Draining", "nodeIPs": ["10.1.0.9"], "zone": "z2"});
    cluster.both("changes its block", spec(OWN, drain), Allowed)?;
    let other_uid = json!({"nodeUID": "another"});
    cluster.both("takes its block back", spec(OWN, other_uid), Allowed)?;
    let present = cluster.node.ask(Question::get(path(OWN)))?.ok()?;
    let version = present["metadata"]["resourceVersion"]
        .as_str()
        .context("no version")?;
    cluster.both("replaces its block", put(OWN, "n1", version), Allowed)?;
    cluster.both("deletes its block", delete(OWN), Allowed)?;
    let all = Question {
        method: Method::DELETE,
        ..Question::get(BLOCKS)
    };
    cluster.both("deletes all blocks at once", all, NO_RULE)
}

pub(crate) fn of_others(cluster: &mut Cluster) -> Result<()> {
    let not_its_own = "n1 may create Blocks only for itself";
    let claim = post(BLOCKS, block(FREE, "n2", "z1", "Active"));
    cluster.both("claims for another", claim, Refused(not_its_own))?;
    let (node, reflector) = (Who::Node, Who::Reflector);
    let not_own = Refused("spec.node n2: node n1 may change only its own Blocks");
    let only_state =
        Refused("spec.node n2: of a Block of another node reflector n1 may change only");
    let stays = Invalid("node is immutable");
    cluster.both(
        "takes another's block",
        spec(OTHER, json!({"node": "n1"})),
        stays,
    )?;
    cluster.both(
        "gives its block away",
        spec(OWN, json!({"node": "n2"})),
        stays,
    )?;
    cluster.row(
        node,
        "changes another's block",
        spec(OTHER, json!({"zone": "z2"})),
        not_own,
    )?;
    let orphan = || spec(OTHER, json!({"state": "Orphaned"}));
    cluster.row(node, "orphans another's block", orphan(), not_own)?;
    cluster.row(reflector, "orphans another's block", orphan(), Allowed)?;
    for change in [
        json!({"state": "Draining"}),
        json!({"state": "Orphaned", "nodeIPs": ["10.1.0.1"]}),
        json!({"state": "Orphaned", "zone": "z2"}),
        json!({"state": "Orphaned", "nodeUID": "another"}),
    ] {
        let what = format!("makes another's block {change}");
        cluster.row(reflector, &what, spec(OTHER, change), only_state)?;
    }
    let revive = spec(ORPHANED, json!({"state": "Active"}));
    cluster.row(reflector, "revives another's block", revive, only_state)?;
    let node_deletes = Refused("spec.node n2: node n1 may delete only its own Blocks");
    for cidr in [OTHER, ORPHANED, POD_CIDR] {
        cluster.row(node, &format!("deletes {cidr}"), delete(cidr), node_deletes)?;
    }
    let active =
        Refused("spec.state Active: of Blocks of other nodes reflector n1 may delete only");
    cluster.row(reflector, "deletes another's block", delete(OTHER), active)?;
    cluster.row(reflector, "frees an orphan", delete(ORPHANED), Allowed)?;
    cluster.row(reflector, "frees a podCIDR", delete(POD_CIDR), Allowed)?;
    let since = || status(OTHER);
    cluster.row(node, "writes a block's status", since(), NO_RULE)?;
    cluster.row(node, "writes its block's status", status(OWN), NO_RULE)?;
    cluster.row(reflector, "writes a block's status", since(), Allowed)
}

pub(crate) fn in_pools(cluster: &mut Cluster) -> Result<()> {
    let claim = |cidr, pool| post(BLOCKS, block(cidr, "n1", pool, "Active"));
    for (what, cidr, pool, is) in [
        (
            "a narrow block",
            "10.64.1.0/27",
            "z1",
            Refused("no block of /26 of ZonePool z1"),
        ),
        (
            "a wide block",
            "10.64.0.0/17",
            "z1",
            Refused("no block of /26 of ZonePool z1"),
        ),
        (
            "outside its pool",
            "10.65.0.0/26",
            "z1",
            Refused("no block of /26 of ZonePool z1"),
        ),
        (
            "a wide IPv6 block",
            "fd00:64::/64",
            "z1",
            Refused("no block of /122 of ZonePool z1"),
        ),
        (
            "of no pool, inside one",
            FREE,
            "none",
            Refused("meets ZonePool z1"),
        ),
        (
            "of no pool, around one",
            "10.0.0.0/8",
            "none",
            Refused("meets ZonePool z1"),
        ),
        (
            "of podCIDRs, inside a pool",
            FREE,
            "node-pod-cidrs",
            Refused("meets ZonePool z1"),
        ),
        ("of podCIDRs", "10.99.1.0/24", "node-pod-cidrs", Allowed),
    ] {
        cluster.both(&format!("claims {what}"), claim(cidr, pool), is)?;
    }
    for (field, value) in [("cidr", "10.64.2.0/26"), ("pool", "z2")] {
        let change = spec(OWN, json!({field: value}));
        cluster.both(
            &format!("gives its block another {field}"),
            change,
            Invalid("immutable"),
        )?;
    }
    Ok(())
}

pub(crate) fn and_their_metadata(cluster: &mut Cluster) -> Result<()> {
    let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u"}]);
    for metadata in [
        json!({"ownerReferences": owner}),
        json!({"finalizers": ["gingham.dev/stay"]}),
        json!({"labels": {"a": "b"}}),
        json!({"annotations": {"a": "b"}}),
    ] {
        let refused = Refused("metadata: agents do not set");
        let patch = json!({"metadata": metadata});
        cluster.both(
            &format!("{patch}"),
            patched(&path(OWN), MERGE, patch.clone()),
            refused,
        )?;
        let mut made = block(FREE, "n1", "z1", "Active");
        for (key, value) in metadata.as_object().context("metadata")? {
            made["metadata"][key] = value.clone();
        }
        cluster.both(&format!("claims with {patch}"), post(BLOCKS, made), refused)?;
    }
    Ok(())
}
