//! Lists and watches.

use super::Kubernetes;
use crate::store::{Event, MemberEvent, StoreError};
use tokio::sync::mpsc;

pub(super) async fn watch(
    _store: Kubernetes,
    _events: mpsc::Sender<Vec<Event>>,
) -> Result<(), StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}

/// Tells the metadata of the Nodes with these labels.
pub(super) async fn members(
    _store: Kubernetes,
    _labels: String,
    _events: mpsc::Sender<Vec<MemberEvent>>,
) -> Result<(), StoreError> {
    Err(StoreError::Invalid("not there yet".to_owned()))
}
