//! The Lease of who writes conditions.

use super::Kubernetes;
use crate::store::StoreError;

pub(super) async fn lead(_store: Kubernetes) -> Result<bool, StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}
