//! Conditions and events.
//!
//! A condition is compared with what is there before it is written, and an event that is there
//! already is counted, so that saying it again does little.

use super::Kubernetes;
use super::client::{refused, within};
use crate::objects::Kind;
use crate::report::{About, Notice, Report, Verdict};
use crate::store::StoreError;
use gingham_model::NodeName;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, ObjectReference};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Who says it.
const AGENT: &str = "gingham-agent";
/// Whose the conditions are; every leader is the same owner.
const CONDITIONS: &str = "gingham-conditions";
/// Where events of objects without a namespace are.
const EVENTS: &str = "default";
/// The most octets of a note (events.k8s.io/v1).
const NOTE: usize = 1024;

pub(super) async fn report(store: Kubernetes, report: Report) -> Result<(), StoreError> {
    let what = match &report {
        Report::Accepted(about, _) => format!("write condition Accepted of {about}"),
        Report::Event(notice) => format!("write event {} of {}", notice.reason, notice.about),
        Report::NetworkAvailable(node) => {
            format!("write condition NetworkUnavailable of Node {node}")
        }
    };
    let written = async {
        match report {
            Report::Accepted(about, verdict) => accepted(&store, &about, &verdict).await,
            Report::Event(notice) => event(&store, notice).await,
            Report::NetworkAvailable(node) => network_available(&store, &node).await,
        }
    };
    let written = async { written.await.map_err(|error| refused(&what, error)) };
    within(&what, written).await
}

/// Writes the condition, unless it is there. An object that is gone has none.
async fn accepted(store: &Kubernetes, about: &About, verdict: &Verdict) -> kube::Result<()> {
    let objects = objects(store, about.kind);
    let Some(object) = objects.get_opt(&about.name).await? else {
        return Ok(());
    };
    let before = condition(&object.data["status"], "Accepted");
    let generation = object.metadata.generation;
    let wanted = json!({
        "type": "Accepted",
        "status": if verdict.reason.is_accepted() { "True" } else { "False" },
        "observedGeneration": generation,
        "reason": verdict.reason.word(),
        "message": verdict.message,
    });
    if let (Some(before), Value::Object(wanted)) = (before, &wanted)
        && wanted
            .iter()
            .all(|(field, value)| before.get(field) == Some(value))
    {
        return Ok(());
    }
    let unchanged = before.filter(|before| before["status"] == wanted["status"]);
    let since = unchanged.map(|before| before["lastTransitionTime"].clone());
    let mut condition = wanted;
    condition["lastTransitionTime"] = since.unwrap_or_else(|| json!(Time(Timestamp::now())));
    let patch = Patch::Apply(json!({
        "apiVersion": about.kind.api_version(),
        "kind": about.kind.to_string(),
        // Another object of the same name was not judged.
        "metadata": {"name": about.name, "uid": object.metadata.uid},
        "status": {"observedGeneration": generation, "conditions": [condition]},
    }));
    let params = PatchParams::apply(CONDITIONS).force();
    match objects.patch_status(&about.name, &params, &patch).await {
        Err(error) if is_not_found(&error) => Ok(()),
        written => written.map(|_| ()),
    }
}

/// Creates the event, or counts it once more where it is.
async fn event(store: &Kubernetes, notice: Notice) -> kube::Result<()> {
    let objects = objects(store, notice.about.kind);
    // What is gone has nothing to be known of.
    let Some(object) = objects.get_metadata_opt(&notice.about.name).await? else {
        return Ok(());
    };
    let uid = object.metadata.uid.unwrap_or_default();
    let events: Api<Event> = Api::namespaced(store.client.clone(), EVENTS);
    let name = event_name(&store.me, &notice, &uid);
    let event = new_event(&store.me, notice, (name.clone(), uid));
    match events.create(&PostParams::default(), &event).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        created => return created.map(|_| ()),
    }
    // Agents may not read events; a patch that changes nothing tells what there is.
    let params = PatchParams {
        field_manager: Some(AGENT.to_owned()),
        ..PatchParams::default()
    };
    let there = events
        .patch(&name, &params, &Patch::Merge(json!({})))
        .await?;
    let count = there
        .series
        .map_or(1, |series| series.count)
        .saturating_add(1);
    let now = MicroTime(Timestamp::now());
    let series = json!({"series": {"count": count, "lastObservedTime": now}});
    let counted = events.patch(&name, &params, &Patch::Merge(series)).await;
    counted.map(|_| ())
}

