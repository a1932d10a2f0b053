//! The plugin killed after each of its system calls in turn, of ADD, DEL and GC: whoever comes next, be it
//! the runtime's DEL, its GC or the agent, takes away whatever was left, and pods can be made as before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod killed_world;

use killed_world::{World, trace::End};
use std::collections::BTreeSet;

/// Kills an ADD after its first system call, after its second and so on until one succeeds. After each
/// `clear` must leave nothing, and the pod and another can be attached.
fn kill_every_add(clear: impl Fn(&mut World)) {
    let mut world = World::new();
    let mut left = BTreeSet::new();
    for call in 1.. {
        let traced = world.traced("ADD", call);
        left.insert(world.remains());
        if let End::Done(_) = traced.end {
            traced.assert_succeeded();
            break;
        }
        clear(&mut world);
        world.assert_clean(&format!("ADD killed after {traced}"));
        world.both_pods_come_and_go();
    }
    let all = [
        "no lease, 0 links",
        "Intent, 0 links",
        "Intent, 1 links",
        "Held, 1 links",
    ];
    assert_eq!(
        left,
        all.map(str::to_owned).into(),
        "what an ADD goes through"
    );
}

/// The same with the DEL of a pod that was attached.
fn kill_every_del(clear: impl Fn(&mut World)) {
    let mut world = World::new();
    let mut left = BTreeSet::new();
    for call in 1.. {
        world.add();
        let traced = world.traced("DEL", call);
        left.insert(world.remains());
        if let End::Done(_) = traced.end {
            traced.assert_succeeded();
            world.assert_clean("a DEL that nobody killed");
            break;
        }
        clear(&mut world);
        world.assert_clean(&format!("DEL killed after {traced}"));
    }
    let all = ["Held, 1 links", "Held, 0 links", "no lease, 0 links"];
    assert_eq!(
        left,
        all.map(str::to_owned).into(),
        "what a DEL goes through"
    );
}

#[test]
fn the_del_after_an_add_that_was_killed_leaves_nothing() {
    kill_every_add(|world| world.del());
}

#[test]
fn the_gc_after_an_add_that_was_killed_leaves_nothing() {
    kill_every_add(|world| world.gc());
}

/// The agent alone, without a DEL: what was half done goes at once, and a pod that was finished when its
/// sandbox goes.
#[test]
fn the_agent_clears_away_what_a_killed_add_left() {
    kill_every_add(|world| {
        world.reconcile();
        if world.remains().starts_with("Held") {
            world.assert_whole();
            world.lose_the_sandbox();
            world.reconcile();
        }
    });
}

#[test]
fn the_del_after_a_del_that_was_killed_leaves_nothing() {
    kill_every_del(|world| world.del());
}

#[test]
fn the_gc_after_a_del_that_was_killed_leaves_nothing() {
    kill_every_del(|world| world.gc());
}

#[test]
fn the_agent_completes_a_del_that_was_killed() {
    kill_every_del(|world| {
        world.lose_the_sandbox();
        world.reconcile();
    });
}

#[test]
fn the_gc_after_a_gc_that_was_killed_leaves_nothing() {
    let mut world = World::new();
    for call in 1.. {
        world.add_both();
        let traced = world.traced("GC", call);
        let done = matches!(traced.end, End::Done(_));
        if done {
            traced.assert_succeeded();
        } else {
            world.gc();
        }
        world.assert_clean(&format!("GC killed after {traced}"));
        if done {
            break;
        }
    }
}
