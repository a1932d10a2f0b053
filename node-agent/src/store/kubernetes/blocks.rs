//! Blocks of this node: claimed by creation, rewritten, given back.

use crate::store::{Claim, Release, StoreError};
use gingham_model::Block;
use kube::Client;

pub(super) async fn claim(_client: Client, _block: Block) -> Result<Claim, StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}

pub(super) async fn update(_client: Client, _block: Block) -> Result<(), StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}

pub(super) async fn release(_client: Client, _block: Block) -> Result<Release, StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}
