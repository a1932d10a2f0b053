//! The blocking half of a round: kernel, settings, `node.json`. One call, on a thread of its own,
//! bounded by deadlines all through.

use crate::cluster::Cluster;
use crate::links::Links;
use crate::plan::{self, Plan};
use crate::reconcile::{self, Round};
use crate::{run_dir, sysctls};
use gingham_ipam::{BootId, FileError, LeaseStore, NodeState, Usage};
use gingham_model::{Family, NodeName, Owner};
use gingham_netlink::Socket;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest one request to the kernel may take.
const REQUEST: Duration = Duration::from_secs(2);
/// The longest a round writes routes.
const ROUTES: Duration = Duration::from_secs(20);

/// What a pass works on.
#[derive(Clone, Debug)]
pub struct Pass {
    /// This node.
    pub me: NodeName,
    /// The cluster as last known.
    pub cluster: Arc<Cluster>,
    /// This boot.
    pub boot: BootId,
    /// Where `node.json` goes.
    pub node_state: PathBuf,
}

/// What a pass found and did.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The interfaces.
    pub links: Links,
    /// What should be so.
    pub plan: Plan,
    /// What is so.
    pub round: Round,
    /// Settings that could not be made.
    pub sysctls: Vec<sysctls::Failure>,
    /// Whether the plugin knows what the plan says, or every reason why not.
    pub published: Result<(), Vec<String>>,
}

impl Pass {
    /// Reads, plans, changes, reads back, publishes.
    ///
    /// # Errors
    /// When the kernel cannot be read.
    pub fn run(&self) -> Result<Seen, gingham_netlink::Error> {
        let mut socket = Socket::open(REQUEST)?;
        let links = Links::new(socket.links()?, socket.addresses()?);
        let plan = plan::plan(&plan::Inputs {
            me: &self.me,
            cluster: &self.cluster,
            links: &links,
            boot: &self.boot,
        });
        let sysctls = self.keep_sysctls(&links, &plan).failures;
        let round = reconcile::reconcile(&mut socket, &plan, Instant::now() + ROUTES)?;
        let published = publish(&self.node_state, &plan, &round);
        Ok(Seen {
            links,
            plan,
            round,
            sysctls,
            published,
        })
    }

    fn keep_sysctls(&self, links: &Links, plan: &Plan) -> sysctls::Kept {
        let hops = sysctls::next_hops(&plan.routes);
        let node = self.cluster.node(&self.me);
        let wanted = node.map(|node| sysctls::wanted(node, links, &hops));
        let record = self.node_state.with_file_name(run_dir::SYSCTLS);
        sysctls::keep(&wanted.unwrap_or_default(), &record)
    }
}

/// Tells the plugin, once no address it gives out can escape by the default route.
fn publish(path: &Path, plan: &Plan, round: &Round) -> Result<(), Vec<String>> {
    let state = plan.node_state.clone()?;
    let missing = state.blocks.iter().map(|block| block.cidr).filter(|cidr| {
        let sink = round.routes.get(&Owner::Sink.key(*cidr));
        !sink.is_some_and(|(_, standing)| standing.is_settled())
    });
    let reasons: Vec<String> = missing
        .map(|cidr| format!("block {cidr} has no sink"))
        .collect();
    if reasons.is_empty() {
        write(path, state).map_err(|error| vec![error.to_string()])
    } else {
        Err(reasons)
    }
}

/// Replaces the file where it says something else.
fn write(path: &Path, mut state: NodeState) -> Result<(), FileError> {
    match NodeState::read(path) {
        Ok(present) => {
            keep_unknown(&mut state, &present);
            if state == present {
                return Ok(());
            }
        }
        Err(error) if error.is_missing() => {}
        Err(error) => tracing::warn!(%error, "replacing node.json"),
    }
    state.write(path)?;
    let blocks: Vec<String> = state
        .blocks
        .iter()
        .map(|block| block.cidr.to_string())
        .collect();
    tracing::info!(path = %path.display(), ?blocks, mtu = state.mtu, "node.json published");
    Ok(())
}

/// Fields of another version survive a rewrite.
fn keep_unknown(state: &mut NodeState, present: &NodeState) {
    state.unknown.clone_from(&present.unknown);
    for block in &mut state.blocks {
        if let Some(same) = present.blocks.iter().find(|b| b.cidr == block.cidr) {
            block.unknown.clone_from(&same.unknown);
        }
    }
}

/// How full this node's blocks are by the lease store in `run_dir`.
///
/// # Errors
/// The store or the clock cannot be read; names the file.
pub fn usage(run_dir: &Path, state: &NodeState) -> Result<BTreeMap<Family, Usage>, String> {
    let leases = LeaseStore::new(run_dir).read(&state.boot_id);
    let leases = leases.map_err(|error| error.to_string())?;
    Ok(leases.usage(&state.supply(), seconds_since_boot()?))
}

/// `CLOCK_BOOTTIME` in whole seconds, the clock leases are stamped by.
fn seconds_since_boot() -> Result<u64, String> {
    const PATH: &str = "/proc/uptime";
    let text = std::fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}"))?;
    let seconds = text.split('.').next().and_then(|whole| whole.parse().ok());
    seconds.ok_or_else(|| format!("{PATH}: {text:?} does not begin with a number of seconds"))
}
