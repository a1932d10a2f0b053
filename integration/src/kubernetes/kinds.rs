//! The kinds the harness knows, and the paths of their objects.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Kind, API version, plural, and whether its objects are in namespaces.
const KINDS: [(&str, &str, &str, Scope); 24] = [
    ("Block", "gingham.dev/v1alpha1", "blocks", Scope::Cluster),
    (
        "BGPPeer",
        "gingham.dev/v1alpha1",
        "bgppeers",
        Scope::Cluster,
    ),
    (
        "RouteFilter",
        "gingham.dev/v1alpha1",
        "routefilters",
        Scope::Cluster,
    ),
    (
        "RoutingConfig",
        "gingham.dev/v1alpha1",
        "routingconfigs",
        Scope::Cluster,
    ),
    (
        "ZonePool",
        "gingham.dev/v1alpha1",
        "zonepools",
        Scope::Cluster,
    ),
    ("Node", "v1", "nodes", Scope::Cluster),
    ("Namespace", "v1", "namespaces", Scope::Cluster),
    ("ConfigMap", "v1", "configmaps", Scope::Namespace),
    ("Event", "v1", "events", Scope::Namespace),
    ("Pod", "v1", "pods", Scope::Namespace),
    ("Secret", "v1", "secrets", Scope::Namespace),
    ("Service", "v1", "services", Scope::Namespace),
    ("ServiceAccount", "v1", "serviceaccounts", Scope::Namespace),
    ("DaemonSet", "apps/v1", "daemonsets", Scope::Namespace),
    (
        "Lease",
        "coordination.k8s.io/v1",
        "leases",
        Scope::Namespace,
    ),
    ("ClusterRole", RBAC, "clusterroles", Scope::Cluster),
    (
        "ClusterRoleBinding",
        RBAC,
        "clusterrolebindings",
        Scope::Cluster,
    ),
    ("Role", RBAC, "roles", Scope::Namespace),
    ("RoleBinding", RBAC, "rolebindings", Scope::Namespace),
    (
        "CustomResourceDefinition",
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        Scope::Cluster,
    ),
    (
        "ValidatingAdmissionPolicy",
        ADMISSION,
        "validatingadmissionpolicies",
        Scope::Cluster,
    ),
    (
        "ValidatingAdmissionPolicyBinding",
        ADMISSION,
        "validatingadmissionpolicybindings",
        Scope::Cluster,
    ),
    (
        "MutatingAdmissionPolicy",
        ADMISSION,
        "mutatingadmissionpolicies",
        Scope::Cluster,
    ),
    (
        "PriorityClass",
        "scheduling.k8s.io/v1",
        "priorityclasses",
        Scope::Cluster,
    ),
];
const RBAC: &str = "rbac.authorization.k8s.io/v1";
const ADMISSION: &str = "admissionregistration.k8s.io/v1";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Cluster,
    Namespace,
}

/// The path of an object by kind and name, `NAMESPACE/NAME` in a namespace.
pub(super) fn path(kind: &str, name: &str) -> Result<String> {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let (_, _, _, scope) = find(kind)?;
    if (*scope == Scope::Namespace) == namespace.is_empty() {
        bail!("{kind} {name}: give NAMESPACE/NAME for what is in namespaces, and NAME else");
    }
    Ok(format!("{}/{name}", collection(kind, namespace)?))
}

/// The path of the objects of a kind: of this namespace, or of all if it is empty.
pub(super) fn collection(kind: &str, namespace: &str) -> Result<String> {
    let (_, version, plural, _) = find(kind)?;
    let root = match version.contains('/') {
        true => "/apis",
        false => "/api",
    };
    Ok(match namespace {
        "" => format!("{root}/{version}/{plural}"),
        namespace => format!("{root}/{version}/namespaces/{namespace}/{plural}"),
    })
}

/// The path of an object that is at hand.
pub(super) fn path_of(object: &Value) -> Result<String> {
    let name = text(&object["metadata"]["name"], "metadata.name")?;
    Ok(format!("{}/{name}", collection_of(object)?))
}

/// The path of the objects among which this one is.
pub(super) fn collection_of(object: &Value) -> Result<String> {
    let kind = text(&object["kind"], "kind")?;
    let (_, version, _, scope) = find(kind)?;
    if object["apiVersion"] != *version {
        bail!("{}: the harness knows {kind} of {version}", title(object));
    }
    match scope {
        Scope::Cluster => collection(kind, ""),
        Scope::Namespace => {
            let namespace = text(&object["metadata"]["namespace"], "metadata.namespace");
            collection(kind, namespace.with_context(|| title(object))?)
        }
    }
}

/// What the object is called in messages.
pub(super) fn title(object: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let (kind, name) = (word(&object["kind"]), word(&object["metadata"]["name"]));
    format!("{kind} {name}")
}

fn find(kind: &str) -> Result<&'static (&'static str, &'static str, &'static str, Scope)> {
    let found = KINDS.iter().find(|(known, ..)| *known == kind);
    found.with_context(|| format!("the harness knows no kind {kind:?}"))
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value
        .as_str()
        .with_context(|| format!("{field}: {value} is no string"))
}
