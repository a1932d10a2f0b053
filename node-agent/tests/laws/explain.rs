use crate::make::{UPLINK, block, cluster, links, me, seen};
use gingham_agent::bgp::learned::Learned;
use gingham_agent::cluster::Cluster;
use gingham_agent::explain::{Explained, Holder, Inputs, Kernel, choose, explain};
use gingham_agent::links::Links;
use gingham_agent::pass::Seen;
use gingham_agent::table;
use gingham_bgp::attributes::Origin;
use gingham_bgp::rib::{Freshness, Loss, Provenance, Standing};
use gingham_bgp::speaker::report::{AttributesReport, PathReport, PrefixReport};
use gingham_model::{Owner, Prefix, RouteKey, RouteProtocol, TABLE_MAIN};
use gingham_netlink::Link;
use gingham_netlink::fib::{Entry, Leads, Lookup, Way};
use nix::errno::Errno;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn via(text: &str) -> Leads {
    Leads::Out(vec![Way {
        via: Some(text.parse().unwrap()),
        dev: UPLINK,
    }])
}

fn entry(at: &str, (protocol, metric): (u8, u32), leads: Leads) -> Entry {
    Entry {
        key: RouteKey {
            table: TABLE_MAIN,
            prefix: prefix(at),
            metric,
        },
        protocol: RouteProtocol(protocol),
        leads,
    }
}

fn of(owner: Owner, at: &str, leads: Leads) -> Entry {
    entry(at, (owner.protocol().0, owner.metric()), leads)
}

fn default() -> Entry {
    entry("0.0.0.0/0", (4, 0), via("10.1.0.254"))
}

/// A kernel with these routes, which goes by them.
fn kernel(around: Vec<Entry>) -> Kernel {
    let lookup = match choose(&around).cloned() {
        None => Lookup::Refused(Errno::ENETUNREACH),
        Some(Entry {
            leads: Leads::Nowhere(errno),
            ..
        }) => Lookup::Refused(errno),
        Some(route) => Lookup::Taken {
            leads: route.leads.clone(),
            route,
        },
    };
    Kernel {
        links: links(),
        around,
        lookup,
    }
}

/// One question, with nothing known of BGP.
fn asked(address: &str, seen: &Seen, kernel: &Kernel) -> Explained {
    asked_with(address, seen, (kernel, &Ok(Vec::new())))
}

fn asked_with(
    address: &str,
    seen: &Seen,
    (kernel, paths): (&Kernel, &Result<Vec<PrefixReport>, String>),
) -> Explained {
    explain(&Inputs {
        address: address.parse().unwrap(),
        me: &me(),
        cluster: &seen.cluster,
        seen: Some(seen),
        kernel,
        paths,
    })
}

/// w1 is this node, w2 stands beside it, w9 in another zone.
fn world() -> Cluster {
    let mut far = block("10.65.9.0/24", "w9", &["10.2.0.9"]);
    far.zone = "z2".parse().unwrap();
    cluster(&[
        block("10.64.1.0/24", "w1", &["10.1.0.1"]),
        block("10.64.2.0/24", "w2", &["10.1.0.2"]),
        far,
    ])
}

#[test]
fn a_block_of_a_neighbour_is_reached_directly() {
    let around = vec![
        of(Owner::Direct, "10.64.2.0/24", via("10.1.0.2")),
        default(),
    ];
    let explained = asked(
        "10.64.2.7",
        &seen(world(), Learned::default()),
        &kernel(around),
    );
    assert_eq!(explained.disagreements, [""; 0]);
    let expected = "\
Address  10.64.2.7
Held by  node w2: Block 10.64.2.0/24 of pool z1, Active
Zone     z1
Route    10.64.2.0/24 via 10.1.0.2 dev eth0, protocol 201 (direct), metric 12
Because  the longest match of 2
Origin   direct, by Block object 10-64-2-0-24
Kernel   via 10.1.0.2 dev eth0, by route 10.64.2.0/24 metric 12 protocol 201 (direct)

OTHER ROUTE  LEADS                    PROTOCOL    METRIC  NOT BECAUSE
0.0.0.0/0    via 10.1.0.254 dev eth0  4 (static)  0       shorter match: /0, best has /24
";
    assert_eq!(table::explained(&explained), expected);
}

#[test]
fn an_address_nobody_has_ends_at_the_nodes_own_block() {
    let sink = of(
        Owner::Sink,
        "10.64.1.0/24",
        Leads::Nowhere(Errno::EHOSTUNREACH),
    );
    let explained = asked(
        "10.64.1.7",
        &seen(world(), Learned::default()),
        &kernel(vec![sink, default()]),
    );
    assert_eq!(explained.disagreements, [""; 0]);
    assert_eq!(
        explained.origin,
        "own block: no pod of this node holds the address"
    );
    assert_eq!(explained.kernel, "nowhere: No route to host");
    assert!(matches!(explained.holder, Holder::Block { node, .. } if node == me()));
}

