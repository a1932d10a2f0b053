//! The way to the API server: where it is, who we are there, and a connection that is known to be
//! dead when it is.
//!
//! Token, certificates and kubeconfig rotate on disk: [`rotating`] looks at them and goes on with
//! what they say now. Nothing here retries: who asks knows whether asking again is right.

mod access;
mod rotating;

pub use access::{Access, AccessError};

use super::super::StoreError;
use crate::objects::Kind;
use kube::core::{ApiResource, DynamicObject, Status};
use kube::{Api, Client};
use std::error::Error;
use std::time::Duration;

/// The longest one request other than a watch may take, its answer included.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// The error of an operation the API server refused, or never heard of.
pub(super) fn refused(what: &str, source: kube::Error) -> StoreError {
    StoreError::Api {
        what: what.to_owned(),
        source: Box::new(source),
    }
}

/// The objects of a kind.
pub(super) fn api(client: Client, kind: Kind) -> Api<DynamicObject> {
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

/// Whether the API server itself says that it has no such object: that something on the way to it
/// knows no such page means nothing.
pub(super) fn is_missing(status: &Status, kind: Kind, name: &str) -> bool {
    let details = status.details.as_ref();
    status.is_not_found()
        && details.is_some_and(|details| details.name == name && details.kind == kind.plural())
}

/// The whole of an operation has one deadline, however many requests it takes.
pub(super) async fn within<T>(
    what: &str,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let done = tokio::time::timeout(DEADLINE, operation).await;
    done.map_err(|_| StoreError::Timeout {
        what: what.to_owned(),
        limit: DEADLINE,
    })?
}

/// What an API server said, or why it said nothing, in one line.
pub(in crate::store) fn plain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} {}", status.code, status.message),
        kube::Error::Service(error) => in_full(&**error),
        error => in_full(error),
    }
}

/// An error and what it came from, each said once.
pub(super) fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
