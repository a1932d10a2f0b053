//! What is no Block: Nodes, what is read, what is reported; and who is not concerned.

use crate::cluster::Is::{Allowed, Invalid, Refused};
use crate::cluster::{Cluster, NO_RULE, Who};
use crate::questions::{
    BLOCKS, EVENTS, FREE, LEASES, MERGE, NODES, ORPHANED, OTHER, OWN, SECRETS, STRATEGIC, block,
    delete, event, leader, lease, patched, path, post, spec, status, unavailable,
};
use anyhow::Result;
use gingham_integration::kubernetes::Question;
use http::Method;
use serde_json::json;

/// Kinds the operator writes and every agent reads.
const SETTINGS: [&str; 4] = ["zonepools", "routingconfigs", "bgppeers", "routefilters"];

pub(crate) fn without_a_node(cluster: &mut Cluster) -> Result<()> {
    let refused = Refused("bound to no node");
    for who in [Who::NodeNowhere, Who::ReflectorNowhere] {
        let claim = post(BLOCKS, block(FREE, "n1", "z1", "Active"));
        cluster.row(who, "claims", claim, refused)?;
        let change = spec(OWN, json!({"state": "Draining"}));
        cluster.row(who, "changes a block", change, refused)?;
        cluster.row(who, "deletes a block", delete(OWN), refused)?;
        cluster.row(who, "writes a Node's status", unavailable("n1"), refused)?;
        let said = post(EVENTS, event("e", "gingham-agent", "n1"));
        cluster.row(who, "reports", said, refused)?;
        cluster.row(who, "reads blocks", Question::get(BLOCKS), Allowed)?;
    }
    let who = Who::ReflectorNowhere;
    cluster.row(who, "frees an orphan", delete(ORPHANED), refused)?;
    cluster.row(who, "writes a block's status", status(OTHER), refused)?;
    let renew = patched(&format!("{LEASES}/gingham-conditions"), MERGE, leader("n1"));
    cluster.row(who, "leads", renew, refused)
}

pub(crate) fn node_status(cluster: &mut Cluster) -> Result<()> {
    cluster.both("writes NetworkUnavailable", unavailable("n1"), Allowed)?;
    let other = Refused("Node n2: node n1 may write only its own status");
    cluster.both(
        "writes another's NetworkUnavailable",
        unavailable("n2"),
        other,
    )?;
    let path = format!("{NODES}/n1/status");
    let condition = Refused("agents write NetworkUnavailable and no other condition");
    let field = Refused("agents write the condition NetworkUnavailable and no other field");
    let metadata = Refused("metadata: agents do not change");
    let (deletes, owner) = (
        json!({"$patch": "delete", "type": "Ready"}),
        json!([{
            "apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u",
        }]),
    );
    for (patch, is) in [
        (
            json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
            condition,
        ),
        (
            json!({"status": {"conditions": [{"type": "Mine", "status": "True"}]}}),
            condition,
        ),
        (json!({"status": {"conditions": [deletes]}}), condition),
        (
            json!({"status": {"addresses": [{"type": "InternalIP", "address": "10.1.0.2"}]}}),
            field,
        ),
        (json!({"status": {"capacity": {"cpu": "64"}}}), field),
        (json!({"status": {"allocatable": {"cpu": "64"}}}), field),
        (
            json!({"status": {"nodeInfo": {"kernelVersion": "0"}}}),
            field,
        ),
        (
            json!({"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}}),
            field,
        ),
        (
            json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}),
            metadata,
        ),
        (json!({"metadata": {"annotations": {"a": "b"}}}), metadata),
        (
            json!({"metadata": {"finalizers": ["gingham.dev/stay"]}}),
            metadata,
        ),
        (json!({"metadata": {"ownerReferences": owner}}), metadata),
    ] {
        let what = format!("patches its Node's status with {patch}");
        cluster.both(&what, patched(&path, STRATEGIC, patch), is)?;
    }
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let node = format!("{NODES}/n1");
    cluster.both("patches its Node", patched(&node, MERGE, label), NO_RULE)?;
    let gone = Question {
        method: Method::DELETE,
        ..Question::get(node)
    };
    cluster.both("deletes its Node", gone, NO_RULE)
}

