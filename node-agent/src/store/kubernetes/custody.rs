//! Blocks of other nodes, by a reflector.

use crate::store::{Inspected, Member, Release, StoreError};
use gingham_model::{NodeName, Prefix};
use kube::Client;
use std::time::SystemTime;

pub(super) async fn member(_client: Client, _name: NodeName) -> Result<Option<Member>, StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}

pub(super) async fn inspect(
    _client: Client,
    _cidr: Prefix,
) -> Result<Option<Inspected>, StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}

pub(super) async fn orphan(
    _client: Client,
    _seen: Inspected,
    _since: SystemTime,
) -> Result<Release, StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}

pub(super) async fn free(_client: Client, _seen: Inspected) -> Result<Release, StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}
