//! The tables of the reference topology, written out by hand.

use super::*;
use crate::topology::{Cores, Role, Zones, reference};

const THREE_ZONES: (Zones, Cores) = (Zones::Three, Cores::One);
const TWO_CORES: (Zones, Cores) = (Zones::Two, Cores::Two);

/// Compares the table of a box with one in short: each choice between braces is a line of its own.
fn assert_table((zones, cores): (Zones, Cores), name: &str, wanted: &str) {
    let mut wanted: Vec<String> = wanted.lines().flat_map(spelled).collect();
    let tables = expected(&reference(zones, cores).unwrap());
    let mut found = tables[name].clone();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted, "{name}");
}

/// `10.{2,3}.0.0/24 via 10.250.{same}.1` is two lines, `{same}` being the choice of the line.
fn spelled(line: &str) -> Vec<String> {
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = line.split_once('{').map(|(_, rest)| rest);
    match rest.and_then(|rest| rest.split_once('}')) {
        None if line.is_empty() => Vec::new(),
        None => vec![line],
        Some((choices, _)) => {
            let spell = |choice: &str| {
                let line = line.replace(&format!("{{{choices}}}"), choice);
                line.replace("{same}", choice)
            };
            choices.split(',').map(spell).collect()
        }
    }
}

#[test]
fn the_backbone_has_the_aggregates_and_the_node_subnets() {
    assert_table(
        THREE_ZONES,
        "bb1",
        "10.{1,2,3}.0.0/24    via 10.250.{same}.1
         10.10{1,2,3}.0.0/16  via 10.250.{same}.1
         fd00:{1,2,3}::/64    via fd00:250:{same}::101
         fd00:10{1,2,3}::/48  via fd00:250:{same}::101",
    );
    assert_table(
        THREE_ZONES,
        "bb2",
        "10.{1,2,3}.0.0/24    via 10.250.{same}.3
         10.10{1,2,3}.0.0/16  via 10.250.{same}.3
         fd00:{1,2,3}::/64    via fd00:250:{same}::103
         fd00:10{1,2,3}::/48  via fd00:250:{same}::103",
    );
}

#[test]
fn a_core_has_the_specifics_by_their_nodes_and_the_aggregate_by_the_reflectors() {
    assert_table(
        THREE_ZONES,
        "c1",
        "10.101.0.0/16                        via 10.1.0.11, 10.1.0.12
         10.101.{11,12,21,22,31,32}.0/24      via 10.1.0.{same}
         10.{2,3}.0.0/24                      via 10.250.1.0, 10.250.1.2
         10.{102,103}.0.0/16                  via 10.250.1.0, 10.250.1.2
         203.0.113.0/24                       via 10.250.1.0, 10.250.1.2
         fd00:101::/48                        via fd00:1::11, fd00:1::12
         fd00:101:0:{11,12,21,22,31,32}::/64  via fd00:1::{same}
         fd00:{2,3}::/64                      via fd00:250:1::100, fd00:250:1::102
         fd00:{102,103}::/48                  via fd00:250:1::100, fd00:250:1::102
         fd00:203::/64                        via fd00:250:1::100, fd00:250:1::102",
    );
}

#[test]
fn a_node_has_its_zone_directly_and_the_rest_by_its_core() {
    assert_table(
        THREE_ZONES,
        "z1w1",
        "default                           via 10.1.0.1
         10.101.{11,12,22,31,32}.0/24      via 10.1.0.{same}
         unreachable 10.101.21.0/24
         10.{102,103}.0.0/16               via 10.1.0.1
         10.{2,3}.0.0/24                   via 10.1.0.1
         203.0.113.0/24                    via 10.1.0.1
         default                           via fd00:1::1
         fd00:101:0:{11,12,22,31,32}::/64  via fd00:1::{same}
         unreachable fd00:101:0:21::/64
         fd00:{102,103}::/48               via fd00:1::1
         fd00:{2,3}::/64                   via fd00:1::1
         fd00:203::/64                     via fd00:1::1",
    );
}

#[test]
fn a_reflector_has_a_sink_for_the_aggregate_as_well() {
    assert_table(
        (Zones::Two, Cores::One),
        "z2m1",
        "default                              via 10.2.0.1
         unreachable 10.102.0.0/16
         unreachable 10.102.11.0/24
         10.102.{12,21,22,31,32}.0/24         via 10.2.0.{same}
         {10.1.0.0/24,10.101.0.0/16}          via 10.2.0.1
         203.0.113.0/24                       via 10.2.0.1
         default                              via fd00:2::1
         unreachable fd00:102::/48
         unreachable fd00:102:0:11::/64
         fd00:102:0:{12,21,22,31,32}::/64     via fd00:2::{same}
         {fd00:1::/64,fd00:101::/48}          via fd00:2::1
         fd00:203::/64                        via fd00:2::1",
    );
}

