//! The Lease of who writes conditions.
//!
//! A holder renews it long before its time is up. Nobody compares clocks: a Lease has run out for
//! whoever has seen it unchanged for as long as it lasts. Of two that take it at once the API server
//! refuses the later, since both say which version they have seen.

use super::Kubernetes;
use super::client::{refused, within};
use crate::store::StoreError;
use gingham_model::NodeName;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Its name.
const NAME: &str = "gingham-conditions";
/// How long it lasts unless it is renewed.
const LASTS: Duration = Duration::from_secs(60);

/// The version of the Lease that was last seen, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Sighted(Arc<Mutex<Option<(String, Instant)>>>);

impl Sighted {
    /// For how long this version has been seen.
    fn unchanged(&self, version: &str, now: Instant) -> Duration {
        // Two values have no broken state a panic could leave behind.
        let mut sighted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*sighted {
            Some((seen, since)) if seen == version => now.duration_since(*since),
            _ => {
                *sighted = Some((version.to_owned(), now));
                Duration::ZERO
            }
        }
    }
}

pub(super) async fn lead(store: Kubernetes) -> Result<bool, StoreError> {
    let what = format!("hold Lease {}/{NAME}", store.namespace);
    let asked = async {
        match ask(&store).await {
            // Somebody else was faster.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Ok(false)
            }
            answer => answer.map_err(|error| refused(&what, error)),
        }
    };
    within(&what, asked).await
}

async fn ask(store: &Kubernetes) -> kube::Result<bool> {
    let leases: Api<Lease> = Api::namespaced(store.client.clone(), &store.namespace);
    let now = MicroTime(Timestamp::now());
    let Some(mut lease) = leases.get_opt(NAME).await? else {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(held(&LeaseSpec::default(), &store.me, now)),
        };
        leases.create(&PostParams::default(), &lease).await?;
        return Ok(true);
    };
    let version = lease.metadata.resource_version.clone().unwrap_or_default();
    let unchanged = store.lease.unchanged(&version, Instant::now());
    let spec = lease.spec.take().unwrap_or_default();
    if !may_hold(&spec, &store.me, unchanged) {
        return Ok(false);
    }
    lease.spec = Some(held(&spec, &store.me, now));
    leases.replace(NAME, &PostParams::default(), &lease).await?;
    Ok(true)
}

/// Whether `me` may write itself into the Lease that has not changed for so long.
fn may_hold(spec: &LeaseSpec, me: &NodeName, unchanged: Duration) -> bool {
    match spec.holder_identity.as_deref() {
        None | Some("") => true,
        Some(holder) if holder == me.as_str() => true,
        Some(_) => unchanged > lasts(spec),
    }
}

fn lasts(spec: &LeaseSpec) -> Duration {
    let seconds = spec
        .lease_duration_seconds
        .and_then(|s| u64::try_from(s).ok());
    seconds.map_or(LASTS, Duration::from_secs)
}

/// The Lease in the hands of `me`.
fn held(before: &LeaseSpec, me: &NodeName, now: MicroTime) -> LeaseSpec {
    let holder = before.holder_identity.as_deref();
    let stays = holder == Some(me.as_str());
    let transitions = before.lease_transitions.unwrap_or_default();
    let is_taken_over = !stays && holder.is_some_and(|holder| !holder.is_empty());
    LeaseSpec {
        holder_identity: Some(me.to_string()),
        lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
        acquire_time: before
            .acquire_time
            .clone()
            .filter(|_| stays)
            .or(Some(now.clone())),
        renew_time: Some(now),
        lease_transitions: Some(transitions.saturating_add(i32::from(is_taken_over))),
        ..before.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> NodeName {
        "m1".parse().unwrap()
    }

    fn of(holder: Option<&str>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(60),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn another_holders_lease_is_taken_when_it_was_seen_unchanged_for_as_long_as_it_lasts() {
        let second = Duration::from_secs(1);
        for (holder, unchanged, may) in [
            (None, Duration::ZERO, true),
            (Some(""), Duration::ZERO, true),
            (Some("m1"), Duration::ZERO, true),
            (Some("m2"), LASTS, false),
            (Some("m2"), LASTS + second, true),
        ] {
            assert_eq!(
                may_hold(&of(holder), &me(), unchanged),
                may,
                "{holder:?} {unchanged:?}"
            );
        }
    }

    #[test]
    fn a_lease_is_sighted_anew_with_every_version() {
        let (sighted, now) = (Sighted::default(), Instant::now());
        assert_eq!(sighted.unchanged("7", now), Duration::ZERO);
        assert_eq!(sighted.unchanged("7", now + LASTS), LASTS);
        assert_eq!(sighted.unchanged("8", now + LASTS), Duration::ZERO);
        assert_eq!(sighted.unchanged("8", now + LASTS * 3), LASTS * 2);
    }

    #[test]
    fn a_lease_that_is_renewed_keeps_since_when_it_is_held() {
        let (first, later) = (MicroTime(Timestamp::UNIX_EPOCH), MicroTime(Timestamp::MAX));
        let mine = held(&of(Some("m2")), &me(), first.clone());
        assert_eq!(mine.lease_transitions, Some(1));
        let renewed = held(&mine, &me(), later.clone());
        assert_eq!(renewed.lease_transitions, Some(1));
        assert_eq!(
            (renewed.acquire_time, renewed.renew_time),
            (Some(first), Some(later))
        );
        assert_eq!(
            held(&of(None), &me(), MicroTime(Timestamp::MAX)).lease_transitions,
            Some(0)
        );
    }
}
