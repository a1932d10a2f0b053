//! Blocks of other nodes, by a reflector. A version is `uid/resourceVersion`: what the API server
//! takes as a precondition.
//!
//! To orphan a block takes two writes, since its state and the time lie in two resources. The time
//! is written first: so a block that is Orphaned never has the time of an earlier life, and one that
//! has only the time is not Orphaned, which is harmless and begun anew.

use crate::objects::Kind;
use crate::store::custody::{inspected, member as member_of, set_orphaned, set_orphaned_since};
use crate::store::{Inspected, Member, Release, StoreError};
use gingham_model::{Block, NodeName, Prefix};
use kube::api::{ApiResource, DeleteParams, DynamicObject, PostParams, Preconditions};
use kube::core::Status;
use kube::{Api, Client, Error};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// The longest an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a block stays.
const REWRITTEN: &str = "was rewritten at the same time";

/// `None` only if the API server itself says that there is no Node of that name: that something on
/// the way to it knows no such page means nothing.
pub(super) async fn member(client: Client, name: NodeName) -> Result<Option<Member>, StoreError> {
    let what = format!("get Node {name}");
    let got = within(&what, api(client, Kind::Node).get(name.as_str())).await;
    let Some(object) = found(got, (&what, Kind::Node, name.as_str()))? else {
        return Ok(None);
    };
    let member = member_of(&value(&what, &object)?);
    let member = member.map_err(|why| StoreError::Invalid(format!("Node {name}: {why}")))?;
    Ok(Some(member))
}

pub(super) async fn inspect(client: Client, cidr: Prefix) -> Result<Option<Inspected>, StoreError> {
    let object = get(&api(client, Kind::Block), cidr).await?;
    object.map(|object| seen(cidr, &object)).transpose()
}

pub(super) async fn orphan(
    client: Client,
    before: Inspected,
    since: SystemTime,
) -> Result<Release, StoreError> {
    let (blocks, cidr) = (api(client, Kind::Block), before.block.cidr);
    let name = Block::object_name(cidr);
    let Some(object) = get(&blocks, cidr).await? else {
        return Ok(Release::Gone);
    };
    if seen(cidr, &object)?.version != before.version {
        return Ok(Release::Kept(REWRITTEN.to_owned()));
    }
    let what = format!("update status of Block {name}");
    let invalid = |why: String| StoreError::Invalid(format!("{what}: {why}"));
    let mut new = value(&what, &object)?;
    set_orphaned_since(&mut new, since).map_err(invalid)?;
    let new = dynamic(&what, new)?;
    let plain = PostParams::default();
    let written = within(&what, blocks.replace_status(&name, &plain, &new)).await;
    let stamped = match ended(written, (&what, &name))? {
        Ok(stamped) => stamped,
        Err(release) => return Ok(release),
    };
    let what = format!("update Block {name}");
    let mut new = value(&what, &stamped)?;
    set_orphaned(&mut new);
    let new = dynamic(&what, new)?;
    let written = within(&what, blocks.replace(&name, &plain, &new)).await;
    let written = ended(written, (&what, &name))?;
    Ok(written.err().unwrap_or(Release::Done))
}

pub(super) async fn free(client: Client, before: Inspected) -> Result<Release, StoreError> {
    let (blocks, name) = (
        api(client, Kind::Block),
        Block::object_name(before.block.cidr),
    );
    let what = format!("delete Block {name}");
    let Some((uid, version)) = before.version.split_once('/') else {
        let version = before.version;
        return Err(StoreError::Invalid(format!("{what}: version {version:?}")));
    };
    let only_this = DeleteParams {
        preconditions: Some(Preconditions {
            resource_version: Some(version.to_owned()),
            uid: Some(uid.to_owned()),
        }),
        ..DeleteParams::default()
    };
    let deleted = within(&what, blocks.delete(&name, &only_this)).await;
    let deleted = ended(deleted, (&what, &name))?;
    Ok(deleted.err().unwrap_or(Release::Done))
}

fn api(client: Client, kind: Kind) -> Api<DynamicObject> {
    let api_version = kind.api_version();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: api_version.to_owned(),
        kind: kind.to_string(),
        plural: kind.plural().to_owned(),
    };
    Api::all_with(client, &resource)
}

async fn get(
    blocks: &Api<DynamicObject>,
    cidr: Prefix,
) -> Result<Option<DynamicObject>, StoreError> {
    let name = Block::object_name(cidr);
    let what = format!("get Block {name}");
    let got = within(&what, blocks.get(&name)).await;
    found(got, (&what, Kind::Block, &name))
}

fn seen(cidr: Prefix, object: &DynamicObject) -> Result<Inspected, StoreError> {
    let what = format!("get Block {}", Block::object_name(cidr));
    let invalid = |why: String| StoreError::Invalid(format!("{what}: {why}"));
    let metadata = &object.metadata;
    let (Some(uid), Some(version)) = (&metadata.uid, &metadata.resource_version) else {
        return Err(invalid("has no uid or no resourceVersion".to_owned()));
    };
    inspected(&value(&what, object)?, format!("{uid}/{version}")).map_err(invalid)
}

fn value(what: &str, object: &DynamicObject) -> Result<Value, StoreError> {
    serde_json::to_value(object).map_err(|why| StoreError::Invalid(format!("{what}: {why}")))
}

fn dynamic(what: &str, value: Value) -> Result<DynamicObject, StoreError> {
    serde_json::from_value(value).map_err(|why| StoreError::Invalid(format!("{what}: {why}")))
}

/// Law 13: nothing waits for ever.
async fn within<T>(
    what: &str,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<Result<T, Error>, StoreError> {
    let answer = tokio::time::timeout(DEADLINE, asked).await;
    answer.map_err(|_| StoreError::Timeout {
        what: what.to_owned(),
        limit: DEADLINE,
    })
}

/// The object, or that the API server knows none of that name.
fn found<T>(
    got: Result<Result<T, Error>, StoreError>,
    (what, kind, name): (&str, Kind, &str),
) -> Result<Option<T>, StoreError> {
    match got? {
        Ok(object) => Ok(Some(object)),
        Err(Error::Api(status)) if names(&status, kind, name) => Ok(None),
        Err(error) => Err(failed(what, error)),
    }
}

/// How a write ended that others may have been faster than.
fn ended<T>(
    written: Result<Result<T, Error>, StoreError>,
    (what, name): (&str, &str),
) -> Result<Result<T, Release>, StoreError> {
    match written? {
        Ok(written) => Ok(Ok(written)),
        Err(Error::Api(status)) if names(&status, Kind::Block, name) => Ok(Err(Release::Gone)),
        Err(Error::Api(status)) if status.is_conflict() => {
            Ok(Err(Release::Kept(REWRITTEN.to_owned())))
        }
        Err(error) => Err(failed(what, error)),
    }
}

/// Whether the API server says that it has no such object.
pub(super) fn names(status: &Status, kind: Kind, name: &str) -> bool {
    let details = status.details.as_ref();
    status.is_not_found()
        && details.is_some_and(|details| details.name == name && details.kind == kind.plural())
}

fn failed(what: &str, error: Error) -> StoreError {
    StoreError::Api {
        what: what.to_owned(),
        source: Box::new(error),
    }
}
