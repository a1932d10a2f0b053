//! The pods' part of a pass: what lies on their host ends, and whether the leases agree.

use super::Pass;
use super::holding::{LOCK, seconds_since_boot};
use crate::pods::{self, Audit, Datapath, Kernel, Repair, Settled, Settlement, Step};
use crate::routes::fights::Fights;
use crate::routes::reconcile::Extent;
use gingham_ipam::{BootId, LeaseState, LeaseStore, Leases, NodeState, StoreError};
use gingham_model::{Owner, POD_LINK_GROUP, RouteKey, TABLE_MAIN};
use gingham_netlink::{Address, Error, Link, Socket};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What the pass has read already.
pub(super) struct World {
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
}

/// The pods' host ends after a pass.
#[derive(Clone, Debug, Default)]
pub struct Wired {
    /// Host ends of pods that hold their leases, by index, with the pod's addresses.
    pub ends: BTreeMap<u32, BTreeSet<IpAddr>>,
    /// What was made good, by part: `link`, `gateway`, `neighbour` or `route`.
    pub repaired: BTreeMap<&'static str, usize>,
    /// Disagreements of leases and kernel that were settled, by kind.
    pub settled: BTreeMap<&'static str, usize>,
    /// What is wrong and could not be made good.
    pub troubles: Vec<String>,
    /// What is wrong, and about to be settled.
    pub notices: Vec<String>,
    /// When something that was put off is due.
    pub again: Option<Instant>,
}

/// What the pods' past tells.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    audit: Option<Audit>,
}

impl Wiring {
    /// Reads, repairs, settles. The links were read before, the leases are read last: in that order
    /// a plugin process at work is never mistaken for a remainder.
    pub(super) fn look(
        &mut self,
        socket: &mut Socket,
        world: &World,
        (pass, fights): (&Pass, &mut Fights<RouteKey>),
    ) -> Result<Wired, Error> {
        let datapath = read(socket, world, pass.extent())?;
        let store = LeaseStore::new(&pass.run_dir);
        let leases = leases(&store, &pass.boot);
        let (leases, now) = match leases.and_then(|leases| Ok((leases, seconds_since_boot()?))) {
            Ok(known) => known,
            Err(error) => {
                return Ok(Wired {
                    troubles: vec![error],
                    ..Wired::default()
                });
            }
        };
        let mut wired = Wired {
            ends: ends(&leases, &datapath),
            ..Wired::default()
        };
        wired.repair(socket, pods::repairs(&leases, &datapath), (pass, fights));
        let audit = self.audit.get_or_insert_with(|| first_audit(pass));
        let findings = audit.observe(&leases, &datapath, now);
        let mut settlement = Settlement {
            socket,
            store: &store,
            boot: &pass.boot,
            now,
        };
        for finding in findings {
            match settlement.settle(&finding) {
                Ok(Settled::Done) => {
                    tracing::info!(kind = finding.kind(), %finding, "leases and kernel agree again");
                    *wired.settled.entry(finding.kind()).or_default() += 1;
                }
                Ok(Settled::Overtaken) => {}
                Err(error) => wired.notices.push(format!("{finding}: {error}")),
            }
        }
        let next = audit.next().map(|at| at.saturating_sub(now).max(1));
        let audit = next.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        wired.again = wired.again.into_iter().chain(audit).min();
        Ok(wired)
    }
}

/// The leases, repaired where the file cannot be understood: the next ADD should not be the first to
/// find out.
fn leases(store: &LeaseStore, boot: &BootId) -> Result<Leases, String> {
    let repaired = |_| {
        let all = |leases: &mut Leases| Ok::<_, StoreError>(leases.clone());
        store.update(boot, LOCK, &Kernel, all)
    };
    let leases = store.read(boot).or_else(repaired);
    leases.map_err(|error| error.to_string())
}

/// Without a `node.json` of this boot nobody can have been given an address since it began.
fn first_audit(pass: &Pass) -> Audit {
    match NodeState::read(&pass.node_state()) {
        Ok(state) if state.boot_id == pass.boot => Audit::default(),
        _ => Audit::fresh(),
    }
}

fn read(socket: &mut Socket, world: &World, extent: Extent) -> Result<Datapath, Error> {
    let any = world.links.iter().any(|link| link.group == POD_LINK_GROUP);
    let neighbours = match any {
        true => socket.neighbours()?,
        false => Vec::new(),
    };
    let routes = match extent {
        Extent::Changes | Extent::Own => socket.routes_of(TABLE_MAIN, Owner::Pod.protocol())?,
        Extent::Whole => socket.routes(TABLE_MAIN)?,
    };
    let (links, addresses) = (&world.links, &world.addresses);
    Ok(Datapath::new(links, addresses, &neighbours, &routes))
}

fn ends(leases: &Leases, datapath: &Datapath) -> BTreeMap<u32, BTreeSet<IpAddr>> {
    let held = leases.live().iter();
    let held = held.filter(|lease| lease.state == LeaseState::Held);
    let with_link = held.filter_map(|lease| Some((lease, datapath.ends.get(&lease.host_if)?)));
    let ends = with_link.map(|(lease, end)| (end.dev, lease.addresses().collect()));
    ends.collect()
}

impl Wired {
    fn repair(
        &mut self,
        socket: &mut Socket,
        mut repairs: Vec<Repair>,
        (pass, fights): (&Pass, &mut Fights<RouteKey>),
    ) {
        let now = Instant::now();
        repairs.retain(|repair| {
            let fight = route(repair).and_then(|key| fights.pausing(&key, now));
            let damped = fight.map(|fight| format!("{repair}: {fight}"));
            let goes = damped.is_none();
            self.troubles.extend(damped);
            goes
        });
        for (repair, outcome) in pods::mend(socket, &repairs) {
            let (part, link, pod) = (repair.step.part(), &repair.host_if, &repair.pod);
            if let Err(error) = outcome {
                tracing::warn!(part, %link, %pod, %repair, %error, "pod not repaired");
                self.troubles.push(error);
                continue;
            }
            tracing::info!(part, %link, %pod, %repair, "pod repaired");
            *self.repaired.entry(part).or_default() += 1;
            let culprit =
                route(&repair).and_then(|key| Some((key, pass.marks.culprits.get(&key)?)));
            if let Some((key, culprit)) = culprit.filter(|(_, culprit)| culprit.port != 0) {
                fights.repaired(&key, culprit.clone(), now);
            }
        }
        self.again = fights.next(now);
    }
}

fn route(repair: &Repair) -> Option<RouteKey> {
    match &repair.step {
        Step::Route(change) => Some(change.key()),
        Step::Up | Step::Gateway | Step::Neighbour(..) => None,
    }
}