pub(crate) fn reading(cluster: &mut Cluster) -> Result<()> {
    for path in [
        format!("{NODES}/n1"),
        format!("{NODES}?labelSelector=node-role.kubernetes.io%2Fcontrol-plane"),
        format!("{BLOCKS}?fieldSelector=spec.zone%3Dz1"),
        path(OTHER),
        format!("{SECRETS}/zone"),
    ] {
        cluster.both(&format!("reads {path}"), Question::get(&*path), Allowed)?;
    }
    for plural in SETTINGS {
        let all = format!("/apis/gingham.dev/v1alpha1/{plural}");
        cluster.both(&format!("reads {plural}"), Question::get(&*all), Allowed)?;
        let one = patched(&format!("{all}/z1"), MERGE, json!({"spec": {}}));
        cluster.both(&format!("writes {plural}"), one.clone(), NO_RULE)?;
        let mut conditions = one;
        conditions.path = format!("{all}/z1/status");
        conditions.body = json!({"status": {"conditions": []}});
        cluster.row(
            Who::Node,
            &format!("conditions of {plural}"),
            conditions.clone(),
            NO_RULE,
        )?;
        if plural == "zonepools" {
            cluster.row(
                Who::Reflector,
                "conditions of zonepools",
                conditions,
                Allowed,
            )?;
        }
    }
    for path in [
        SECRETS.to_owned(),
        format!("{SECRETS}?fieldSelector=metadata.name%3Dzone&watch=true"),
        "/api/v1/namespaces/default/secrets/zone".to_owned(),
        "/api/v1/namespaces/gingham-system/pods".to_owned(),
        "/api/v1/namespaces/gingham-system/configmaps/kube-root-ca.crt".to_owned(),
        format!("{LEASES}/another"),
        EVENTS.to_owned(),
    ] {
        cluster.both(&format!("reads {path}"), Question::get(&*path), NO_RULE)?;
    }
    let own_lease = Question::get(format!("{LEASES}/gingham-conditions"));
    cluster.row(Who::Node, "reads the Lease", own_lease.clone(), NO_RULE)?;
    cluster.row(Who::Reflector, "reads the Lease", own_lease, Allowed)
}

pub(crate) fn reporting(cluster: &mut Cluster) -> Result<()> {
    let named = Refused("must be gingham-agent and n1");
    let said = |controller, instance| post(EVENTS, event("e", controller, instance));
    cluster.both("reports", said("gingham-agent", "n1"), Allowed)?;
    cluster.both(
        "reports as another node",
        said("gingham-agent", "n2"),
        named,
    )?;
    cluster.both("reports as the kubelet", said("kubelet", "n1"), named)?;
    let again = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}});
    let path = |name: &str| format!("{EVENTS}/{name}");
    cluster.both(
        "counts its event",
        patched(&path("n1"), MERGE, again.clone()),
        Allowed,
    )?;
    cluster.both(
        "counts another's event",
        patched(&path("n2"), MERGE, again),
        named,
    )?;
    let rename = json!({"reportingInstance": "n1"});
    let stays = Invalid("field is immutable");
    cluster.both(
        "takes another's event",
        patched(&path("n2"), MERGE, rename),
        stays,
    )?;
    let mut elsewhere = event("e", "gingham-agent", "n1");
    elsewhere["metadata"]["namespace"] = json!("kube-system");
    let there = EVENTS.replace("default", "kube-system");
    cluster.both("reports elsewhere", post(&there, elsewhere), NO_RULE)?;
    let renew = || patched(&format!("{LEASES}/gingham-conditions"), MERGE, leader("n1"));
    cluster.row(Who::Node, "leads", renew(), NO_RULE)?;
    cluster.row(Who::Reflector, "leads", renew(), Allowed)?;
    let other = patched(&format!("{LEASES}/gingham-conditions"), MERGE, leader("n2"));
    let its_own = Refused("spec.holderIdentity n2: must be n1");
    cluster.row(Who::Reflector, "makes another lead", other, its_own)?;
    let mine = || post(LEASES, lease("mine"));
    cluster.row(Who::Node, "makes a Lease", mine(), NO_RULE)?;
    let other = Refused("Lease mine: agents have gingham-conditions and no other");
    cluster.row(Who::Reflector, "makes a Lease", mine(), other)
}

/// The policies are for agents alone.
pub(crate) fn the_operator(cluster: &mut Cluster) -> Result<()> {
    let who = Who::Operator;
    let drain = spec(OTHER, json!({"state": "Draining"}));
    cluster.row(who, "drains a block", drain, Allowed)?;
    cluster.row(who, "deletes a block", delete(OTHER), Allowed)?;
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    cluster.row(
        who,
        "labels a block",
        patched(&path(OWN), MERGE, label),
        Allowed,
    )?;
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let ready = patched(&format!("{NODES}/n1/status"), STRATEGIC, ready);
    cluster.row(who, "writes a Node's conditions", ready, Allowed)
}
