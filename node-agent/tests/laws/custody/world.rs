//! A zone as it might be: nodes that vanish, return and move, reflectors that restart, hear of them
//! or do not, and have clocks of their own. It obeys what reflectors decide, and refuses what is
//! wrong.

use crate::make::{block, cluster, edit_config, me};
use gingham_agent::cluster::Cluster;
use gingham_agent::custody::{Custody, Evidence, Members, Paths, Situation, Verdict, judge};
use gingham_agent::store::{Inspected, Member, MemberEvent};
use gingham_model::{Block, BlockState, NodeName, Prefix};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Seconds a block stays its owner's, and a mass removal is held.
pub(crate) const DELAY: u64 = 30;
const HOLD: u64 = 20;
const NODES: usize = 5;
const REFLECTORS: usize = 3;
/// The last node's blocks mirror its podCIDRs.
const MIRROR: usize = NODES - 1;

type Outcome = Result<(), TestCaseError>;

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// The Node object is deleted.
    Vanish(usize),
    /// It is created again, with another uid and, of the last one, another podCIDR or the same.
    Return(usize, bool),
    /// Its label says another zone, or this one again.
    Move(usize),
    /// A reflector hears of a node by BGP: nothing, stale paths, live ones.
    Hear(usize, usize, u8),
    /// A reflector's clock jumps by so many seconds.
    Jump(usize, i64),
    /// A reflector's agent starts anew.
    Restart(usize),
    /// A reflector cannot list Nodes, or can again.
    Blind(usize),
    /// Removals are paused, or not any more.
    Pause,
    /// So many seconds pass.
    Pass(u64),
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (node, reflector) = (0..NODES, 0..REFLECTORS);
    let act = prop_oneof![
        3 => node.clone().prop_map(Act::Vanish),
        2 => (node.clone(), any::<bool>()).prop_map(|(node, same)| Act::Return(node, same)),
        1 => node.clone().prop_map(Act::Move),
        3 => (reflector.clone(), node, 0..3u8).prop_map(|(r, n, how)| Act::Hear(r, n, how)),
        1 => (reflector.clone(), -5000..5000i64).prop_map(|(r, by)| Act::Jump(r, by)),
        1 => reflector.clone().prop_map(Act::Restart),
        1 => reflector.prop_map(Act::Blind),
        1 => Just(Act::Pause),
        6 => (1..2 * DELAY).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 1..25)
}

struct Node {
    name: NodeName,
    uid: Option<u32>,
    lives: u32,
    away: bool,
    /// Since when there is none.
    gone: Option<u64>,
    /// When it last came back, and since when there had been none.
    back: Option<(u64, Option<u64>)>,
    pod_cidr: Prefix,
}

struct Reflector {
    name: NodeName,
    custody: Custody,
    clock: i64,
    blind: bool,
    heard: [u8; NODES],
}

pub(crate) struct World {
    start: Instant,
    seconds: u64,
    nodes: Vec<Node>,
    blocks: BTreeMap<Prefix, Inspected>,
    reflectors: Vec<Reflector>,
    paused: bool,
    version: u32,
    index: Option<(Key, Arc<Cluster>)>,
    pub(crate) freed: usize,
}

/// What an index depends on.
type Key = (u32, usize, bool);

fn cidr(node: usize, block: usize) -> Prefix {
    format!("10.64.{}.0/24", 2 * node + block).parse().unwrap()
}

fn uid(node: &Node, life: u32) -> String {
    format!("uid-{}-{life}", node.name)
}

impl World {
    pub(crate) fn new() -> Self {
        let nodes = (0..NODES).map(|at| Node {
            name: format!("n{at}").parse().unwrap(),
            uid: Some(0),
            lives: 0,
            away: false,
            gone: None,
            back: None,
            pod_cidr: cidr(at, 0),
        });
        let reflectors = (0..REFLECTORS).map(|at| Reflector {
            name: format!("m{at}").parse().unwrap(),
            custody: Custody::default(),
            clock: 0,
            blind: false,
            heard: [0; NODES],
        });
        let mut world = World {
            start: Instant::now(),
            seconds: 0,
            nodes: nodes.collect(),
            blocks: BTreeMap::new(),
            reflectors: reflectors.collect(),
            paused: false,
            version: 0,
            index: None,
            freed: 0,
        };
        for at in 0..NODES {
            for which in 0..if at == MIRROR { 1 } else { 2 } {
                world.claim(at, cidr(at, which));
            }
        }
        world
    }

