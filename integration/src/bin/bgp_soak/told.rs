//! What a client was told, and what of it a refresh has yet to confirm.

use crate::layout::Layout;
use crate::wire::{self, Part, Route};
use anyhow::{Result, bail};
use gingham_integration::bgp::frame::{self, Fields};

#[derive(Debug)]
pub(crate) struct Told {
    layout: Layout,
    routes: Vec<Option<Route>>,
    /// Between the borders of a refresh (RFC 7313): what was held before and was not told again.
    unconfirmed: Option<Vec<bool>>,
}

impl Told {
    pub(crate) fn new(layout: Layout) -> Self {
        Told {
            layout,
            routes: vec![None; layout.own() + 1],
            unconfirmed: None,
        }
    }

    pub(crate) fn route(&self, prefix: usize) -> Option<Route> {
        self.routes.get(prefix).copied().flatten()
    }

    pub(crate) fn clear(&mut self) {
        self.routes.fill(None);
        self.unconfirmed = None;
    }

    /// Takes an UPDATE.
    ///
    /// # Errors
    /// It is malformed, or tells of what nobody announces.
    pub(crate) fn learn(&mut self, body: &[u8]) -> Result<()> {
        let fields = Fields::of(body)?;
        frame::slash24s(fields.withdrawn, |nlri| self.set(nlri, None))?;
        if !fields.announced.is_empty() {
            let route = wire::route(fields.attributes)?;
            frame::slash24s(fields.announced, |nlri| self.set(nlri, Some(route)))?;
        }
        Ok(())
    }

    fn set(&mut self, nlri: [u8; 4], route: Option<Route>) -> Result<()> {
        let Some(prefix) = self.layout.prefix(nlri) else {
            bail!("it is told of {nlri:?}, which nobody announces");
        };
        if let Some(slot) = self.routes.get_mut(prefix) {
            *slot = route;
        }
        let unconfirmed = self.unconfirmed.as_mut();
        if let Some(slot) = unconfirmed.and_then(|list| list.get_mut(prefix)) {
            *slot = false;
        }
        Ok(())
    }

    /// A border of a refresh: what was not told again by its end is gone.
    pub(crate) fn border(&mut self, part: Part) {
        match part {
            Part::Request => {}
            Part::Begin => {
                self.unconfirmed = Some(self.routes.iter().map(Option::is_some).collect());
            }
            Part::End => {
                let unconfirmed = self.unconfirmed.take().unwrap_or_default();
                let pairs = self.routes.iter_mut().zip(unconfirmed);
                for (route, _) in pairs.filter(|(_, unconfirmed)| *unconfirmed) {
                    *route = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::nlri;

    #[test]
    fn a_refresh_takes_away_what_it_does_not_tell_again() {
        let layout = Layout {
            clients: 10,
            each: 10,
        };
        let mut told = Told::new(layout);
        let route = Route {
            next_hop: [10, 65, 0, 1].into(),
            preference: 100,
            med: 1,
        };
        let say = |told: &mut Told, prefix| {
            let message = wire::announce(route, nlri(prefix));
            told.learn(frame::split(&message).unwrap().unwrap().body)
        };
        say(&mut told, 1).unwrap();
        say(&mut told, 2).unwrap();
        told.border(Part::Begin);
        say(&mut told, 2).unwrap();
        assert_eq!(told.route(1), Some(route));
        told.border(Part::End);
        assert_eq!((told.route(1), told.route(2)), (None, Some(route)));
        told.border(Part::End);
        assert_eq!(told.route(2), Some(route));
        say(&mut told, 200).unwrap_err();
    }
}
