//! Keys of BGP sessions from Secrets, each asked for by its name: agents have no right to list any.

use super::Kubernetes;
use crate::bgp::keys::{KEY, Keys, checked};
use gingham_bgp::config::Password;
use gingham_model::SecretName;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Error};
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest one answer may take.
const DEADLINE: Duration = Duration::from_secs(5);

pub(super) async fn keys(store: Kubernetes, names: BTreeSet<SecretName>) -> Keys {
    let secrets = Api::namespaced(store.client.clone(), &store.namespace);
    let mut all = Vec::new();
    for name in names {
        let place = format!("Secret {}/{name}", store.namespace);
        let key = key(&secrets, &name).await;
        all.push((name, key.map_err(|why| format!("{place}: {why}"))));
    }
    all.into_iter().collect()
}

async fn key(secrets: &Api<Secret>, name: &SecretName) -> Result<Password, String> {
    let answer = tokio::time::timeout(DEADLINE, secrets.get(name.as_str())).await;
    let answer = answer.map_err(|_| format!("no answer within {DEADLINE:?}"))?;
    let secret = answer.map_err(why)?;
    let entry = secret.data.as_ref().and_then(|data| data.get(KEY));
    let entry = entry.ok_or_else(|| format!("has no key {KEY}"))?;
    let text = std::str::from_utf8(&entry.0).map_err(|_| format!("{KEY}: is no UTF-8"))?;
    checked(KEY, text)
}

/// What a reader of the answer says may hold some of it, so that is left out.
fn why(error: Error) -> String {
    match error {
        Error::Api(status) if status.is_not_found() => "is not there".to_owned(),
        Error::Api(status) => status.message.clone(),
        Error::SerdeError(_) => "cannot be read as a Secret".to_owned(),
        error => error.to_string(),
    }
}