#[test]
fn a_pod_of_this_node_is_named() {
    let mut far_end = crate::make::link(7, "gh0");
    far_end.alias = Some("default/web eth0".to_owned());
    let link: Link = far_end;
    let mut kernel = kernel(vec![
        of(
            Owner::Pod,
            "10.64.1.7/32",
            Leads::Out(vec![Way { via: None, dev: 7 }]),
        ),
        of(
            Owner::Sink,
            "10.64.1.0/24",
            Leads::Nowhere(Errno::EHOSTUNREACH),
        ),
    ]);
    kernel.links = Links::new(vec![link], Vec::new());
    let explained = asked("10.64.1.7", &seen(world(), Learned::default()), &kernel);
    assert_eq!(explained.disagreements, [""; 0]);
    assert_eq!(
        explained.holder.to_string(),
        "pod default/web eth0 of this node"
    );
    assert_eq!(explained.origin, "a pod of this node, by the plugin");
}

#[test]
fn who_holds_an_address_is_told_without_a_route_to_it() {
    let nothing = kernel(Vec::new());
    let seen = seen(world(), Learned::default());
    for (address, holder, zone) in [
        (
            "10.64.2.1",
            "node w2: Block 10.64.2.0/24 of pool z1, Active",
            "z1",
        ),
        (
            "10.65.9.1",
            "node w9: Block 10.65.9.0/24 of pool z1, Active",
            "z2",
        ),
        (
            "10.64.77.1",
            "nobody: 10.64.0.0/16 of pool z1, in no Block known here",
            "z1",
        ),
        ("10.1.0.1", "node w1 itself", "z1"),
        ("10.2.0.9", "node w9 itself", "z2"),
        ("192.0.2.1", "nobody in this cluster", ""),
    ] {
        let explained = asked(address, &seen, &nothing);
        assert_eq!(explained.holder.to_string(), holder);
        let told = explained.holder.zone().map_or("", |zone| zone.as_str());
        assert_eq!((told, explained.origin.as_str()), (zone, "no route"));
    }
}

fn path(peer: &str, as_path: &str, standing: Standing) -> PathReport {
    PathReport {
        peer: peer.to_owned(),
        path_id: 0,
        provenance: Provenance::Outside,
        freshness: Freshness::Fresh,
        standing,
        attributes: AttributesReport {
            next_hop: "10.1.0.254".parse().unwrap(),
            as_path: as_path.to_owned(),
            origin: Origin::Igp,
            local_pref: Some(100),
            med: None,
            communities: Vec::new(),
            extended_communities: Vec::new(),
            large_communities: Vec::new(),
            originator_id: None,
            cluster_list: Vec::new(),
        },
    }
}

#[test]
fn a_learned_route_names_its_peers_and_every_loser() {
    let learned = of(Owner::Learned, "10.65.0.0/16", via("10.1.0.254"));
    // The plan of this test knows no BGP.
    let paths = Ok(vec![PrefixReport {
        prefix: prefix("10.65.0.0/16"),
        paths: vec![
            path("m1", "65000 64602", Standing::Best),
            path(
                "m2",
                "65000 64602 1",
                Standing::Lost(Loss::AsPathHops { ours: 3, best: 2 }),
            ),
        ],
    }]);
    let explained = asked_with(
        "10.65.9.1",
        &seen(world(), Learned::default()),
        (&kernel(vec![learned]), &paths),
    );
    assert_eq!(
        explained.origin,
        "learned by BGP from m1 (AS path 65000 64602)"
    );
    let text = table::explained(&explained);
    let expected = "
BGP paths to 10.65.0.0/16
FROM  ID  NEXT HOP    AS PATH        LOCAL PREF  MED  PROVENANCE  FRESHNESS  STANDING
m1    0   10.1.0.254  65000 64602    100         -    outside     fresh      best: the next one lost at AS path length
m2    0   10.1.0.254  65000 64602 1  100         -    outside     fresh      lost at AS path length: 3, best has 2
";
    assert!(text.ends_with(expected), "{text}");
    let silent = Err("no BGP speaker runs on this node".to_owned());
    let learned = of(Owner::Learned, "10.65.0.0/16", via("10.1.0.254"));
    let explained = asked_with(
        "10.65.9.1",
        &seen(world(), Learned::default()),
        (&kernel(vec![learned]), &silent),
    );
    assert!(
        explained
            .origin
            .ends_with("from whom is not known: no BGP speaker runs on this node")
    );
}