/// The same for the same notice of the same object, in every run.
fn event_name(me: &NodeName, notice: &Notice, uid: &str) -> String {
    let Notice {
        about,
        reason,
        same,
        ..
    } = notice;
    let identity = format!("{me}\n{about}\n{uid}\n{reason}\n{same}");
    let digest = Sha256::digest(identity.as_bytes());
    let hex: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("gingham-{hex}")
}

fn new_event(me: &NodeName, notice: Notice, (name, uid): (String, String)) -> Event {
    let Notice {
        about,
        reason,
        mut note,
        ..
    } = notice;
    let end = (0..=NOTE.min(note.len()))
        .rev()
        .find(|at| note.is_char_boundary(*at));
    note.truncate(end.unwrap_or_default());
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(EVENTS.to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(Timestamp::now())),
        type_: Some("Warning".to_owned()),
        reason: Some(reason.to_owned()),
        action: Some("Report".to_owned()),
        note: Some(note),
        regarding: Some(ObjectReference {
            api_version: Some(about.kind.api_version().to_owned()),
            kind: Some(about.kind.to_string()),
            name: Some(about.name),
            uid: Some(uid).filter(|uid| !uid.is_empty()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(AGENT.to_owned()),
        reporting_instance: Some(me.to_string()),
        ..Event::default()
    }
}

/// Says that the network of the node works, unless that is said.
async fn network_available(store: &Kubernetes, node: &NodeName) -> kube::Result<()> {
    const TYPE: &str = "NetworkUnavailable";
    let nodes: Api<Node> = Api::all(store.client.clone());
    let there = nodes.get(node.as_str()).await?;
    let conditions = there.status.and_then(|status| status.conditions);
    let mut conditions = conditions.into_iter().flatten();
    if conditions.any(|condition| condition.type_ == TYPE && condition.status == "False") {
        return Ok(());
    }
    let now = Time(Timestamp::now());
    let condition = json!({
        "type": TYPE,
        "status": "False",
        "reason": "GinghamIsReady",
        "message": "the routes of this node are read back",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    });
    let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
    let params = PatchParams {
        field_manager: Some(AGENT.to_owned()),
        ..PatchParams::default()
    };
    let written = nodes.patch_status(node.as_str(), &params, &patch).await;
    tracing::info!(%node, "condition NetworkUnavailable is False");
    written.map(|_| ())
}

fn objects(store: &Kubernetes, kind: Kind) -> Api<DynamicObject> {
    let (group, version) = kind.api_version().rsplit_once('/').unwrap_or(("", "v1"));
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: kind.api_version().to_owned(),
        kind: kind.to_string(),
        plural: kind.plural().to_owned(),
    };
    Api::all_with(store.client.clone(), &resource)
}

fn condition<'a>(status: &'a Value, of: &str) -> Option<&'a Value> {
    let mut conditions = status["conditions"].as_array()?.iter();
    conditions.find(|condition| condition["type"] == of)
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(reason: &'static str, same: &str, note: &str) -> Notice {
        Notice {
            about: About {
                kind: Kind::Node,
                name: "w1".to_owned(),
            },
            reason,
            same: same.to_owned(),
            note: note.to_owned(),
        }
    }

    #[test]
    fn the_same_notice_has_the_same_name_whatever_its_words() {
        let me = "w1".parse().unwrap();
        let name = |notice: &Notice, uid| event_name(&me, notice, uid);
        let first = name(&notice("RouteContested", "10.1.0.0/24", "twice"), "u1");
        let again = notice("RouteContested", "10.1.0.0/24", "three times");
        assert_eq!(name(&again, "u1"), first);
        assert_ne!(name(&again, "u2"), first);
        assert_ne!(
            name(&notice("RouteContested", "10.2.0.0/24", "twice"), "u1"),
            first
        );
        assert_ne!(
            name(&notice("RouteConflict", "10.1.0.0/24", "twice"), "u1"),
            first
        );
        assert_eq!(first.len(), "gingham-".len() + 32);
    }

    #[test]
    fn a_note_is_cut_where_a_letter_ends() {
        let me = "w1".parse().unwrap();
        let long = format!("x{}", "ü".repeat(NOTE));
        let event = new_event(&me, notice("R", "", &long), ("n".to_owned(), String::new()));
        assert_eq!(event.note.unwrap().len(), NOTE - 1);
        let event = new_event(
            &me,
            notice("R", "", "short"),
            ("n".to_owned(), String::new()),
        );
        assert_eq!(event.note.as_deref(), Some("short"));
        assert_eq!(event.regarding.unwrap().uid, None);
    }
}
