use super::*;
use crate::status::Sessions;
use gingham_bgp::Asn;
use serde_json::{Value, json};

/// A neighbour as the endpoint gives it.
fn report(name: &str, established: bool) -> Value {
    let mut report = json!({
        "name": name, "address": "10.1.0.1", "node": null, "kind": "external", "state": "Connect",
        "asn": 64600, "routerId": null, "upSeconds": null, "negotiated": null, "families": {},
        "messagesIn": 0, "updatesIn": 0, "messagesOut": 0, "octetsOut": 0, "established": 0, "lost": 0,
        "faults": {}, "refused": {}, "lastError": "Connection refused (os error 111)",
    });
    if established {
        let family = json!({
            "received": 5, "accepted": 4, "refused": {"default": 1}, "stale": 0, "told": 7,
            "endOfRib": true,
        });
        report["node"] = json!("z1m1");
        report["state"] = json!("Established");
        report["routerId"] = json!("10.1.0.1");
        report["upSeconds"] = json!(192);
        report["families"] = json!({"IPv4": family, "IPv6": family});
        report["negotiated"] = json!({
            "holdSeconds": 30, "maxMessage": 65535, "refresh": "enhanced",
            "gracefulRestart": ["IPv4"], "notificationRestart": true,
            "longLivedSeconds": {"IPv4": 86400}, "addPathIn": ["IPv4"], "addPathOut": [],
            "capabilities": [1, 2, 65],
        });
        report["refused"] = json!({"default": 3});
        report["lastError"] = json!(null);
    }
    report
}

#[test]
fn neighbours_stand_in_lines_one_for_each_family() {
    let document = json!({"version": 1, "peers": [report("c1", false), report("z1m1", true)]});
    let expected = "\
PEER  ADDRESS   NODE  AS     STATE        UP     FAMILY  RECEIVED  ACCEPTED  TOLD  LAST ERROR
c1    10.1.0.1  -     64600  connect      -      -       -         -         -     Connection refused (os error 111)
z1m1  10.1.0.1  z1m1  64600  established  3m12s  IPv4    5         4         7     -
                                                 IPv6    5         4         7
";
    assert_eq!(peers(&serde_json::from_value(document).unwrap()), expected);
}

#[test]
fn a_neighbour_in_full_says_what_was_agreed_and_refused() {
    let expected = "\
Peer        z1m1
Address     10.1.0.1
Node        z1m1
AS          64600 (external)
State       established
Up          3m12s
Router id   10.1.0.1
Last error  -
Sessions    0 established, 0 lost
Messages    0 received, 0 of them UPDATEs; 0 sent and UPDATEs besides, 0 octets in all

Hold time          30 s
Graceful restart   IPv4, also after a NOTIFICATION
Long-lived stale   IPv4 86400 s
Add-Path received  IPv4
Add-Path sent      -
Route refresh      enhanced
Longest message    65535 octets
Capabilities       1, 2, 65

FAMILY  RECEIVED  ACCEPTED  STALE  TOLD  END-OF-RIB
IPv4    5         4         0      7     come
IPv6    5         4         0      7     come

Refused now:
  1 IPv4: default
  1 IPv6: default

Refused in all:
  3: default
";
    let document = serde_json::from_value(report("z1m1", true)).unwrap();
    assert_eq!(peer(&document), expected);
}

#[test]
fn time_is_told_in_its_two_greatest_units() {
    let spans = [59, 60, 3599, 3600, 86_399, 86_400, 1_000_000].map(span);
    assert_eq!(
        spans,
        ["59s", "1m0s", "59m59s", "1h0m", "23h59m", "1d0h", "11d13h"]
    );
}

fn path(standing: Standing) -> PathReport {
    let document = json!({
        "peer": "c1", "pathId": 0, "provenance": "outside", "freshness": "fresh", "standing": standing,
        "nextHop": "10.1.0.1", "asPath": "", "origin": "igp", "localPref": 100, "med": null,
        "communities": [], "extendedCommunities": [], "largeCommunities": [], "originatorId": null,
        "clusterList": [],
    });
    serde_json::from_value(document).unwrap()
}

/// The standings of these paths in words.
fn told(standings: &[Standing]) -> Vec<String> {
    let paths: Vec<PathReport> = standings.iter().cloned().map(path).collect();
    let told = paths.iter().enumerate();
    told.map(|(place, path)| standing(path, &paths[place + 1..]))
        .collect()
}

#[test]
fn the_best_and_every_loser_have_their_reason() {
    let lost = |loss| Standing::Lost(loss);
    let id = |last: u8| gingham_bgp::RouterId([10, 0, 0, last].into());
    let told = told(&[
        Standing::Best,
        Standing::Multipath(Loss::RouterId {
            ours: id(2),
            best: id(1),
        }),
        lost(Loss::AsPathHops { ours: 3, best: 2 }),
        lost(Loss::LongLivedStale),
        Standing::Unreachable,
        Standing::Refused(Refusal::NotItsBlock),
        Standing::Refused(Refusal::Filter(Some("no-default".to_owned()))),
    ]);
    let expected = [
        "best: the next one lost at router id",
        "shares the load; behind the best by router id: 10.0.0.2, best has 10.0.0.1",
        "lost at AS path length: 3, best has 2",
        "lost at long-lived stale: the best is not",
        "not used: its next hop cannot be reached",
        "refused: the prefix lies in no Block of that node",
        "refused: by rule \"no-default\"",
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_only_path_is_the_best_for_want_of_others() {
    assert_eq!(told(&[Standing::Best]), ["best: the only path"]);
    let first = &told(&[Standing::Best, Standing::Unreachable])[0];
    assert_eq!(first, "best: the only path that can be used");
    let report = PrefixReport {
        prefix: "10.0.0.0/8".parse().unwrap(),
        paths: Vec::new(),
    };
    assert_eq!(paths(&report), "no path to 10.0.0.0/8 is held\n");
}

#[test]
fn the_status_has_its_part_of_bgp() {
    assert_eq!(section(&BgpStatus::default()), "", "of an older agent");
    let status = BgpStatus {
        part: "reflector".to_owned(),
        asn: Some(Asn(64601)),
        sessions: Some(Sessions {
            established: 11,
            all: 12,
        }),
        learned: [(Family::V4, 8)].into(),
        pending: [(Family::V6, "no reflector has told all yet".to_owned())].into(),
        ..BgpStatus::default()
    };
    let expected = "\
BGP           reflector
AS            64601
Sessions      11 of 12 established
Learned       8 IPv4
IPv6 pending  no reflector has told all yet
";
    assert_eq!(section(&status), expected);
    let read: BgpStatus = serde_json::from_str("{}").unwrap();
    assert_eq!(read, BgpStatus::default());
}
