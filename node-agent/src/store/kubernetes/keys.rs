//! Keys of BGP sessions from Secrets.

use super::Kubernetes;
use crate::bgp::keys::Keys;
use gingham_model::SecretName;
use std::collections::BTreeSet;

pub(super) async fn keys(_store: Kubernetes, _names: BTreeSet<SecretName>) -> Keys {
    Keys::default()
}
