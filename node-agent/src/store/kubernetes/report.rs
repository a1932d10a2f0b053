//! Conditions and events.

use super::Kubernetes;
use crate::report::Report;
use crate::store::StoreError;

pub(super) async fn report(_store: Kubernetes, _report: Report) -> Result<(), StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}
