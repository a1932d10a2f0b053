//! A reflector that has restarted, a core, and nodes that dial in: the core hears the end of the table
//! when the nodes have said what they have, not before.

use super::world::{World, config};
use crate::speaker::peer::Beginning;
use gingham_model::Family;
use std::collections::BTreeSet;

/// 1 reflects for nodes 2 and 3, which dial in from a range, and for the core 5.
fn reflector(nodes: &[u8]) -> String {
    let blocks: Vec<String> = nodes
        .iter()
        .map(|it| {
            format!("10.64.{it}.0/24: {{node: n{it}, addresses: [10.0.0.{it}, 'fd00::{it}']}}")
        })
        .collect();
    format!(
        "{{asn: 64512, routerId: 10.0.0.1, listen: ['0.0.0.0:179'],
        neighbours: [{{name: core, address: 10.0.0.5, asn: 64512, role: client, scope: outside}}],
        ranges: [{{name: nodes, prefix: 10.0.0.0/24, asn: 64512, role: client, scope: node}}],
        territory: {{node: n1, blocks: {{{}}}}}}}",
        blocks.join(", ")
    )
}

fn client(node: u8) -> String {
    let own = format!("{{prefix: 10.64.{node}.0/24}}");
    super::reflection::client(node)
        .replace("neighbours:", &format!("announce: [{own}], neighbours:"))
}

fn world() -> World {
    let others = [2, 3].map(client);
    World::new(&[
        (1, &reflector(&[1, 2, 3])),
        (2, &others[0]),
        (3, &others[1]),
        (5, &super::reflection::client(5)),
    ])
}

fn restart(world: &mut World, yaml: &str) {
    let forwarding = BTreeSet::from([Family::V4]);
    world.start(1, config(yaml), Beginning { forwarding });
}

fn block(node: u8, more: &str) -> String {
    format!(
        "10.64.{node}.0/24 from one via 10.0.0.{node}, by 10.0.0.{node}, through 10.0.0.1{more}"
    )
}

/// 1 restarts while 3 cannot reach it.
fn without_three() -> World {
    let mut world = world();
    assert_eq!(world.table(5), [block(2, ""), block(3, "")]);
    world.kill(1);
    world.cut(1, 3);
    restart(&mut world, &reflector(&[1, 2, 3]));
    world.run(6);
    assert!(world.is_up(5, "one") && world.is_up(2, "one"));
    world
}

#[test]
fn nodes_that_dial_in_are_waited_for() {
    let mut world = without_three();
    assert_eq!(world.table(5), [block(2, ", Stale"), block(3, ", Stale")]);
    world.heal(1, 3);
    world.run(3);
    assert_eq!(world.table(5), [block(2, ""), block(3, "")]);
}

#[test]
fn a_node_that_does_not_come_is_waited_for_so_long_only() {
    let mut world = without_three();
    world.run(3);
    assert_eq!(world.table(5), [block(2, ", Stale"), block(3, ", Stale")]);
    world.run(2);
    assert_eq!(world.table(5), [block(2, "")]);
}

#[test]
fn a_node_that_is_none_any_more_is_not_waited_for() {
    let mut world = without_three();
    world.configure(1, &reflector(&[1, 2]));
    assert_eq!(world.table(5), [block(2, "")]);
}

#[test]
fn who_is_in_a_range_of_others_is_not_waited_for() {
    let mut world = world();
    world.kill(1);
    world.cut(1, 3);
    restart(
        &mut world,
        &reflector(&[1, 2, 3]).replace("scope: node", "scope: anywhere"),
    );
    world.run(6);
    assert_eq!(world.table(5), [block(2, "")]);
}
