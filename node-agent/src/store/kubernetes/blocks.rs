//! Blocks of this node: claimed by creation, rewritten, given back.
//!
//! The API server lets one name be created once: that is the claim. Whoever's answer was lost asks
//! again, is told that the name exists, and finds his own block under it.

use super::client::{api, is_missing, refused, within};
use crate::manifest;
use crate::objects::{Kind, Object};
use crate::store::directory::kept;
use crate::store::{Claim, Release, StoreError};
use gingham_model::Block;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use kube::core::{DynamicObject, ObjectMeta, TypeMeta};
use kube::{Client, Error};
use serde_json::{Value, json};

/// How often somebody else may be faster with the same object.
const ATTEMPTS: usize = 4;

/// The Block an object is.
pub(super) fn block(object: &DynamicObject) -> Result<Block, StoreError> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let invalid = |why: String| StoreError::Invalid(format!("Block {name}: {why}"));
    let parsed = manifest::of_value(&json!(object));
    match parsed.map_err(|(_, why)| invalid(why.to_string()))?.object {
        Object::Block(block) => Ok(block),
        _ => Err(invalid("is no Block".into())),
    }
}

pub(super) async fn claim(client: Client, block: Block) -> Result<Claim, StoreError> {
    let what = format!("claim Block {}", Block::object_name(block.cidr));
    within(&what, claim_now(&what, api(client, Kind::Block), &block)).await
}

async fn claim_now(
    what: &str,
    api: Api<DynamicObject>,
    wanted: &Block,
) -> Result<Claim, StoreError> {
    let name = Block::object_name(wanted.cidr);
    let mut object = DynamicObject {
        types: Some(TypeMeta {
            api_version: Kind::Block.api_version().to_owned(),
            kind: Kind::Block.to_string(),
        }),
        metadata: ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
        data: json!({}),
    };
    write_spec(&mut object, wanted);
    for _ in 0..ATTEMPTS {
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => return Ok(Claim::Ours),
            Err(Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(refused(what, error)),
        }
        // It may be gone again; then it can be had.
        let there = api.get_opt(&name).await;
        if let Some(there) = there.map_err(|error| refused(what, error))? {
            let there = block(&there)?;
            let ours = there.node == wanted.node && there.node_uid == wanted.node_uid;
            return Ok(if ours {
                Claim::Ours
            } else {
                Claim::Taken(there)
            });
        }
    }
    let comes_and_goes = "is created and deleted all the time";
    Err(StoreError::Invalid(format!(
        "Block {name}: {comes_and_goes}"
    )))
}

pub(super) async fn update(client: Client, block: Block) -> Result<(), StoreError> {
    let what = format!("update Block {}", Block::object_name(block.cidr));
    within(&what, update_now(&what, api(client, Kind::Block), &block)).await
}

async fn update_now(what: &str, api: Api<DynamicObject>, wanted: &Block) -> Result<(), StoreError> {
    let name = Block::object_name(wanted.cidr);
    let mut attempt = 1;
    loop {
        let mut object = api.get(&name).await.map_err(|error| refused(what, error))?;
        let there = block(&object)?;
        if there.node != wanted.node {
            let node = there.node.to_string();
            return Err(StoreError::Lost { name, node });
        }
        write_spec(&mut object, wanted);
        // The version that was read goes with it: what came in between is not undone.
        match api.replace(&name, &PostParams::default(), &object).await {
            Ok(_) => return Ok(()),
            Err(Error::Api(status)) if status.is_conflict() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(refused(what, error)),
        }
    }
}

pub(super) async fn release(client: Client, block: Block) -> Result<Release, StoreError> {
    let what = format!("release Block {}", Block::object_name(block.cidr));
    within(&what, release_now(&what, api(client, Kind::Block), &block)).await
}

async fn release_now(
    what: &str,
    api: Api<DynamicObject>,
    wanted: &Block,
) -> Result<Release, StoreError> {
    let name = Block::object_name(wanted.cidr);
    let there = match api.get(&name).await {
        Err(Error::Api(status)) if is_missing(&status, Kind::Block, &name) => {
            return Ok(Release::Gone);
        }
        there => there.map_err(|error| refused(what, error))?,
    };
    if let Some(why) = kept(&block(&there)?, wanted) {
        return Ok(Release::Kept(why));
    }
    let seen_as = Preconditions {
        resource_version: there.metadata.resource_version,
        uid: there.metadata.uid,
    };
    delete(what, &api, (&name, seen_as)).await
}

/// Deletes a Block, if it still is as it was read.
pub(super) async fn delete(
    what: &str,
    api: &Api<DynamicObject>,
    (name, seen_as): (&str, Preconditions),
) -> Result<Release, StoreError> {
    let only_this = DeleteParams::default().preconditions(seen_as);
    let deleted = written(what, name, api.delete(name, &only_this).await)?;
    Ok(deleted.err().unwrap_or(Release::Done))
}

/// What was written to a Block, or why it was not, where somebody else was faster.
pub(super) fn written<T>(
    what: &str,
    name: &str,
    answer: Result<T, Error>,
) -> Result<Result<T, Release>, StoreError> {
    match answer {
        Ok(written) => Ok(Ok(written)),
        Err(Error::Api(status)) if is_missing(&status, Kind::Block, name) => Ok(Err(Release::Gone)),
        Err(Error::Api(status)) if status.is_conflict() => Ok(Err(Release::rewritten())),
        Err(error) => Err(refused(what, error)),
    }
}

/// Puts the `spec` of a block into its object. What this version does not know stays.
fn write_spec(object: &mut DynamicObject, block: &Block) {
    let (Value::Object(fields), Some(data)) = (json!(block), object.data.as_object_mut()) else {
        return;
    };
    let spec = data.entry("spec").or_insert_with(|| json!({}));
    if let Some(spec) = spec.as_object_mut() {
        spec.extend(fields);
    }
}
