//! What is said of objects, and when.

use crate::make::{
    apply, block, boot, cluster, edit_config, me, node, object, pool, refused, seen,
};
use gingham_agent::bgp::learned::Learned;
use gingham_agent::cluster::Cluster;
use gingham_agent::config::NetworkUnavailable;
use gingham_agent::objects::{Kind, Object};
use gingham_agent::report::{
    About, Item, Ledger, Next, Notice, Reason, Repeat, Report, Seat, Verdict, wanted,
};
use gingham_agent::routes::reconcile::Memory;
use gingham_agent::since::Since;
use gingham_agent::snapshot::Known;
use gingham_agent::status::{BgpStatus, RoundStatus};
use gingham_agent::store::Event;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LEADER: Seat = Seat {
    leads: true,
    patience: Duration::from_secs(99),
};
const OTHER: Seat = Seat {
    leads: false,
    ..LEADER
};

/// What is known after a round with nothing to do.
fn known(cluster: Cluster) -> Known {
    Known {
        me: me(),
        boot: boot(),
        run_dir: "/run/gingham".into(),
        cluster: Arc::new(cluster.clone()),
        since: Since::default(),
        seen: Some(Arc::new(seen(cluster, Learned::default()))),
        pods: Arc::default(),
        usage: BTreeMap::new(),
        claims: Vec::new(),
        retained: Default::default(),
        conf: None,
        custody: Default::default(),
        round: RoundStatus::default(),
        memory: Memory::default(),
        bgp: BgpStatus::default(),
    }
}

fn verdicts(known: &Known) -> Vec<(String, Reason, String)> {
    let items = wanted(known, LEADER).into_iter();
    let verdicts = items.filter_map(|item| match item.report {
        Report::Accepted(about, verdict) => {
            Some((about.to_string(), verdict.reason, verdict.message))
        }
        _ => None,
    });
    verdicts.collect()
}

fn notices(known: &Known, seat: Seat) -> Vec<(Notice, Duration)> {
    let items = wanted(known, seat).into_iter();
    let notices = items.filter_map(|item| match item.report {
        Report::Event(notice) => Some((notice, item.settle)),
        _ => None,
    });
    notices.collect()
}

fn reasons(known: &Known) -> Vec<&'static str> {
    let notices = notices(known, OTHER).into_iter();
    notices.map(|(notice, _)| notice.reason).collect()
}

fn clears_the_network(known: &Known) -> bool {
    let items = wanted(known, OTHER);
    items
        .iter()
        .any(|item| matches!(item.report, Report::NetworkAvailable(_)))
}

#[test]
fn what_is_refused_is_not_accepted_by_name_and_the_rest_is() {
    let mut index = cluster(&[]);
    index.apply(apply(pool("z1-more", &[("10.64.4.0/22", "Active")])));
    index.apply(refused(Kind::RoutingConfig, "default"));
    index.apply(apply(object(
        Kind::BgpPeer,
        "core",
        "{peerIP: 10.1.0.254, filters: [none]}",
    )));
    index.apply(apply(object(
        Kind::BgpPeer,
        "other",
        "{peerIP: 10.1.0.253}",
    )));
    index.apply(refused(Kind::BgpPeer, "other"));
    let verdict = |about: &str, reason, message: &str| (about.into(), reason, message.into());
    let overlap = "spec.cidrs[0].cidr 10.64.4.0/22: overlaps 10.64.0.0/16 of ZonePool z1";
    assert_eq!(
        verdicts(&known(index.clone())),
        [
            verdict("ZonePool z1", Reason::Valid, "in force"),
            verdict("ZonePool z1-more", Reason::Overlaps, overlap),
            verdict("RoutingConfig default", Reason::Invalid, "no YAML"),
            verdict(
                "BGPPeer core",
                Reason::Dangling,
                "spec.filters[0]: there is no RouteFilter none"
            ),
            verdict(
                "BGPPeer other",
                Reason::Invalid,
                "no YAML; the last valid version is in force"
            ),
        ]
    );
    let told = notices(&known(index.clone()), LEADER);
    let told: Vec<String> = told
        .iter()
        .map(|(notice, _)| notice.about.to_string())
        .collect();
    let refused = [
        "ZonePool z1-more",
        "RoutingConfig default",
        "BGPPeer core",
        "BGPPeer other",
    ];
    assert_eq!(told, refused);
    assert!(
        notices(&known(index), OTHER).is_empty(),
        "one speaks for all"
    );
}