/// What kernel and plan do not agree on is said, in words.
#[test]
fn disagreement_is_loud() {
    let seen = seen(world(), Learned::default());
    let direct = || of(Owner::Direct, "10.64.2.0/24", via("10.1.0.2"));
    let told = |around: Vec<Entry>| asked("10.64.2.7", &seen, &kernel(around)).disagreements;
    assert_eq!(told(vec![direct(), default()]), [""; 0]);
    let planned = "the plan wants the direct route 10.64.2.0/24 via 10.1.0.2 dev eth0, and ";
    assert_eq!(
        told(vec![default()]),
        [format!("{planned}the kernel has it not")]
    );
    let bent = of(Owner::Direct, "10.64.2.0/24", via("10.1.0.66"));
    assert_eq!(
        told(vec![bent]),
        [format!(
            "{planned}in the kernel it leads via 10.1.0.66 dev eth0"
        )]
    );
    let foreign = entry("10.64.2.0/25", (4, 0), via("10.1.0.66"));
    assert_eq!(
        told(vec![direct(), foreign]),
        [format!(
            "{planned}the kernel goes by 10.64.2.0/25 metric 0 protocol 4 (static) of others"
        )]
    );
    let stray = of(Owner::Learned, "10.64.2.7/32", via("10.1.0.66"));
    assert_eq!(
        told(vec![direct(), stray]),
        [format!(
            "{planned}the kernel goes by 10.64.2.7/32 metric 40 protocol 202 (learned), \
             which is not in the plan"
        )]
    );
    let connected = entry(
        "10.64.2.0/28",
        (2, 0),
        Leads::Out(vec![Way {
            via: None,
            dev: UPLINK,
        }]),
    );
    assert_eq!(
        told(vec![direct(), connected]),
        [""; 0],
        "the kernel's own is no foreign hand"
    );
    let stray = of(Owner::Direct, "192.0.2.0/24", via("10.1.0.2"));
    let strays = asked("192.0.2.1", &seen, &kernel(vec![stray])).disagreements;
    assert_eq!(
        strays,
        [
            "the plan has no route, and the kernel goes by 192.0.2.0/24 metric 12 protocol 201 (direct)"
        ]
    );
}

/// A rule may send the packet elsewhere than the tables would.
#[test]
fn the_kernels_own_word_counts() {
    let seen = seen(world(), Learned::default());
    let mut kernel = kernel(vec![
        of(Owner::Direct, "10.64.2.0/24", via("10.1.0.2")),
        default(),
    ]);
    kernel.lookup = Lookup::Refused(Errno::EACCES);
    let explained = asked("10.64.2.7", &seen, &kernel);
    let [told] = &explained.disagreements[..] else {
        panic!("{explained:?}")
    };
    let by = "the kernel should go by 10.64.2.0/24 metric 12 protocol 201 (direct), and it says: \
              nowhere: Permission denied";
    assert!(told.contains(by), "{told}");
    assert!(table::explained(&explained).contains("\nKERNEL AND PLAN DISAGREE:\n"));
}

fn some_entries() -> impl Strategy<Value = (Ipv4Addr, Vec<Entry>)> {
    let entry = (
        0u8..=32,
        0u32..4,
        prop::sample::select(vec![253u32, 254, 255, 1000]),
        0u8..6,
    );
    (any::<u32>(), prop::collection::vec(entry, 0..12)).prop_map(|(bits, parts)| {
        let address = Ipv4Addr::from_bits(bits);
        let entries = parts
            .into_iter()
            .map(|(length, metric, table, leads)| Entry {
                key: RouteKey {
                    table,
                    prefix: Prefix::containing(address.into(), length).unwrap(),
                    metric,
                },
                protocol: RouteProtocol(4),
                leads: match leads {
                    0 => Leads::NextTable,
                    1 => Leads::Nowhere(Errno::EHOSTUNREACH),
                    _ => via("10.1.0.2"),
                },
            });
        (address, entries.collect())
    })
}

proptest! {
    /// The chosen route is the longest match of the lowest metric in the first table that does not
    /// pass the packet on.
    #[test]
    fn the_longest_match_of_the_lowest_metric_is_chosen((_, entries) in some_entries()) {
        let best_of = |table: u32| {
            let of_it = || entries.iter().filter(|entry| entry.key.table == table);
            let longest = of_it().map(|entry| entry.key.prefix.length()).max()?;
            let longest = move |entry: &&Entry| entry.key.prefix.length() == longest;
            let lowest = of_it().filter(longest).map(|entry| entry.key.metric).min()?;
            of_it().filter(longest).find(|entry| entry.key.metric == lowest)
        };
        let asked = [255, 254, 253].into_iter().filter_map(best_of);
        let expected = asked.into_iter().find(|entry| entry.leads != Leads::NextTable);
        prop_assert_eq!(choose(&entries), expected);
    }

    /// A kernel that goes by its own tables is never said to disagree with them, and every route
    /// around the address is accounted for once.
    #[test]
    fn nothing_is_lost_and_nothing_is_made_up((address, entries) in some_entries()) {
        let mut seen = seen(world(), Learned::default());
        // Without a plan there is nothing to disagree with.
        Arc::make_mut(&mut seen.plan).routes.clear();
        let known = entries.iter().filter(|entry| entry.key.table != 1000).count();
        let address = IpAddr::V4(address).to_string();
        let explained = asked(&address, &seen, &kernel(entries));
        prop_assert_eq!(explained.disagreements, Vec::<String>::new());
        let told = explained.others.len() + usize::from(explained.chosen.is_some());
        prop_assert_eq!(told, known);
    }
}
