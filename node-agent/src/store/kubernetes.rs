//! The store of a Kubernetes cluster: its API server.

mod blocks;
mod client;
mod custody;
mod keys;
mod lease;
mod report;
pub mod watching;

pub(super) use client::plain;
pub use client::{Access, AccessError};

use super::{Claim, Event, Inspected, Member, MemberEvent, Release, Store, StoreError};
use crate::bgp::keys::Keys;
use crate::report::Report;
use gingham_model::{Block, NodeName, Prefix, SecretName, Zone};
use kube::Client;
use std::collections::BTreeSet;
use std::future::Future;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};

/// The objects of an API server, as one node needs them.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    me: NodeName,
    /// Where Secrets and Leases are.
    namespace: String,
    place: watch::Sender<Option<Place>>,
    lease: lease::Sighted,
}

/// Where this node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    zone: Zone,
    /// The key of the label that says a node's zone.
    label: String,
}

impl Kubernetes {
    /// The store `access` leads to, as node `me` needs it. Nothing is asked yet.
    ///
    /// # Errors
    /// Where there is no way to an API server.
    pub fn open(access: &Access, me: &NodeName) -> Result<Self, AccessError> {
        Ok(Self::new(access.client()?, me, &access.namespace()))
    }

    /// The store `client` reaches, as node `me` needs it. Nothing is asked yet.
    pub fn new(client: Client, me: &NodeName, namespace: &str) -> Self {
        Kubernetes {
            client,
            me: me.clone(),
            namespace: namespace.to_owned(),
            place: watch::Sender::new(None),
            lease: lease::Sighted::default(),
        }
    }
}

impl Store for Kubernetes {
    const KEYS: Duration = Duration::from_secs(300);

    fn watch(
        &self,
        events: mpsc::Sender<Vec<Event>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        watching::watch(self.clone(), events)
    }

    fn claim(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send + 'static {
        blocks::claim(self.client.clone(), block.clone())
    }

    fn update(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        blocks::update(self.client.clone(), block.clone())
    }

    fn release(
        &self,
        block: &Block,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        blocks::release(self.client.clone(), block.clone())
    }

    fn select(&self, zone: Option<&Zone>, label: &str) {
        let place = zone.map(|zone| Place {
            zone: zone.clone(),
            label: label.to_owned(),
        });
        self.place.send_if_modified(|selected| {
            let changed = *selected != place;
            *selected = place;
            changed
        });
    }

    fn members(
        &self,
        zone: &Zone,
        label: &str,
        events: mpsc::Sender<Vec<MemberEvent>>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        watching::members(self.clone(), format!("{label}={zone}"), events)
    }

    fn member(
        &self,
        name: &NodeName,
    ) -> impl Future<Output = Result<Option<Member>, StoreError>> + Send + 'static {
        custody::member(self.client.clone(), name.clone())
    }

    fn inspect(
        &self,
        cidr: Prefix,
    ) -> impl Future<Output = Result<Option<Inspected>, StoreError>> + Send + 'static {
        custody::inspect(self.client.clone(), cidr)
    }

    fn orphan(
        &self,
        seen: &Inspected,
        since: SystemTime,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        custody::orphan(self.client.clone(), seen.clone(), since)
    }

    fn free(
        &self,
        seen: &Inspected,
    ) -> impl Future<Output = Result<Release, StoreError>> + Send + 'static {
        custody::free(self.client.clone(), seen.clone())
    }

    fn keys(&self, names: &BTreeSet<SecretName>) -> impl Future<Output = Keys> + Send + 'static {
        keys::keys(self.clone(), names.clone())
    }

    fn report(
        &self,
        report: &Report,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        report::report(self.clone(), report.clone())
    }

    fn lead(&self) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        lease::lead(self.clone())
    }
}