#[test]
fn an_object_that_changes_is_judged_anew_though_the_verdict_stays() {
    let print = |state| {
        let mut index = cluster(&[]);
        index.apply(apply(pool("z1", &[("10.64.0.0/16", state)])));
        let items = wanted(&known(index), LEADER).into_iter();
        let mut judged = items.filter(|item| matches!(item.report, Report::Accepted(..)));
        judged.next().unwrap()
    };
    assert_eq!(print("Active"), print("Active"));
    assert_eq!(print("Active").report, print("Draining").report);
    assert_ne!(print("Active").print, print("Draining").print);
}

#[test]
fn nothing_is_judged_before_all_of_its_kind_are_known_and_nothing_said_while_the_store_is_away() {
    let mut index = Cluster::default();
    index.apply(apply(pool("z1", &[("10.64.0.0/16", "Active")])));
    assert_eq!(verdicts(&known(index.clone())), []);
    index.apply(Event::Synced(Kind::ZonePool));
    assert_eq!(verdicts(&known(index.clone())).len(), 1);
    index.apply(Event::Failed(Kind::ZonePool, "gone".to_owned()));
    assert!(wanted(&known(index), LEADER).is_empty());
}

#[test]
fn what_keeps_pods_of_this_node_from_others_is_told_of_its_node() {
    let mut index = cluster(&[
        block("10.64.1.0/26", "w2", &["10.9.0.2"]),
        block("10.1.0.0/26", "w3", &["10.1.0.3"]),
        block("10.64.3.0/26", "w4", &["10.1.0.4"]),
        block("10.64.4.0/26", "w5", &["10.1.0.4"]),
    ]);
    let found = known(index.clone());
    let all = [
        "AddressDisputed",
        "NextHopOffLink",
        "BlockWithoutRoute",
        "BlockWithoutRoute",
    ];
    assert_eq!(reasons(&found), all);
    for (notice, settle) in notices(&found, OTHER) {
        assert_eq!(notice.about.to_string(), "Node w1");
        assert!(settle > OTHER.patience, "others see it too: {notice:?}");
    }
    let mut reflector = node("w1", &["10.1.0.1"]);
    let label = "node-role.kubernetes.io/control-plane".to_owned();
    reflector.labels.insert(label, String::new());
    index.apply(apply(Object::Node(reflector)));
    let soon = notices(&known(index), OTHER);
    assert!(soon.len() == 4 && soon.iter().all(|(_, settle)| *settle < OTHER.patience));
}

#[test]
fn what_this_node_alone_sees_is_told_soon() {
    let mut stripped = node("w1", &["10.1.0.1", "fd00:1::1"]);
    stripped.labels.clear();
    let mut index = cluster(&[]);
    index.apply(apply(Object::Node(stripped)));
    let mut found = known(index);
    let incomplete = "Node w1 has no label topology.kubernetes.io/zone".to_owned();
    found.claims = vec![
        incomplete.clone(),
        "no pool of zone z1 has a free IPv4 block".to_owned(),
    ];
    let told = notices(&found, OTHER);
    let lines: Vec<_> = told
        .iter()
        .map(|(notice, _)| (notice.reason, &*notice.note))
        .collect();
    assert_eq!(
        lines,
        [
            ("ZoneUnknown", &*incomplete),
            (
                "BlockNotClaimed",
                "no pool of zone z1 has a free IPv4 block"
            ),
        ]
    );
    assert!(told.iter().all(|(_, settle)| *settle < OTHER.patience));
}

#[test]
fn of_many_a_few_are_told_by_name() {
    let blocks: Vec<_> = (0..9)
        .map(|third| block(&format!("10.64.{third}.0/26"), "w2", &["10.9.0.2"]))
        .collect();
    let found = notices(&known(cluster(&blocks)), OTHER);
    assert_eq!(found.len(), 4);
    assert!(found[3].0.note.starts_with("there are more: "));
}

#[test]
fn the_network_is_said_to_work_once_the_node_is_ready_and_all_is_known() {
    let ready = cluster(&[
        block("10.64.0.0/26", "w1", &["10.1.0.1"]),
        block("fd00:10::/122", "w1", &["fd00:1::1"]),
    ]);
    assert!(clears_the_network(&known(ready.clone())));
    let mut unready = known(ready.clone());
    unready.round.error = Some("no kernel".to_owned());
    assert!(!clears_the_network(&unready));
    let mut leave = ready;
    edit_config(&mut leave, |config| {
        config.network_unavailable = NetworkUnavailable::Leave
    });
    assert!(!clears_the_network(&known(leave)));
}

const SETTLE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(300);
const PERIOD: Duration = Duration::from_secs(1800);

fn event(number: u32) -> Item {
    let notice = Notice {
        about: About {
            kind: Kind::Node,
            name: "w1".to_owned(),
        },
        reason: "Test",
        same: number.to_string(),
        note: String::new(),
    };
    Item {
        report: Report::Event(notice),
        print: 0,
        settle: SETTLE,
        repeat: Repeat::Every {
            period: PERIOD,
            pause: PAUSE,
        },
    }
}

