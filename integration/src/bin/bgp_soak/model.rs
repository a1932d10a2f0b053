//! What every client must hold once all is quiet, from what was said and configured alone.

use crate::layout::{Layout, PROBE, REFLECTOR, address};
use crate::random::Random;
use crate::wire::Route;
use std::cmp::Reverse;
use std::net::Ipv4Addr;

/// Prefixes 20.0.64.0/20, which one setting refuses on import.
pub(crate) const IMPORT_RANGE: &str = "20.0.64.0/20";
/// Prefixes 20.0.80.0/20, which another refuses on export.
pub(crate) const EXPORT_RANGE: &str = "20.0.80.0/20";

/// What of the speaker's configuration is changed by reloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    /// How often it was reloaded: the MED of the speaker's own prefix.
    pub(crate) number: u32,
}

impl Variant {
    /// Whether [`IMPORT_RANGE`] is refused.
    pub(crate) fn refuses_import(self) -> bool {
        self.number & 1 != 0
    }

    /// Whether [`EXPORT_RANGE`] is refused.
    pub(crate) fn refuses_export(self) -> bool {
        self.number & 2 != 0
    }

    fn hides(self, prefix: usize) -> bool {
        (self.refuses_import() && (64..80).contains(&prefix))
            || (self.refuses_export() && (80..96).contains(&prefix))
    }
}

/// What clients say, also those that are away and will say it when they are back.
#[derive(Debug)]
pub(crate) struct Model {
    layout: Layout,
    /// By prefix: what each of its owners says.
    said: Vec<[Option<Route>; 2]>,
    pub(crate) variant: Variant,
    /// The last MED given: each change has one of its own.
    version: u32,
}

/// One owner of one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) prefix: usize,
    pub(crate) owner: usize,
    slot: usize,
}

impl Model {
    /// All prefixes are announced.
    pub(crate) fn new(layout: Layout) -> Self {
        let mut model = Model {
            layout,
            said: vec![[None; 2]; layout.total()],
            variant: Variant::default(),
            version: 0,
        };
        for prefix in 0..layout.total() {
            for slot in 0..2 {
                if let Some(place) = model.place(prefix, slot) {
                    let route = model.fresh(place, 100);
                    model.say(place, Some(route));
                }
            }
        }
        model
    }

    /// The slot's owner of a prefix, if it has one.
    fn place(&self, prefix: usize, slot: usize) -> Option<Place> {
        let owner = self.layout.owners(prefix).get(slot).copied().flatten()?;
        Some(Place {
            prefix,
            owner,
            slot,
        })
    }

    /// Any but the probe.
    pub(crate) fn any(&self, random: &mut Random) -> Option<Place> {
        let prefix = random.below(self.layout.total());
        let slot = random.below(2);
        let place = self.place(prefix, slot).or_else(|| self.place(prefix, 0));
        place.filter(|place| place.prefix != PROBE)
    }

    /// The one of a client.
    pub(crate) fn of(&self, client: usize, prefix: usize) -> Option<Place> {
        let mut places = (0..2).filter_map(|slot| self.place(prefix, slot));
        places.find(|place| place.owner == client)
    }

    /// A route nobody has said yet.
    pub(crate) fn fresh(&mut self, place: Place, preference: u32) -> Route {
        self.version += 1;
        Route {
            next_hop: address(place.owner),
            preference,
            med: self.version,
        }
    }

    pub(crate) fn say(&mut self, place: Place, route: Option<Route>) {
        if let Some(said) = self.said.get_mut(place.prefix)
            && let Some(said) = said.get_mut(place.slot)
        {
            *said = route;
        }
    }

    pub(crate) fn said(&self, place: Place) -> Option<Route> {
        let said = self.said.get(place.prefix)?;
        said.get(place.slot).copied().flatten()
    }

    /// All that a client says.
    pub(crate) fn of_client(&self, client: usize) -> Vec<(usize, Route)> {
        let places = self.layout.of_client(client);
        let places = places.filter_map(|prefix| self.of(client, prefix));
        places
            .filter_map(|place| Some((place.prefix, self.said(place)?)))
            .collect()
    }

    /// What the speaker must choose of what is said (RFC 4271 section 9.1): the highest LOCAL_PREF, then
    /// the lowest MED, of which no two are equal.
    pub(crate) fn best(&self) -> Vec<Option<Route>> {
        let order = |route: &Route| (route.preference, Reverse(route.med));
        let chosen = self.said.iter().enumerate().map(|(prefix, said)| {
            let said = said.iter().flatten().copied();
            said.max_by_key(order)
                .filter(|_| !self.variant.hides(prefix))
        });
        let own = Route {
            next_hop: REFLECTOR,
            preference: 100,
            med: self.variant.number,
        };
        chosen.chain([Some(own)]).collect()
    }
}

/// Whether a client may hold `had` where `best` is chosen: its own route may come back to it or not, but
/// nobody else's in its place.
pub(crate) fn is_right(client: Ipv4Addr, best: Option<Route>, had: Option<Route>) -> bool {
    let own = best.is_some_and(|best| best.next_hop == client);
    had == best || (own && had.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        clients: 10,
        each: 10,
    };

    #[test]
    fn the_higher_preference_and_then_the_lower_med_is_chosen() {
        let mut model = Model::new(LAYOUT);
        let (first, second) = (model.of(0, 9).unwrap(), model.of(5, 9).unwrap());
        assert_eq!(model.best()[9], model.said(first), "the lower MED");
        let preferred = model.fresh(second, 200);
        model.say(second, Some(preferred));
        assert_eq!(model.best()[9], Some(preferred));
        model.say(second, None);
        assert_eq!(model.best()[9], model.said(first));
        model.say(first, None);
        assert_eq!(model.best()[9], None);
    }

    #[test]
    fn settings_hide_prefixes_and_show_their_number() {
        let mut model = Model::new(LAYOUT);
        model.variant.number = 1;
        let best = model.best();
        assert_eq!((best[64], best[79]), (None, None));
        assert!(best[63].is_some() && best[80].is_some());
        assert_eq!(best[LAYOUT.own()].unwrap().med, 1);
        model.variant.number = 2;
        let best = model.best();
        assert!(best[79].is_some() && best[80].is_none() && best[96].is_some());
    }

    #[test]
    fn of_its_own_routes_a_client_holds_these_or_none() {
        let model = Model::new(LAYOUT);
        let best = model.best()[9];
        let other = model.of(5, 9).and_then(|place| model.said(place));
        assert!(is_right(address(0), best, None));
        assert!(is_right(address(0), best, best));
        assert!(!is_right(address(0), best, other));
        assert!(!is_right(address(3), best, None));
        assert!(!is_right(address(3), None, best));
        let place = model.any(&mut Random::new(1)).unwrap();
        assert!(model.said(place).is_some());
    }
}
