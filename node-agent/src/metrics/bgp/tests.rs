use super::*;
use gingham_bgp::Asn;
use gingham_bgp::rib::SourceKind;
use prometheus_client::encoding::text::encode;

fn peer(name: &str, (state, lost): (State, u64)) -> PeerReport {
    let family = report::FamilyReport {
        received: 3,
        accepted: 2,
        ..report::FamilyReport::default()
    };
    PeerReport {
        name: name.to_owned(),
        address: "10.1.0.1".parse().unwrap(),
        node: None,
        kind: SourceKind::Client,
        state,
        asn: Asn(64601),
        router_id: None,
        up_seconds: None,
        negotiated: None,
        families: [(IpFamily::V4, family)].into(),
        counters: report::Counters {
            lost,
            refused: [("notItsBlock".to_owned(), lost)].into(),
            ..report::Counters::default()
        },
        last_error: None,
    }
}

/// The samples whose names begin so, after these scrapes one after the other.
fn scraped(scrapes: &[Option<&[PeerReport]>], name: &str) -> Vec<String> {
    let (metrics, mut registry) = (Metrics::default(), Registry::default());
    metrics.register(&mut registry);
    for peers in scrapes {
        metrics.fill(&BgpStatus::default(), *peers);
    }
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let mut samples: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with(name))
        .map(str::to_owned)
        .collect();
    samples.sort();
    samples
}

#[test]
fn peers_of_a_range_are_one_series_and_neighbours_one_each() {
    let peers = [
        peer("c1", (State::Established, 0)),
        peer("nodes/10.1.0.21", (State::Established, 0)),
        peer("nodes/10.1.0.22", (State::Idle, 0)),
    ];
    let of = |name| scraped(&[Some(&peers)], name);
    assert_eq!(of("session_up"), ["session_up{peer=\"c1\"} 1"]);
    assert_eq!(
        of("paths_received"),
        [
            "paths_received{peer=\"c1\",family=\"IPv4\"} 3",
            "paths_received{peer=\"nodes\",family=\"IPv4\"} 6"
        ]
    );
    assert_eq!(of("sessions{").len(), 6, "every state");
    assert!(of("sessions{").contains(&"sessions{state=\"established\"} 2".to_owned()));
    assert_eq!(of("speaker_up"), ["speaker_up 1"]);
}

/// A scrape that finds no speaker, and peers that come and go, take nothing back.
#[test]
fn counters_only_grow() {
    let lost = |name: &str, lost| peer(name, (State::Idle, lost));
    let (first, second) = (
        [lost("nodes/a", 3), lost("nodes/b", 2)],
        [lost("nodes/a", 4)],
    );
    // b begins anew, with one loss.
    let third = [lost("nodes/a", 4), lost("nodes/b", 1)];
    let scrapes = [Some(&first[..]), None, Some(&second[..]), Some(&third[..])];
    let of = |name| scraped(&scrapes, name);
    assert_eq!(
        of("sessions_lost_total"),
        ["sessions_lost_total{peer=\"nodes\"} 7"]
    );
    assert_eq!(
        of("paths_refused_total"),
        ["paths_refused_total{peer=\"nodes\",reason=\"notItsBlock\"} 7"]
    );
}

#[test]
fn without_a_speaker_everything_is_there_and_zero() {
    assert_eq!(scraped(&[None], "speaker_up"), ["speaker_up 0"]);
    assert_eq!(scraped(&[None], "sessions{").len(), 6);
    assert_eq!(
        scraped(&[None], "learned_prefixes"),
        [
            "learned_prefixes{family=\"IPv4\"} 0",
            "learned_prefixes{family=\"IPv6\"} 0"
        ]
    );
}
