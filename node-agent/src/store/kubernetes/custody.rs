//! Blocks of other nodes, by a reflector. A version is `uid/resourceVersion`: what the API server
//! takes as a precondition.
//!
//! To orphan a block takes two writes, since its state and the time lie in two resources. The time
//! is written first: so a block that is Orphaned never has the time of an earlier life, and one that
//! has only the time is not Orphaned, which is harmless and begun anew.

use super::blocks::{delete, written};
use super::client::{api, is_missing, refused, within};
use crate::objects::Kind;
use crate::store::custody::{inspected, member as member_of, set_orphaned, set_orphaned_since};
use crate::store::{Inspected, Member, Release, StoreError};
use gingham_model::{Block, NodeName, Prefix};
use kube::api::{DynamicObject, PostParams, Preconditions};
use kube::{Client, Error};
use serde_json::{Value, json};
use std::time::SystemTime;

pub(super) async fn member(client: Client, name: NodeName) -> Result<Option<Member>, StoreError> {
    let what = format!("get Node {name}");
    let got = within(&what, get(&what, client, (Kind::Node, name.as_str()))).await?;
    let member = got.map(|object| member_of(&json!(object))).transpose();
    member.map_err(|why| StoreError::Invalid(format!("Node {name}: {why}")))
}

pub(super) async fn inspect(client: Client, cidr: Prefix) -> Result<Option<Inspected>, StoreError> {
    let name = Block::object_name(cidr);
    let what = format!("get Block {name}");
    let got = within(&what, get(&what, client, (Kind::Block, &name))).await?;
    got.map(|object| seen(&what, &object)).transpose()
}

pub(super) async fn orphan(
    client: Client,
    before: Inspected,
    since: SystemTime,
) -> Result<Release, StoreError> {
    let what = format!("orphan Block {}", Block::object_name(before.block.cidr));
    within(&what, orphan_now(&what, client, (&before, since))).await
}

async fn orphan_now(
    what: &str,
    client: Client,
    (before, since): (&Inspected, SystemTime),
) -> Result<Release, StoreError> {
    let name = Block::object_name(before.block.cidr);
    let Some(object) = get(what, client.clone(), (Kind::Block, &name)).await? else {
        return Ok(Release::Gone);
    };
    if seen(what, &object)?.version != before.version {
        return Ok(Release::rewritten());
    }
    let (blocks, plain) = (api(client, Kind::Block), PostParams::default());
    let mut new = json!(object);
    let invalid = |why: String| StoreError::Invalid(format!("{what}: {why}"));
    set_orphaned_since(&mut new, since).map_err(invalid)?;
    let new = dynamic(what, new)?;
    let stamped = blocks.replace_status(&name, &plain, &new).await;
    let stamped = match written(what, &name, stamped)? {
        Ok(stamped) => stamped,
        Err(release) => return Ok(release),
    };
    let mut new = json!(stamped);
    set_orphaned(&mut new);
    let marked = blocks.replace(&name, &plain, &dynamic(what, new)?).await;
    let marked = written(what, &name, marked)?;
    Ok(marked.err().unwrap_or(Release::Done))
}

pub(super) async fn free(client: Client, before: Inspected) -> Result<Release, StoreError> {
    let name = Block::object_name(before.block.cidr);
    let what = format!("delete Block {name}");
    let Some((uid, version)) = before.version.split_once('/') else {
        let version = before.version;
        return Err(StoreError::Invalid(format!("{what}: version {version:?}")));
    };
    let only_this = Preconditions {
        resource_version: Some(version.to_owned()),
        uid: Some(uid.to_owned()),
    };
    let blocks = api(client, Kind::Block);
    within(&what, delete(&what, &blocks, (&name, only_this))).await
}

/// The object, or that the API server knows none of that name.
async fn get(
    what: &str,
    client: Client,
    (kind, name): (Kind, &str),
) -> Result<Option<DynamicObject>, StoreError> {
    match api(client, kind).get(name).await {
        Ok(object) => Ok(Some(object)),
        Err(Error::Api(status)) if is_missing(&status, kind, name) => Ok(None),
        Err(error) => Err(refused(what, error)),
    }
}

fn seen(what: &str, object: &DynamicObject) -> Result<Inspected, StoreError> {
    let invalid = |why: String| StoreError::Invalid(format!("{what}: {why}"));
    let metadata = &object.metadata;
    let (Some(uid), Some(version)) = (&metadata.uid, &metadata.resource_version) else {
        return Err(invalid("has no uid or no resourceVersion".to_owned()));
    };
    inspected(&json!(object), format!("{uid}/{version}")).map_err(invalid)
}

fn dynamic(what: &str, value: Value) -> Result<DynamicObject, StoreError> {
    serde_json::from_value(value).map_err(|why| StoreError::Invalid(format!("{what}: {why}")))
}
