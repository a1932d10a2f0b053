//! The core's answers to questions.

use super::core::Core;
use super::handle::{Command, CommandError};
use super::peer::Peer;
use super::report::{
    AttributesReport, FamilyReport, NegotiatedReport, PeerReport, PrefixReport, ToldReport,
    TrialReport, prefix,
};
use crate::policy::{self, Decision, Filter};
use crate::rib::{Freshness, Import, Path};
use crate::session::{Event, Farewell, Negotiated};
use crate::{Moment, Nlri, PeerId};
use gingham_model::{Family, NodeName, Prefix};
use std::collections::BTreeMap;

impl Core {
    /// Does what it is asked. Whoever asked may have gone: then nobody hears the answer.
    pub(super) fn obey(&mut self, now: Moment, command: Command) {
        match command {
            Command::Peers(reply) => drop(reply.send(self.report_peers(now))),
            Command::Rib(prefix, reply) => drop(reply.send(self.report_rib(prefix))),
            Command::Told(name, reply) => drop(reply.send(self.report_told(&name))),
            Command::Try(filter, reply) => drop(reply.send(self.report_trial(&filter))),
            Command::Announce(announcement, reply) => {
                self.announce(&announcement);
                let _ = reply.send(());
            }
            Command::Withdraw(prefix, reply) => drop(reply.send(self.command_withdraw(prefix))),
            Command::Refresh(name, reply) => drop(reply.send(self.command_refresh(&name))),
            Command::Start(name, reply) => drop(reply.send(self.command(now, &name, None))),
            Command::Stop(name, farewell, reply) => {
                drop(reply.send(self.command(now, &name, Some(farewell))));
            }
            Command::Reach(next_hop, reach, reply) => {
                self.rib.set_reach(next_hop, reach);
                let _ = reply.send(());
            }
            Command::Connected(prefixes, reply) => {
                self.rib.set_connected(prefixes);
                let _ = reply.send(());
            }
            // The loop opens and closes listeners, and ends the speaker.
            Command::Configure(..) | Command::End(..) => {}
        }
    }

    /// What a filter would do with every path peers have sent; the RIB stays as it is.
    fn report_trial(&self, filter: &Filter) -> Vec<TrialReport> {
        let learned: Vec<(Prefix, &Path)> = self
            .peers
            .keys()
            .flat_map(|id| self.rib.of_peer(*id))
            .collect();
        let trials = policy::dry_run(filter, learned.iter().copied());
        let mut reports: Vec<TrialReport> = learned
            .iter()
            .zip(trials)
            .map(|((prefix, path), trial)| TrialReport {
                prefix: *prefix,
                peer: self.name(path),
                path_id: path.path_id,
                verdict: trial.decision.verdict(),
                rule: trial.rule,
                attributes: match &trial.decision {
                    Decision::Change(changed) => Some(AttributesReport::of(changed)),
                    _ => None,
                },
            })
            .collect();
        reports.sort_by(|one, other| {
            (one.prefix, &one.peer, one.path_id).cmp(&(other.prefix, &other.peer, other.path_id))
        });
        reports
    }

    /// Every neighbour, by name.
    pub(super) fn report_peers(&mut self, now: Moment) -> Vec<PeerReport> {
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        let mut reports: Vec<PeerReport> = ids
            .into_iter()
            .filter_map(|id| self.report_peer(now, id))
            .collect();
        reports.sort_by(|one, other| one.name.cmp(&other.name));
        reports
    }

    fn report_peer(&mut self, now: Moment, id: PeerId) -> Option<PeerReport> {
        let families = self.report_families(id);
        let peer = self.peers.get(&id)?;
        let session = peer.session.as_ref();
        Some(PeerReport {
            name: peer.name.clone(),
            address: peer.address,
            node: self.report_node(peer),
            kind: peer.source.kind,
            state: peer.machine.state(),
            asn: peer.settings.asn,
            router_id: session.map(|session| session.negotiated.peer_router_id),
            up_seconds: session.map(|session| now.since(session.since).as_secs()),
            negotiated: session.map(|session| negotiated(&session.negotiated)),
            families,
            counters: peer.counters.clone(),
            last_error: peer.last_error.clone(),
        })
    }

    fn report_node(&self, peer: &Peer) -> Option<NodeName> {
        let known = self.nodes.get(&peer.address);
        peer.settings.node.as_ref().or(known).cloned()
    }

