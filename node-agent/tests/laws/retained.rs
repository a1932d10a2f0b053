//! Blocks this node gives addresses out of, which the cluster does not show as its own.

use crate::make::{apply, block, boot, cluster, edit_config, links, me, node, pool, refused};
use gingham_agent::bgp::learned::Learned;
use gingham_agent::claim::{Situation, Step, Unlisted, wanted};
use gingham_agent::cluster::Cluster;
use gingham_agent::objects::{Kind, Object};
use gingham_agent::plan::{Inputs as PlanInputs, Plan, plan};
use gingham_agent::retained::{Inputs, Retained};
use gingham_agent::rollback::Rollback;
use gingham_agent::store::Event;
use gingham_ipam::{NodeBlockState, NodeState};
use gingham_model::{Block, BlockState, Family, NodeName, Owner, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const OURS: &str = "10.64.0.0/26";

fn ips() -> [&'static str; 2] {
    ["10.1.0.1", "fd00:1::1"]
}

fn own(cidr: &str) -> Block {
    block(cidr, "w1", &ips())
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn planned(index: &Cluster, retained: &Retained) -> Plan {
    plan(&PlanInputs {
        me: &me(),
        cluster: index,
        retained,
        links: &links(),
        boot: &boot(),
        learned: &Learned::default(),
        aggregates: &BTreeSet::new(),
    })
}

/// What the plugin was told while all of it was there.
fn told() -> NodeState {
    let index = cluster(&[own(OURS), own("10.64.0.64/26"), own("fd00:10::/122")]);
    planned(&index, &Retained::default()).node_state.unwrap()
}

fn without(cidrs: &[&str]) -> Cluster {
    let mut index = cluster(&[own(OURS), own("10.64.0.64/26"), own("fd00:10::/122")]);
    for cidr in cidrs {
        let name = Block::object_name(prefix(cidr));
        index.apply(Event::Delete(Kind::Block, name));
    }
    index
}

fn retained(index: &Cluster, told: &NodeState, in_use: &[&str]) -> Retained {
    Retained::of(&Inputs {
        me: &me(),
        cluster: index,
        told,
        in_use: &in_use.iter().map(|cidr| prefix(cidr)).collect(),
        taken: &BTreeMap::new(),
    })
}

/// Tells the plugin that a block drains.
fn draining(mut told: NodeState, cidr: &str) -> NodeState {
    let mut blocks = told.blocks.iter_mut();
    let block = blocks.find(|block| block.cidr == prefix(cidr)).unwrap();
    block.state = NodeBlockState::Draining;
    told
}

#[test]
fn a_block_that_vanished_is_created_again_and_everything_goes_on_meanwhile() {
    let (before, after) = (without(&[]), without(&[OURS, "fd00:10::/122"]));
    let found = retained(&after, &told(), &[]);
    assert_eq!(found.missing, [own(OURS), own("fd00:10::/122")]);
    assert!(found.lost.is_empty());
    let (whole, kept) = (
        planned(&before, &Retained::default()),
        planned(&after, &found),
    );
    assert_eq!(kept.node_state, whole.node_state);
    assert_eq!(kept.routes, whole.routes);
    assert_eq!(kept.owners, whole.owners, "it is announced on");
    let back = retained(&before, &told(), &[]);
    assert!(back.is_empty(), "{back:?}");
}

#[test]
fn a_block_that_was_given_back_is_not_created_again() {
    let index = without(&[OURS]);
    let told = draining(told(), OURS);
    assert!(retained(&index, &told, &[]).is_empty());
    let mut wanted = own(OURS);
    wanted.state = BlockState::Draining;
    assert_eq!(retained(&index, &told, &[OURS]).missing, [wanted]);
}

#[test]
fn a_block_in_other_hands_gives_out_nothing_and_is_not_announced() {
    let mut index = without(&[OURS]);
    let theirs = block(OURS, "w2", &["10.1.0.2"]);
    index.apply(apply(Object::Block(theirs)));
    let found = retained(&index, &told(), &[]);
    assert!(found.missing.is_empty());
    assert_eq!(found.lost.keys().collect::<Vec<_>>(), [&prefix(OURS)]);
    let notices: Vec<String> = found.notices().collect();
    assert!(notices[0].contains("10.64.0.0/26 is in the hands of node w2"));
    let plan = planned(&index, &found);
    let state = plan.node_state.unwrap();
    let entry = state.blocks.iter().find(|block| block.cidr == prefix(OURS));
    assert_eq!(entry.unwrap().state, NodeBlockState::Draining);
    let sink = Owner::Sink.key(prefix(OURS));
    assert!(plan.routes.contains_key(&sink));
    assert!(!plan.owners.contains_key(&sink), "not announced");
    assert!(plan.routes.contains_key(&Owner::Direct.key(prefix(OURS))));
    // Once the plugin knows, only pods that are still there keep it.
    let told = draining(told(), OURS);
    assert!(retained(&index, &told, &[]).is_empty());
    assert_eq!(retained(&index, &told, &[OURS]).lost.len(), 1);
}

/// It was the only block of its family, so that otherwise nothing could be published.
#[test]
fn the_plugin_hears_of_a_lost_block_even_where_it_was_the_last_one() {
    let mut index = without(&[OURS, "10.64.0.64/26"]);
    for cidr in [OURS, "10.64.0.64/26"] {
        let theirs = block(cidr, "w2", &["10.1.0.2"]);
        index.apply(apply(Object::Block(theirs)));
    }
    let nothing = planned(&index, &Retained::default());
    assert!(nothing.node_state.is_err());
    let plan = planned(&index, &retained(&index, &told(), &[]));
    let states = plan.node_state.unwrap().blocks;
    let draining = states
        .iter()
        .filter(|b| b.state == NodeBlockState::Draining);
    assert_eq!(draining.count(), 2);
}

#[test]
fn what_cannot_be_read_may_be_ours_and_a_claim_knows_more_than_the_list() {
    let mut index = without(&[]);
    index.apply(refused(Kind::Block, "10-64-0-128-26"));
    let mut told = told();
    told.blocks[0].cidr = prefix("10.64.0.128/26");
    assert!(retained(&index, &told, &[]).is_empty());

    let index = without(&[OURS]);
    let taken = block(OURS, "w2", &["10.1.0.2"]);
    let found = Retained::of(&Inputs {
        me: &me(),
        cluster: &index,
        told: &self::told(),
        in_use: &BTreeSet::new(),
        taken: &[(taken.cidr, taken)].into(),
    });
    assert!(found.missing.is_empty());
    assert_eq!(found.lost.len(), 1);
}

#[test]
fn a_list_that_is_not_complete_shows_nothing_missing() {
    let mut index = Cluster::default();
    index.apply(apply(Object::Node(node("w1", &ips()))));
    index.apply(apply(pool("z1", &[("10.64.0.0/16", "Active")])));
    assert!(retained(&index, &told(), &[OURS]).is_empty());
}

const THEIRS: &str = "10.64.1.0/26";

fn theirs(state: BlockState) -> Block {
    Block {
        state,
        ..block(THEIRS, "w2", &["10.1.0.2"])
    }
}

/// What is noticed of the change from one cluster to another.
fn noticed(before: &Cluster, after: &Cluster, (now, random): (Instant, u64)) -> Rollback {
    let mut rollback = Rollback::after(Arc::new(before.clone()));
    rollback.observe(&Arc::new(after.clone()), &me(), (now, random));
    rollback
}

#[test]
fn an_active_block_that_vanishes_stops_all_carving_for_a_while_and_that_of_its_own_for_longer() {
    let now = Instant::now();
    let before = cluster(&[own(OURS), theirs(BlockState::Active)]);
    let after = cluster(&[own(OURS)]);
    for random in [0, 7_000, u64::MAX] {
        let mut rollback = noticed(&before, &after, (now, random));
        assert!(rollback.holds(now + Duration::from_secs(9)));
        assert!(!rollback.holds(now + Duration::from_secs(30)));
        assert!(rollback.next(now).is_some());
        let after = Arc::new(after.clone());
        rollback.observe(&after, &me(), (now + Duration::from_secs(599), 0));
        assert_eq!(rollback.gone().collect::<Vec<_>>(), [prefix(THEIRS)]);
        rollback.observe(&after, &me(), (now + Duration::from_secs(600), 0));
        assert_eq!(rollback.gone().count(), 0);
    }
    for gone in [BlockState::Draining, BlockState::Orphaned] {
        let before = cluster(&[own(OURS), theirs(gone)]);
        let rollback = noticed(&before, &after, (now, 0));
        assert!(
            !rollback.holds(now) && rollback.gone().count() == 0,
            "{gone:?}"
        );
    }
    assert!(!noticed(&after, &before, (now, 0)).holds(now));
    let mut unread = after.clone();
    unread.apply(refused(Kind::Block, "10-64-1-0-26"));
    assert!(!noticed(&before, &unread, (now, 0)).holds(now));
    let mut moved = before.clone();
    moved.believe(Some("z2".parse().unwrap()));
    let mut here = after.clone();
    here.believe(Some("z1".parse().unwrap()));
    assert!(
        !noticed(&moved, &here, (now, 0)).holds(now),
        "another zone's"
    );
}

/// After a break each kind is whole again at its own time.
#[test]
fn a_block_that_vanishes_during_a_break_is_noticed_when_all_is_known_again() {
    let now = Instant::now();
    let mut index = cluster(&[own(OURS), theirs(BlockState::Active)]);
    let mut rollback = Rollback::default();
    let mut see = |index: &Cluster| {
        rollback.observe(&Arc::new(index.clone()), &me(), (now, 0));
        (rollback.holds(now), rollback.gone().count())
    };
    assert_eq!(see(&index), (false, 0));
    for kind in Kind::ALL {
        index.apply(Event::Failed(kind, "away".to_owned()));
    }
    assert_eq!(see(&index), (false, 0));
    index.apply(Event::Delete(Kind::Block, "10-64-1-0-26".to_owned()));
    index.apply(Event::Synced(Kind::Block));
    assert_eq!(see(&index), (false, 0));
    for kind in Kind::ALL {
        index.apply(Event::Synced(kind));
    }
    assert_eq!(see(&index), (true, 1));
    index.apply(apply(Object::Block(theirs(BlockState::Active))));
    assert_eq!(see(&index), (true, 0));
}

#[test]
fn what_is_reserved_is_not_carved() {
    let index = cluster(&[]);
    let none = BTreeSet::new();
    let carve = |reserved: &BTreeSet<Prefix>| {
        let wanted = wanted(&Situation {
            me: &me(),
            cluster: &index,
            complete: index.complete(&me()).unwrap(),
            unlisted: &Unlisted::default(),
            reserved,
            usage: &BTreeMap::new(),
        });
        let claimed = wanted.steps.into_iter().find_map(|step| match step {
            Step::Claim(block) if block.cidr.family() == Family::V4 => Some(block.cidr),
            _ => None,
        });
        claimed.unwrap()
    };
    let first = carve(&none);
    assert_ne!(carve(&BTreeSet::from([first])), first);
}

#[test]
fn a_pod_cidr_is_created_again_only_while_the_node_lists_it() {
    let mirror = |index: &mut Cluster, listed: &str| {
        let mut own = node("w1", &ips());
        own.pod_cidrs = vec![Ok(prefix(listed))];
        index.apply(apply(Object::Node(own)));
        edit_config(index, |config| {
            let spec = "{podCIDRs: {clusterCIDRs: ['10.64.0.0/16']}}";
            let Object::Config(mirrored) =
                crate::make::object(Kind::RoutingConfig, "default", spec)
            else {
                unreachable!("a RoutingConfig")
            };
            config.pod_cidrs = mirrored.pod_cidrs;
        });
    };
    let mut told = told();
    let entry = &mut told.blocks[0];
    entry.pool = gingham_model::PoolName::node_pod_cidrs();
    let cidr = entry.cidr;
    let mut index = without(&[&cidr.to_string()]);
    mirror(&mut index, &cidr.to_string());
    let found = retained(&index, &told, &[]);
    assert_eq!(found.missing.len(), 1, "{found:?}");
    mirror(&mut index, "10.64.9.0/26");
    let found = retained(&index, &told, &[&cidr.to_string()]);
    assert!(found.missing.is_empty(), "{found:?}");
    let _: NodeName = me();
}
