//! Which objects of a kind a node needs. Pure.
//!
//! Nodes and blocks are many: of them nothing is ever asked for without a selector.

use super::union::Selector;
use crate::config;
use crate::objects::{Kind, node};
use crate::store::kubernetes::Place;
use gingham_model::NodeName;
use std::collections::BTreeSet;

/// The selections node `me` needs where it stands, and why they are not all that it needs.
pub(super) fn of(
    kind: Kind,
    me: &NodeName,
    place: Option<&Place>,
) -> (BTreeSet<Selector>, Option<String>) {
    match kind {
        Kind::Node => (nodes(me, place), None),
        Kind::Block => blocks(me, place),
        Kind::RoutingConfig => {
            let what = format!("the one called {}", config::NAME);
            (BTreeSet::from([named(what, config::NAME)]), None)
        }
        Kind::ZonePool | Kind::BgpPeer | Kind::RouteFilter => {
            let all = Selector {
                what: String::new(),
                fields: None,
                labels: None,
            };
            (BTreeSet::from([all]), None)
        }
    }
}

/// The own Node, the reflectors of every zone, since a BGPPeer may name any of them, and the
/// ingress nodes of the own zone.
fn nodes(me: &NodeName, place: Option<&Place>) -> BTreeSet<Selector> {
    let mut selectors = BTreeSet::from([named(format!("node {me}"), me.as_str())]);
    selectors.extend(node::REFLECTOR.map(|label| labelled(label.to_owned())));
    selectors.extend(place.map(|place| {
        let Place { zone, label } = place;
        labelled(format!("{},{label}={zone}", node::INGRESS))
    }));
    selectors
}

/// The own blocks, wherever their pools are, and those of the own zone.
fn blocks(me: &NodeName, place: Option<&Place>) -> (BTreeSet<Selector>, Option<String>) {
    let mut selectors = BTreeSet::from([Selector {
        what: format!("blocks of node {me}"),
        fields: Some(format!("spec.node={me}")),
        labels: None,
    }]);
    let Some(Place { zone, .. }) = place else {
        return (
            selectors,
            Some(format!("the zone of node {me} is not known")),
        );
    };
    selectors.insert(Selector {
        what: format!("blocks of zone {zone}"),
        fields: Some(format!("spec.zone={zone}")),
        labels: None,
    });
    (selectors, None)
}

fn named(what: String, name: &str) -> Selector {
    Selector {
        what,
        fields: Some(format!("metadata.name={name}")),
        labels: None,
    }
}

fn labelled(labels: String) -> Selector {
    Selector {
        what: format!("nodes labelled {labels}"),
        fields: None,
        labels: Some(labels),
    }
}
