//! What the settings are to be, and what putting them back takes.

use crate::make::{UPLINK, links, node};
use gingham_agent::sysctls::{
    Absent, Need, Record, Scope, Setting, Verdict, Want, next_hops, settings, wanted,
};
use gingham_model::{Family, NextHop, Owner, Route, Target};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn names(settings: &[Setting]) -> Vec<&str> {
    settings
        .iter()
        .map(|setting| setting.name.as_str())
        .collect()
}

fn thresholds(settings: &[Setting]) -> Vec<u32> {
    let least = settings.iter().filter_map(|setting| match setting.want {
        Want::AtLeast(least) => Some(least),
        _ => None,
    });
    least.collect()
}

/// One family with this many neighbours.
fn zone_of(neighbours: usize) -> Vec<Setting> {
    settings(&Scope {
        families: [Family::V6].into(),
        neighbours: [(Family::V6, neighbours)].into(),
        ..Scope::default()
    })
}

#[test]
fn a_node_of_one_uplink_is_told_by_its_addresses_and_next_hops() {
    let hop = NextHop {
        via: "10.1.0.2".parse().unwrap(),
        dev: UPLINK,
    };
    let direct = Route::of(
        Owner::Direct,
        "10.64.2.0/24".parse().unwrap(),
        Target::Via(hop.into()),
    );
    let sink = Route::of(
        Owner::Sink,
        "10.64.1.0/24".parse().unwrap(),
        Target::Unreachable,
    );
    let routes = [direct, sink].map(|route| (route.key, route)).into();
    let hops = next_hops(&routes);
    assert_eq!(hops, [hop].into());
    let wanted = wanted(&node("w1", &["10.1.0.1"]), &links(), &hops);
    assert_eq!(
        names(&wanted),
        [
            "net/ipv4/ip_forward",
            "net/ipv4/conf/all/send_redirects",
            "net/ipv4/conf/eth0/send_redirects",
            "net/ipv4/conf/all/rp_filter",
            "net/ipv4/fib_multipath_hash_policy",
            "net/ipv4/neigh/default/gc_thresh3",
            "net/ipv4/neigh/default/gc_thresh2",
            "net/ipv4/neigh/default/gc_thresh1",
        ]
    );
    let must = wanted.iter().filter(|setting| setting.need == Need::Must);
    assert_eq!(must.count(), 1, "what only helps keeps no node from ready");
}

#[test]
fn the_filter_is_loosened_only_where_it_is_strict_in_effect() {
    let two = Verdict::Write("2".to_owned());
    for (own, all, expected) in [
        ("0", "0", Verdict::Met),
        ("1", "0", two.clone()),
        ("0", "1", two.clone()),
        ("1", "1", two),
        ("2", "1", Verdict::Met),
        ("0", "2", Verdict::Met),
        ("1", "2", Verdict::Met),
    ] {
        assert_eq!(Want::NotStrict.judge(own, all), expected, "{own} {all}");
    }
}

proptest! {
    /// Room for every neighbour, the kernel's proportions, and no change for one node more.
    #[test]
    fn thresholds_grow_with_the_zone_and_seldom(neighbours in 0_usize..100_000) {
        let settings = zone_of(neighbours);
        let [third, second, first] = thresholds(&settings)[..] else {
            panic!("{settings:#?}");
        };
        prop_assert!(first as usize >= neighbours);
        prop_assert_eq!((second, third), (first * 4, first * 8));
        prop_assert!(first.is_power_of_two());
        let silent = settings.iter().filter(|setting| setting.absent == Absent::Fine);
        prop_assert_eq!(silent.count(), if neighbours > 128 { 0 } else { 3 });
    }

    /// Whatever is written, it is then as wanted.
    #[test]
    fn what_is_written_is_what_is_wanted(present in 0_u32..5000, all in 0_u32..3, least: u32) {
        for want in [
            Want::Exactly("1"),
            Want::Instead { of: "1", value: "2" },
            Want::AtLeast(least),
            Want::NotStrict,
        ] {
            let all = all.to_string();
            if let Verdict::Write(value) = want.judge(&present.to_string(), &all) {
                prop_assert_eq!(want.judge(&value, &all), Verdict::Met);
            }
        }
    }

    /// However often settings change, putting them back ends where they began, and is then done.
    #[test]
    fn what_is_put_back_is_what_was_first(changes in prop::collection::vec((0_u8..4, 0_u8..4), 0..20)) {
        let mut record = Record::default();
        let mut now: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in changes {
            let before = now.entry(format!("s{name}")).or_insert_with(|| "0".to_owned());
            let value = value.to_string();
            if *before != value {
                record.remember(&format!("s{name}"), before, &value);
                *before = value;
            }
        }
        let restorations = record.restorations(|name| now.get(name).cloned());
        prop_assert!(restorations.others.is_empty());
        for due in restorations.due {
            prop_assert_eq!(&now[&due.name], &due.now);
            now.insert(due.name, due.before);
        }
        prop_assert!(now.values().all(|value| value == "0"), "{now:?}");
        let again = record.restorations(|name| now.get(name).cloned());
        prop_assert!(again.due.is_empty());
    }
}
