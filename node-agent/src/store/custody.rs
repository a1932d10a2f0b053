//! What custody of blocks reads of objects and writes into them: their JSON, the same for every
//! store.

use super::{Inspected, Member};
use crate::manifest;
use crate::objects::Object;
use gingham_model::BlockState;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::SystemTime;

#[derive(Deserialize)]
struct NodeObject {
    metadata: Metadata,
    #[serde(default)]
    spec: NodeSpec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    uid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    #[serde(rename = "podCIDRs")]
    pod_cidrs: Vec<String>,
}

/// The Node `value` is.
pub(super) fn member(value: &Value) -> Result<Member, String> {
    let NodeObject { metadata, spec } =
        NodeObject::deserialize(value).map_err(|error| error.to_string())?;
    if metadata.uid.is_empty() {
        return Err("metadata.uid: must not be empty".to_owned());
    }
    let (name, cidrs) = (metadata.name.parse(), spec.pod_cidrs.iter());
    Ok(Member {
        name: name.map_err(|error| format!("metadata.name: {error}"))?,
        uid: metadata.uid,
        // What is no prefix is no block either.
        pod_cidrs: cidrs.filter_map(|cidr| cidr.parse().ok()).collect(),
    })
}

/// The Block `value` is, of this version.
pub(super) fn inspected(value: &Value, version: String) -> Result<Inspected, String> {
    let parsed = manifest::of_value(value).map_err(|(object, why)| format!("{object}: {why}"))?;
    let Object::Block(block) = parsed.object else {
        return Err("is no Block".to_owned());
    };
    Ok(Inspected {
        block,
        orphaned_since: orphaned_since(value),
        version,
    })
}

/// What is no time is as good as none: the time starts anew.
fn orphaned_since(value: &Value) -> Option<SystemTime> {
    let text = value.get("status")?.get("orphanedSince")?.as_str()?;
    let time: Timestamp = text.parse().ok()?;
    Some(time.into())
}

/// Sets the time, in whole seconds as the API server writes times.
pub(super) fn set_orphaned_since(value: &mut Value, since: SystemTime) -> Result<(), String> {
    let seconds = since.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = seconds.map_or(0, |since| since.as_secs());
    let seconds = i64::try_from(seconds).map_err(|error| error.to_string())?;
    let time = Timestamp::from_second(seconds).map_err(|error| error.to_string())?;
    let since = json!({"status": {"orphanedSince": time.to_string()}});
    manifest::merge(value, since);
    Ok(())
}

/// Sets the state.
pub(super) fn set_orphaned(value: &mut Value) {
    manifest::merge(value, json!({"spec": {"state": BlockState::Orphaned}}));
}