    fn report_families(&mut self, id: PeerId) -> BTreeMap<Family, FamilyReport> {
        let mut families: BTreeMap<Family, FamilyReport> = BTreeMap::new();
        for (prefix, path) in self.rib.of_peer(id) {
            let family = families.entry(prefix.family()).or_default();
            family.received += 1;
            match &path.import {
                Import::Accepted(_) => family.accepted += 1,
                Import::Refused(why) => {
                    let refused = family.refused.entry(why.reason().to_owned());
                    *refused.or_default() += 1;
                }
            }
            family.stale += usize::from(path.freshness != Freshness::Fresh);
        }
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        let Some(session) = session else {
            return families;
        };
        for (family, profile) in &session.groups {
            let report = families.entry(*family).or_default();
            let group = self.spread.group(profile);
            report.told = group.map_or(0, |group| group.told_to(id).count());
            report.end_of_rib = session.ended.contains(family);
        }
        families
    }

    /// Every path to one prefix, or to all.
    pub(super) fn report_rib(&self, one: Option<Prefix>) -> Vec<PrefixReport> {
        let all: Vec<Prefix> = match one {
            Some(one) => vec![one],
            None => self.rib.prefixes().collect(),
        };
        let reports = all.into_iter().map(|at| {
            let selection = self.rib.select(at);
            prefix(at, &selection, |path| self.name(path))
        });
        reports.filter(|report| !report.paths.is_empty()).collect()
    }

    fn name(&self, path: &Path) -> String {
        let peer = self.peers.get(&path.source.peer);
        peer.map_or_else(|| "local".to_owned(), |peer| peer.name.clone())
    }

    /// What a neighbour is told.
    pub(super) fn report_told(&mut self, name: &str) -> Result<Vec<ToldReport>, CommandError> {
        let id = self.find(name)?;
        let session = self.peers.get(&id).and_then(|peer| peer.session.as_ref());
        let profiles = session.iter().flat_map(|session| session.groups.values());
        let mut told = Vec::new();
        for profile in profiles {
            let Some(group) = self.spread.group(profile) else {
                continue;
            };
            told.extend(group.told_to(id).map(|(nlri, attributes)| ToldReport {
                prefix: nlri.prefix,
                path_id: nlri.path_id,
                attributes: AttributesReport::of(&attributes),
            }));
        }
        Ok(told)
    }

    /// Asks a neighbour for its routes again.
    pub(super) fn command_refresh(&mut self, name: &str) -> Result<(), CommandError> {
        let id = self.find(name)?;
        if self.ask_again(id) {
            return Ok(());
        }
        Err(CommandError::NoRefresh(name.to_owned()))
    }

    /// Starts or stops a neighbour.
    pub(super) fn command(
        &mut self,
        now: Moment,
        name: &str,
        farewell: Option<Farewell>,
    ) -> Result<(), CommandError> {
        let id = self.find(name)?;
        let event = farewell.map_or(Event::Start, Event::Stop);
        self.event(now, id, &event);
        Ok(())
    }

    /// Originates a prefix no more.
    pub(super) fn command_withdraw(&mut self, prefix: Prefix) -> Result<(), CommandError> {
        let known = self.rib.holds(PeerId::LOCAL, Nlri::plain(prefix));
        if !known && !self.aggregates.contains_key(&prefix) {
            return Err(CommandError::NotAnnounced(prefix));
        }
        self.withdraw(prefix);
        Ok(())
    }

    fn find(&self, name: &str) -> Result<PeerId, CommandError> {
        self.named(name)
            .ok_or_else(|| CommandError::UnknownPeer(name.to_owned()))
    }
}

fn negotiated(negotiated: &Negotiated) -> NegotiatedReport {
    let restart = negotiated.restart.as_ref();
    NegotiatedReport {
        hold_seconds: negotiated.hold.map_or(0, |hold| hold.as_secs()),
        max_message: negotiated.codec.max_length,
        refresh: negotiated.refresh,
        graceful_restart: restart
            .map(|restart| restart.families.keys().copied().collect())
            .unwrap_or_default(),
        notification_restart: restart.is_some_and(|restart| restart.notification),
        long_lived_seconds: negotiated
            .long_lived
            .iter()
            .map(|(family, offer)| (*family, offer.time.as_secs()))
            .collect(),
        add_path_in: negotiated.codec.add_path_in.clone(),
        add_path_out: negotiated.codec.add_path_out.clone(),
        capabilities: negotiated.capabilities.clone(),
    }
}
