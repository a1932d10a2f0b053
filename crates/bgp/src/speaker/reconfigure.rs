//! Going over to another configuration: only the sessions it concerns notice.

use super::core::{Core, Effect};
use super::import::cluster;
use super::peer::{self, Origin, Peer, Wanted};
use crate::config::{Config, Neighbour, Scope, Settings};
use crate::session::{Event, Farewell};
use crate::{Moment, PeerId};
use gingham_model::Prefix;
use std::collections::BTreeSet;
use std::net::SocketAddr;

impl Core {
    /// Takes another configuration, one that was checked.
    pub(super) fn configure(&mut self, now: Moment, config: Config) {
        let before = std::mem::replace(&mut self.config, config);
        self.rib.set_multipath(self.config.multipath);
        self.reannounce(&before);
        if concerns_peers(&before, &self.config) {
            self.reconsider_all(now, &before);
        }
        self.redraw(&before.territory);
        self.await_callers();
        self.check_deferral();
    }

    fn reconsider_all(&mut self, now: Moment, before: &Config) {
        self.remove_neighbours(now);
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            self.reconsider(now, id, before);
        }
        for neighbour in self.config.neighbours.clone() {
            if self.named(&neighbour.name).is_none() {
                self.add_neighbour(now, &neighbour);
            }
        }
        self.effects.push(Effect::Keys);
    }

    fn reannounce(&mut self, before: &Config) {
        let wanted = self.config.announce.clone();
        let still: BTreeSet<Prefix> = wanted.iter().map(|one| one.prefix).collect();
        for old in &before.announce {
            if !still.contains(&old.prefix) {
                self.withdraw(old.prefix);
            }
        }
        for announcement in wanted {
            self.announce(&announcement);
        }
    }

    fn remove_neighbours(&mut self, now: Moment) {
        let gone: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, peer)| self.settings_of(peer).is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.event(now, id, &Event::Stop(Farewell::Deconfigured));
            self.drop_routes(id);
            self.forget(id);
        }
    }

    fn drop_routes(&mut self, id: PeerId) {
        for family in gingham_model::Family::ALL {
            self.rib.flush(id, family);
        }
    }

    /// What the configuration says of a peer that is known; `None` when it is not in it any more, or
    /// somewhere else.
    fn settings_of(&self, peer: &Peer) -> Option<Settings> {
        match &peer.origin {
            Origin::Configured(at, connect) => {
                let mut neighbours = self.config.neighbours.iter();
                let found = neighbours.find(|neighbour| neighbour.name == peer.name)?;
                let same = address(found) == *at && found.connect == *connect;
                same.then(|| found.settings.clone())
            }
            Origin::Range(range) => {
                let of = self.config.range_of(peer.address)?;
                (of.name == *range).then(|| of.settings.clone())
            }
        }
    }

    /// Applies what changed for one peer: a new session where both ends must agree anew, else only
    /// what is believed and what is told.
    fn reconsider(&mut self, now: Moment, id: PeerId, before: &Config) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let Some(settings) = self.settings_of(peer) else {
            return;
        };
        let import_changed =
            customs_of(before, &peer.settings) != customs_of(&self.config, &settings);
        let wanted = Wanted {
            id,
            name: peer.name.clone(),
            address: peer.address,
            origin: peer.origin.clone(),
            settings,
        };
        let plan = peer::plan(&self.config, &self.beginning, &wanted);
        let agree_anew = plan != *peer.machine.plan()
            || transport(&peer.settings) != transport(&wanted.settings);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.settings = wanted.settings;
        peer.machine.set_plan(plan);
        self.rename(id);
        if agree_anew {
            return self.event(now, id, &Event::Stop(Farewell::ConfigurationChange));
        }
        if import_changed {
            self.reimport(id);
        }
        self.regroup(id);
    }
}

/// Whether a peer has to be looked at: blocks come and go more often than anything else, and there may be
/// thousands of peers.
fn concerns_peers(before: &Config, after: &Config) -> bool {
    let Config {
        asn,
        router_id,
        cluster_id,
        listen: _,
        graceful_restart,
        multipath: _,
        neighbours,
        ranges,
        filters,
        announce: _,
        territory: _,
    } = before;
    let own = (asn, router_id, cluster_id, graceful_restart);
    own != (
        &after.asn,
        &after.router_id,
        &after.cluster_id,
        &after.graceful_restart,
    ) || (neighbours, ranges, filters) != (&after.neighbours, &after.ranges, &after.filters)
}

/// What of a configuration decides which paths of a peer are taken.
fn customs_of<'a>(config: &'a Config, settings: &Settings) -> impl PartialEq + use<'a> {
    let filter = settings.import.as_ref();
    let filter = filter.and_then(|name| config.filters.get(name));
    (
        filter,
        settings.allow_own_asn,
        settings.scope,
        cluster(config),
    )
}

/// What of the settings only a new connection can follow, besides the plan.
fn transport(settings: &Settings) -> Settings {
    Settings {
        import: None,
        export: None,
        next_hop: Default::default(),
        allow_own_asn: 0,
        scope: Scope::default(),
        ..settings.clone()
    }
}

fn address(neighbour: &Neighbour) -> SocketAddr {
    SocketAddr::new(neighbour.address, neighbour.port)
}
