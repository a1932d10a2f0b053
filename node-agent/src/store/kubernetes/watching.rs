//! Lists and watches: what the API server holds, as events of the store.
//!
//! ```text
//!   Place (zone, label) ──selectors──► union of listings ──Ask──► wire ──► API server
//!                                              ▲                    │
//!        Event ◄── events ◄── Change, Verdict ─┘◄──────Heard────────┘
//! ```
//!
//! Every selection is a stream of its own; no list is repeated while its watch goes well. Objects
//! are trimmed as they come in: what is kept here is names and versions.

mod driver;
pub mod heard;
pub mod listing;
pub mod pace;
mod selectors;
pub mod union;
mod wire;

use super::Kubernetes;
use crate::manifest::{self, Parsed};
use crate::objects::{Kind, Refusal};
use crate::store::{Event, MemberEvent, StoreError};
use driver::{Driver, News};
use heard::{Change, Item};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::sync::mpsc;
use union::Selector;
use wire::{Extent, Resource};

/// What is kept of an object.
type Said = Result<Box<Parsed>, Refusal>;

pub(super) async fn watch(
    store: Kubernetes,
    events: mpsc::Sender<Vec<Event>>,
) -> Result<(), StoreError> {
    let resources = Kind::ALL.map(resource).to_vec();
    let mut driver = Driver::new(store.client.clone(), resources);
    let mut place = store.place.subscribe();
    loop {
        let standing = place.borrow_and_update().clone();
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            let (wanted, lacking) = selectors::of(kind, &store.me, standing.as_ref());
            driver.want(index, wanted, lacking);
        }
        loop {
            tokio::select! {
                moved = place.changed() => match moved {
                    Ok(()) => break,
                    Err(_) => return Ok(()),
                },
                () = events.closed() => return Ok(()),
                news = driver.next() => {
                    let batch: Vec<Event> = news.into_iter().map(event).collect();
                    if !batch.is_empty() && events.send(batch).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Tells the metadata of the Nodes with these labels.
pub(super) async fn members(
    store: Kubernetes,
    labels: String,
    events: mpsc::Sender<Vec<MemberEvent>>,
) -> Result<(), StoreError> {
    let resource = Resource {
        path: path(Kind::Node),
        extent: Extent::Metadata,
        read: member,
    };
    let mut driver = Driver::new(store.client.clone(), vec![resource]);
    let selector = Selector {
        what: format!("nodes labelled {labels}"),
        fields: None,
        labels: Some(labels),
    };
    driver.want(0, BTreeSet::from([selector]), None);
    loop {
        tokio::select! {
            () = events.closed() => return Ok(()),
            news = driver.next() => {
                let batch: Vec<MemberEvent> = news.into_iter().filter_map(member_event).collect();
                if !batch.is_empty() && events.send(batch).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::Node => "/api/v1/nodes",
        Kind::ZonePool => "/apis/gingham.dev/v1alpha1/zonepools",
        Kind::Block => "/apis/gingham.dev/v1alpha1/blocks",
        Kind::RoutingConfig => "/apis/gingham.dev/v1alpha1/routingconfigs",
        Kind::BgpPeer => "/apis/gingham.dev/v1alpha1/bgppeers",
        Kind::RouteFilter => "/apis/gingham.dev/v1alpha1/routefilters",
    }
}

fn resource(kind: Kind) -> Resource<Said> {
    Resource {
        path: path(kind),
        extent: Extent::Whole,
        read: match kind {
            Kind::Node => |object| said(Kind::Node, object),
            Kind::ZonePool => |object| said(Kind::ZonePool, object),
            Kind::Block => |object| said(Kind::Block, object),
            Kind::RoutingConfig => |object| said(Kind::RoutingConfig, object),
            Kind::BgpPeer => |object| said(Kind::BgpPeer, object),
            Kind::RouteFilter => |object| said(Kind::RouteFilter, object),
        },
    }
}

/// What is kept of an object; the rest of it goes.
fn said(kind: Kind, mut object: Value) -> Result<Item<Said>, String> {
    let (name, version) = (wire::name(&object)?, wire::version(&object)?);
    if let Some(fields) = object.as_object_mut() {
        // In a list it is the list that says what its items are.
        fields.insert("apiVersion".into(), json!(kind.api_version()));
        fields.insert("kind".into(), json!(kind.to_string()));
    }
    let parsed = manifest::of_value(&object).map(Box::new);
    let said = parsed.map_err(|(_, why)| Refusal {
        kind,
        name: name.to_string(),
        origin: format!("{}/{name}", kind.plural()),
        error: why.to_string(),
    });
    Ok(Item {
        name,
        version,
        object: said,
    })
}

fn event((index, news): (usize, News<Said>)) -> Event {
    let kind = Kind::ALL[index];
    match news {
        News::Change(Change::Is { object, .. }) => object.map_or_else(Event::Refused, Event::Apply),
        News::Change(Change::Gone { name, .. }) => Event::Delete(kind, name.into_string()),
        News::Synced => Event::Synced(kind),
        News::Failed(why) => Event::Failed(kind, why),
    }
}

fn member(object: Value) -> Result<Item<String>, String> {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    Ok(Item {
        name: wire::name(&object)?,
        version: wire::version(&object)?,
        object: uid.to_owned(),
    })
}

fn member_event((_, news): (usize, News<String>)) -> Option<MemberEvent> {
    Some(match news {
        News::Change(Change::Is { name, object, .. }) => {
            MemberEvent::Apply(name.parse().ok()?, object)
        }
        News::Change(Change::Gone { name, .. }) => MemberEvent::Gone(name.parse().ok()?),
        News::Synced => MemberEvent::Synced,
        News::Failed(why) => MemberEvent::Failed(why),
    })
}