/// Says all that is due, and how much that was.
fn say_all(ledger: &mut Ledger, now: Instant) -> usize {
    let mut said = 0;
    while let Next::Say(report) = ledger.next(now) {
        ledger.said(&report, &Ok::<_, ()>(()), now);
        said += 1;
    }
    said
}

#[test]
fn what_has_stood_is_said_once_and_again_much_later() {
    let start = Instant::now();
    let mut ledger = Ledger::new(start);
    ledger.want(vec![event(1)], start);
    assert_eq!(ledger.next(start), Next::Wait(Some(start + SETTLE)));
    let said = start + SETTLE;
    assert_eq!(say_all(&mut ledger, said), 1);
    for second in 1..60 {
        let now = said + Duration::from_secs(second);
        ledger.want(vec![event(1)], now);
        assert_eq!(ledger.next(now), Next::Wait(Some(said + PERIOD)));
    }
    assert_eq!(say_all(&mut ledger, said + PERIOD), 1);
}

#[test]
fn what_passes_is_not_said_and_what_comes_back_not_at_once() {
    let start = Instant::now();
    let mut ledger = Ledger::new(start);
    ledger.want(vec![event(1)], start);
    ledger.want(Vec::new(), start + SETTLE / 2);
    assert_eq!(ledger.next(start + SETTLE), Next::Wait(None));
    ledger.want(vec![event(1)], start + SETTLE);
    let said = start + SETTLE * 2;
    assert_eq!(say_all(&mut ledger, said), 1);
    ledger.want(Vec::new(), said + SETTLE);
    ledger.want(vec![event(1)], said + SETTLE * 2);
    assert_eq!(
        ledger.next(said + SETTLE * 3),
        Next::Wait(Some(said + PAUSE))
    );
}

#[test]
fn a_report_that_fails_is_tried_ever_later_and_holds_up_no_other() {
    let start = Instant::now();
    let mut ledger = Ledger::new(start);
    ledger.want(vec![event(1)], start);
    let (mut now, report) = (start + SETTLE, event(1).report);
    let mut pauses = Vec::new();
    for failure in 1..10 {
        assert_eq!(ledger.next(now), Next::Say(report.clone()));
        assert_eq!(ledger.said(&report, &Err("forbidden"), now), failure);
        ledger.want(vec![event(1)], now);
        let Next::Wait(Some(next)) = ledger.next(now) else {
            panic!("at once");
        };
        pauses.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    ledger.said(&report, &Err("forbidden"), now);
    ledger.want(vec![event(1), event(2)], now);
    assert_eq!(say_all(&mut ledger, now + SETTLE), 1);
}

#[test]
fn another_verdict_is_said_and_the_network_only_once() {
    let start = Instant::now();
    let about = About {
        kind: Kind::ZonePool,
        name: "z1".to_owned(),
    };
    let verdict = |reason, print| Item {
        report: Report::Accepted(
            about.clone(),
            Verdict {
                reason,
                message: String::new(),
            },
        ),
        print,
        ..event(0)
    };
    let once = Item {
        report: Report::NetworkAvailable(me()),
        settle: Duration::ZERO,
        repeat: Repeat::Never,
        ..event(0)
    };
    let mut ledger = Ledger::new(start);
    ledger.want(vec![verdict(Reason::Valid, 1), once.clone()], start);
    assert_eq!(say_all(&mut ledger, start), 1);
    assert_eq!(say_all(&mut ledger, start + SETTLE), 1);
    ledger.want(vec![verdict(Reason::Valid, 1)], start + SETTLE);
    let changed = verdict(Reason::Overlaps, 2);
    ledger.want(vec![changed.clone(), once], start + SETTLE);
    assert_eq!(
        ledger.next(start + SETTLE + PAUSE),
        Next::Say(changed.report)
    );
    assert_eq!(
        say_all(&mut ledger, start + SETTLE + PAUSE),
        1,
        "the network is no news"
    );
}

proptest! {
    /// However many there are, and however they come and go.
    #[test]
    fn events_are_ten_at_once_and_one_a_minute(
        rounds in proptest::collection::vec(proptest::collection::btree_set(0u32..60, 0..60), 1..40),
        step in 1u64..90,
    ) {
        let start = Instant::now();
        let (mut ledger, mut said) = (Ledger::new(start), 0);
        let mut now = start;
        for numbers in rounds {
            let numbers: BTreeSet<u32> = numbers;
            ledger.want(numbers.into_iter().map(event).collect(), now);
            now += Duration::from_secs(step);
            said += say_all(&mut ledger, now);
            let most = 10 + (now - start).as_secs() / 60;
            prop_assert!(said as u64 <= most, "{said} of {most}");
        }
    }
}
