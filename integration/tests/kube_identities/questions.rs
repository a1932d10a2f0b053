//! Objects and questions.

use gingham_integration::kubernetes::{NAMESPACE, Question};
use gingham_model::Block;
use http::Method;
use serde_json::{Value, json};

pub(crate) const BLOCKS: &str = "/apis/gingham.dev/v1alpha1/blocks";
pub(crate) const NODES: &str = "/api/v1/nodes";
pub(crate) const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/default/events";
pub(crate) const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/gingham-system/leases";
pub(crate) const SECRETS: &str = "/api/v1/namespaces/gingham-system/secrets";

pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// The blocks that are there: one of n1, and three of n2.
pub(crate) const OWN: &str = "10.64.0.0/26";
pub(crate) const OTHER: &str = "10.64.0.64/26";
pub(crate) const ORPHANED: &str = "10.64.0.128/26";
pub(crate) const POD_CIDR: &str = "10.99.2.0/24";
/// One that nobody has.
pub(crate) const FREE: &str = "10.64.1.0/26";

pub(crate) fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "z1"}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.1.0.1"}],
            "capacity": {"cpu": "2"},
            "allocatable": {"cpu": "2"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

pub(crate) fn block(cidr: &str, owner: &str, pool: &str, state: &str) -> Value {
    json!({
        "apiVersion": "gingham.dev/v1alpha1",
        "kind": "Block",
        "metadata": {"name": name_of(cidr)},
        "spec": {
            "cidr": cidr,
            "pool": pool,
            "zone": "z1",
            "node": owner,
            "nodeUID": format!("uid-of-{owner}"),
            "nodeIPs": ["10.1.0.1", "fd00:1::1"],
            "state": state,
        },
    })
}

pub(crate) fn name_of(cidr: &str) -> String {
    cidr.parse().map(Block::object_name).unwrap_or_default()
}

pub(crate) fn event(name: &str, controller: &str, instance: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": controller,
        "reportingInstance": instance,
        "action": "Claim",
        "reason": "Exhausted",
        "type": "Warning",
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
        "note": "no pool has a free block",
    })
}

pub(crate) fn lease(name: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": NAMESPACE},
    })
}

pub(crate) fn leader(node: &str) -> Value {
    json!({"spec": {"holderIdentity": node, "leaseDurationSeconds": 30}})
}

pub(crate) fn path(cidr: &str) -> String {
    format!("{BLOCKS}/{}", name_of(cidr))
}

pub(crate) fn post(path: &str, body: Value) -> Question {
    Question::with(Method::POST, path, body)
}

pub(crate) fn patched(path: &str, content: &'static str, body: Value) -> Question {
    Question {
        method: Method::PATCH,
        path: path.to_owned(),
        content,
        body,
    }
}

pub(crate) fn put(cidr: &str, owner: &str, version: &str) -> Question {
    let mut body = block(cidr, owner, "z1", "Draining");
    body["metadata"]["resourceVersion"] = version.into();
    Question::with(Method::PUT, path(cidr), body)
}

pub(crate) fn spec(cidr: &str, change: Value) -> Question {
    patched(&path(cidr), MERGE, json!({ "spec": change }))
}

pub(crate) fn status(cidr: &str) -> Question {
    let since = json!({"status": {"orphanedSince": "2026-01-01T00:00:00Z"}});
    patched(&format!("{}/status", path(cidr)), MERGE, since)
}

pub(crate) fn unavailable(node: &str) -> Question {
    let condition = json!({
        "type": "NetworkUnavailable",
        "status": "False",
        "reason": "GinghamIsUp",
        "message": "routes are as planned",
    });
    let patch = json!({"status": {"conditions": [condition]}});
    patched(&format!("{NODES}/{node}/status"), STRATEGIC, patch)
}

pub(crate) fn delete(cidr: &str) -> Question {
    Question {
        method: Method::DELETE,
        ..Question::get(path(cidr))
    }
}

/// Everything is checked, nothing is changed.
pub(crate) fn dry(mut question: Question) -> Question {
    if question.method != Method::GET {
        let mark = if question.path.contains('?') {
            '&'
        } else {
            '?'
        };
        question.path = format!("{}{mark}dryRun=All", question.path);
    }
    question
}
