//! Every table beside the model.

use crate::crowd::Crowd;
use crate::layout::{Layout, address, text};
use crate::model::is_right;
use crate::report::Tables;
use crate::wire::Route;

/// So many faults of a kind are told one by one.
pub(crate) const TOLD: usize = 10;

/// What differs: how much, and the first few of it.
#[derive(Debug, Default)]
pub(crate) struct Differences {
    pub(crate) tables: Tables,
    pub(crate) first: Vec<String>,
}

impl Differences {
    /// Compares every well-behaved client's table with what the model wants.
    pub(crate) fn of(crowd: &Crowd, layout: Layout) -> Self {
        let best = crowd.model.best();
        let mut differences = Differences::default();
        for (number, client) in crowd.clients() {
            if !client.role().is_well_behaved() {
                continue;
            }
            for prefix in 0..=layout.own() {
                let wanted = best.get(prefix).copied().flatten();
                let had = client.told().route(prefix);
                if !is_right(address(number), wanted, had) {
                    differences.note((number, prefix), wanted, had);
                }
            }
        }
        differences
    }

    pub(crate) fn is_none(&self) -> bool {
        self.tables == Tables::default()
    }

    fn note(
        &mut self,
        (client, prefix): (usize, usize),
        wanted: Option<Route>,
        had: Option<Route>,
    ) {
        match (wanted, had) {
            (Some(_), None) => self.tables.missing += 1,
            (None, Some(_)) => self.tables.unexpected += 1,
            _ => self.tables.different += 1,
        }
        if self.first.len() < TOLD {
            self.first.push(format!(
                "client {client} ({}), prefix {}: wanted {}, had {}",
                address(client),
                text(prefix),
                shown(wanted),
                shown(had)
            ));
        }
    }
}

fn shown(route: Option<Route>) -> String {
    let shown = route.map(|route| {
        let Route {
            next_hop,
            preference,
            med,
        } = route;
        format!("next hop {next_hop}, LOCAL_PREF {preference}, MED {med}")
    });
    shown.unwrap_or_else(|| "nothing".to_owned())
}