    fn write(&mut self, block: Block, orphaned_since: Option<SystemTime>) {
        self.version += 1;
        let found = Inspected {
            orphaned_since,
            version: self.version.to_string(),
            block,
        };
        self.blocks.insert(found.block.cidr, found);
    }

    fn claim(&mut self, at: usize, cidr: Prefix) {
        let node = &self.nodes[at];
        let pool = if at == MIRROR { "node-pod-cidrs" } else { "z1" };
        let block = Block {
            node_uid: uid(node, node.uid.unwrap()),
            pool: pool.parse().unwrap(),
            ..block(&cidr.to_string(), node.name.as_str(), &["10.1.0.9"])
        };
        self.write(block, None);
    }

    pub(crate) fn act(&mut self, act: &Act) -> Outcome {
        match *act {
            Act::Vanish(at) => {
                let now = self.seconds;
                let node = &mut self.nodes[at];
                if node.uid.take().is_some() {
                    // One that came and went between two looks was never there: nobody, not even its
                    // own agent, can have taken note of it.
                    let unseen = node.back.filter(|(back, _)| *back == now);
                    node.gone = unseen.map_or(Some(now), |(_, gone)| gone);
                }
            }
            Act::Return(at, same) => {
                let now = self.seconds;
                let node = &mut self.nodes[at];
                if node.uid.is_none() {
                    node.lives += 1;
                    node.back = Some((now, node.gone));
                    (node.uid, node.gone) = (Some(node.lives), None);
                    node.pod_cidr = cidr(at, usize::from(!same));
                }
            }
            Act::Move(at) => self.nodes[at].away ^= true,
            Act::Hear(reflector, node, how) => self.reflectors[reflector].heard[node] = how,
            Act::Jump(reflector, by) => self.reflectors[reflector].clock += by,
            Act::Restart(reflector) => self.reflectors[reflector].custody = Custody::default(),
            Act::Blind(reflector) => self.reflectors[reflector].blind ^= true,
            Act::Pause => self.paused ^= true,
            Act::Pass(seconds) => {
                for _ in 0..seconds {
                    self.pass()?;
                }
            }
        }
        Ok(())
    }

    /// Everybody sees, nobody is heard of, and there is time for all there is to do.
    pub(crate) fn calm_down(&mut self) -> Outcome {
        self.paused = false;
        for reflector in &mut self.reflectors {
            (reflector.blind, reflector.heard) = (false, [0; NODES]);
        }
        self.act(&Act::Pass(2 * DELAY + HOLD + 400))
    }

    pub(crate) fn blocks_of_gone_nodes(&self) -> Vec<Prefix> {
        let gone = |found: &&Inspected| self.gone(&found.block).is_some();
        let blocks = self.blocks.values().filter(gone);
        blocks.map(|found| found.block.cidr).collect()
    }

    /// Since when nobody has this block.
    fn gone(&self, block: &Block) -> Option<u64> {
        let at = self.nodes.iter().position(|node| node.name == block.node);
        let node = &self.nodes[at.unwrap()];
        node.gone
    }

    /// A second: the agents of the nodes take back what is theirs, then every reflector looks.
    fn pass(&mut self) -> Outcome {
        self.seconds += 1;
        for at in 0..NODES {
            self.adopt(at);
        }
        for at in 0..REFLECTORS {
            self.keep(at)?;
        }
        Ok(())
    }

    fn adopt(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(life) = node.uid else { return };
        let wanted = uid(node, life);
        let own = self.blocks.values().filter(|found| {
            let block = &found.block;
            let mine = at != MIRROR || block.cidr == node.pod_cidr;
            let as_it_should = block.node_uid == wanted && block.state == BlockState::Active;
            block.node == node.name && mine && !as_it_should
        });
        for found in own.cloned().collect::<Vec<_>>() {
            let block = Block {
                node_uid: wanted.clone(),
                state: BlockState::Active,
                ..found.block
            };
            // The time stays: a node may not write the status of what reflectors write.
            self.write(block, found.orphaned_since);
        }
    }