#[test]
fn two_cores_share_the_load() {
    assert_table(
        TWO_CORES,
        "bb1",
        "10.{1,2}.0.0/24    via 10.250.{same}.1, 10.250.{same}.11
         10.10{1,2}.0.0/16  via 10.250.{same}.1, 10.250.{same}.11
         fd00:{1,2}::/64    via fd00:250:{same}::101, fd00:250:{same}::111
         fd00:10{1,2}::/48  via fd00:250:{same}::101, fd00:250:{same}::111",
    );
    let tables = expected(&reference(Zones::Two, Cores::Two).unwrap());
    for wanted in [
        "default via 10.1.0.1, 10.1.0.2",
        "10.102.0.0/16 via 10.1.0.1, 10.1.0.2",
        "fd00:203::/64 via fd00:1::1, fd00:1::2",
    ] {
        assert!(tables["z1w1"].iter().any(|line| line == wanted), "{wanted}");
    }
    let by_the_backbone = "10.102.0.0/16 via 10.250.1.10, 10.250.1.12";
    assert!(tables["c1b"].iter().any(|line| line == by_the_backbone));
    assert_eq!(
        tables["cl"],
        [
            "default via 203.0.113.1, 203.0.113.2",
            "default via fd00:203::1, fd00:203::2"
        ]
    );
}

/// A core and then its whole zone lose the backbone.
#[test]
fn who_has_no_way_out_goes_by_the_other_core_or_stays_inside() {
    let mut topology = reference(Zones::Two, Cores::Two).unwrap();
    topology.cut_off("c1");
    let tables = expected(&topology);
    let has = |tables: &Tables, name: &str, line: &str| tables[name].iter().any(|l| l == line);
    assert!(has(&tables, "bb1", "10.101.0.0/16 via 10.250.1.11"));
    assert!(has(&tables, "c1", "10.102.0.0/16 via 10.1.0.2"));
    assert!(has(&tables, "c1", "fd00:101:0:21::/64 via fd00:1::21"));
    assert!(has(
        &tables,
        "c1b",
        "fd00:203::/64 via fd00:250:1::110, fd00:250:1::112"
    ));
    assert!(has(&tables, "z1w1", "10.2.0.0/24 via 10.1.0.2"));
    assert!(has(&tables, "z1w1", "default via 10.1.0.1, 10.1.0.2"));
    assert!(has(&tables, "z2w1", "10.101.0.0/16 via 10.2.0.1, 10.2.0.2"));

    topology.cut_off("c1b");
    let tables = expected(&topology);
    assert_eq!(tables["c1"], tables["c1b"],);
    assert_eq!(tables["c1"].len(), 2 * (1 + 6));
    let (of_zone_1, of_zone_2) = ("10.1", "10.2");
    for (name, foreign) in [("z1w1", of_zone_2), ("z2w1", of_zone_1), ("c2", of_zone_1)] {
        let pods = foreign.replace("10.", "10.10");
        let strange = tables[name].iter().find(|line| {
            line.starts_with(&format!("{foreign}.")) || line.starts_with(&format!("{pods}."))
        });
        assert_eq!(strange, None, "{name}");
    }
}

#[test]
fn a_block_that_went_with_its_node_to_another_zone_leaves_that_zone() {
    let mut topology = reference(Zones::Two, Cores::One).unwrap();
    for plan in &mut topology.boxes {
        if let Role::Node(node) = &mut plan.role
            && node.name.as_str() == "z1w1"
        {
            node.zone = "z2".parse().unwrap();
            node.internal_ips = ["10.2.0.23", "fd00:2::23"]
                .map(|ip| ip.parse().unwrap())
                .into();
            plan.addresses.clear();
        }
    }
    let tables = expected(&topology);
    for (name, wanted) in [
        ("bb1", "10.101.21.0/24 via 10.250.2.1"),
        ("c1", "10.101.21.0/24 via 10.250.1.0, 10.250.1.2"),
        ("c2", "10.101.21.0/24 via 10.2.0.23"),
        ("z1w2", "fd00:101:0:21::/64 via fd00:1::1"),
        ("z2w1", "fd00:101:0:21::/64 via fd00:2::23"),
    ] {
        let found = &tables[name];
        assert!(
            found.iter().any(|line| line == wanted),
            "{name}: {wanted}: {found:#?}"
        );
    }
}

#[test]
fn what_ip_shows_is_read_in_the_same_words() {
    let shown = r#"[
        {"dst":"default","gateway":"10.1.0.1","dev":"eth0","flags":[]},
        {"dst":"10.1.0.0/24","dev":"eth0","protocol":"kernel","scope":"link","prefsrc":"10.1.0.21","flags":[]},
        {"dst":"10.2.0.0/24","nhid":7,"metric":20,"flags":[],"nexthops":[
            {"gateway":"10.250.1.2","dev":"bb2","weight":1,"flags":[]},
            {"gateway":"10.250.1.0","dev":"bb1","weight":1,"flags":[]}]},
        {"type":"unreachable","dst":"10.101.21.0/24","protocol":"203","metric":4000000000,"flags":[]},
        {"dst":"10.101.21.7","dev":"gh0123456789ab","protocol":"200","scope":"link","metric":10,"flags":[]}]"#;
    let shown: Vec<Shown> = serde_json::from_str(shown).unwrap();
    let read = shown
        .into_iter()
        .filter_map(|route| route.read(Family::V4).unwrap());
    assert_eq!(
        lines(read),
        [
            "default via 10.1.0.1",
            "10.2.0.0/24 via 10.250.1.0, 10.250.1.2",
            "unreachable 10.101.21.0/24",
        ]
    );
}