    /// The cluster as the reflectors see it; made anew where something has changed.
    fn index(&mut self) -> Arc<Cluster> {
        let key = (self.version, self.blocks.len(), self.paused);
        if let Some((_, index)) = self.index.as_ref().filter(|(known, _)| *known == key) {
            return Arc::clone(index);
        }
        let listed = self.blocks.values().map(|found| found.block.clone());
        let mut index = cluster(&listed.collect::<Vec<_>>());
        edit_config(&mut index, |config| {
            config.paused = self.paused;
            config.mass_removal_hold = Duration::from_secs(HOLD);
        });
        let index = Arc::new(index);
        self.index = Some((key, Arc::clone(&index)));
        index
    }

    fn keep(&mut self, at: usize) -> Outcome {
        let index = self.index();
        let mut members = Members::default();
        for node in self.nodes.iter().filter(|node| !node.away) {
            if let Some(life) = node.uid {
                members.apply(MemberEvent::Apply(node.name.clone(), uid(node, life)));
            }
        }
        members.apply(match self.reflectors[at].blind {
            true => MemberEvent::Failed("cannot see".to_owned()),
            false => MemberEvent::Synced,
        });
        let names: Vec<NodeName> = self.reflectors.iter().map(|r| r.name.clone()).collect();
        let now = self.start + Duration::from_secs(self.seconds);
        let look = self.reflectors[at].custody.look(&Situation {
            me: &names[at],
            reflectors: &names,
            zone: &"z1".parse().unwrap(),
            cluster: &index,
            complete: index.complete(&me()).unwrap(),
            members: &members,
            now,
        });
        for block in look.examine {
            self.settle(at, &block, now)?;
        }
        Ok(())
    }

    fn settle(&mut self, by: usize, listed: &Block, now: Instant) -> Outcome {
        let node = self.nodes.iter().position(|node| node.name == listed.node);
        let node = node.unwrap();
        let found = self.blocks.get(&listed.cidr).cloned();
        let member = self.member(node);
        let heard = self.reflectors[by].heard[node];
        let paths = match heard {
            0 => Paths::None,
            1 => Paths::Stale("n".to_owned()),
            _ => Paths::Live("n".to_owned()),
        };
        let clock = 1_000_000_000 + self.seconds as i64 + self.reflectors[by].clock;
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(clock as u64);
        let custody = &mut self.reflectors[by].custody;
        let verdict = judge(&Evidence {
            listed,
            member: member.as_ref(),
            found: found.as_ref(),
            paths: &paths,
            watched: custody.watched(listed.cidr, now),
            delay: Duration::from_secs(DELAY),
            wall,
        });
        custody.found(listed.cidr, &verdict, now);
        match verdict {
            Verdict::Orphan => {
                self.check_orphan(node, listed, by)?;
                let block = found.unwrap().block;
                let state = BlockState::Orphaned;
                self.write(Block { state, ..block }, Some(wall));
            }
            Verdict::Free => {
                self.check_orphan(node, listed, by)?;
                self.check_free(node, heard)?;
                self.blocks.remove(&listed.cidr);
                self.freed += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn member(&self, at: usize) -> Option<Member> {
        let node = &self.nodes[at];
        let life = node.uid?;
        let mirrored = [node.pod_cidr].into_iter().filter(|_| at == MIRROR);
        Some(Member {
            name: node.name.clone(),
            uid: uid(node, life),
            pod_cidrs: mirrored.collect(),
        })
    }

    fn check_orphan(&self, node: usize, block: &Block, by: usize) -> Outcome {
        let owner = &self.nodes[node];
        let another = node == MIRROR && owner.pod_cidr != block.cidr;
        prop_assert!(owner.uid.is_none() || another, "node {} lives", owner.name);
        prop_assert!(!self.paused, "paused");
        prop_assert!(!self.reflectors[by].blind, "by who cannot see");
        Ok(())
    }

    fn check_free(&self, node: usize, heard: u8) -> Outcome {
        if node == MIRROR {
            prop_assert!(heard < 2, "heard of alive");
            return Ok(());
        }
        prop_assert_eq!(heard, 0, "heard of");
        let gone = self.nodes[node].gone.map(|gone| self.seconds - gone);
        prop_assert!(gone >= Some(DELAY), "gone for {:?} only", gone);
        Ok(())
    }
}
