use gingham_agent::ask::{NoAnswer, ask, paths_around, peers};
use gingham_bgp::config::Config;
use gingham_bgp::session::Farewell;
use gingham_bgp::speaker::{Options, start};
use serde_json::json;
use tokio::sync::watch;

/// A speaker that knows nobody and originates these.
fn config(prefixes: &[&str]) -> Config {
    let announce = prefixes.iter().map(|prefix| json!({"prefix": prefix}));
    let config = json!({
        "asn": 64601, "routerId": "10.1.0.11", "announce": announce.collect::<Vec<_>>(),
    });
    serde_json::from_value(config).unwrap()
}

#[tokio::test]
async fn the_paths_around_an_address_come_the_shortest_prefix_first() {
    let config = config(&[
        "10.65.9.0/24",
        "10.65.0.0/16",
        "10.66.0.0/16",
        "::/0",
        "fd00::/8",
    ]);
    let started = start(config, Options::default()).unwrap();
    let (_here, speaker) = watch::channel(Some(started.handle));
    for (address, expected) in [
        ("10.65.9.1", &["10.65.0.0/16", "10.65.9.0/24"][..]),
        ("192.0.2.1", &[]),
        ("fd00::1", &["::/0", "fd00::/8"]),
    ] {
        let reports = paths_around(&speaker, address.parse().unwrap())
            .await
            .unwrap();
        let prefixes: Vec<String> = reports.iter().map(|r| r.prefix.to_string()).collect();
        assert_eq!(prefixes, expected);
        assert!(
            reports.iter().all(|report| report.paths.len() == 1),
            "{reports:?}"
        );
    }
}

#[tokio::test]
async fn a_speaker_that_is_not_there_is_no_reason_to_wait() {
    let (here, speaker) = watch::channel(None);
    let peers = || peers(&speaker);
    assert!(matches!(peers().await, Err(NoAnswer::NoSpeaker)));
    let started = start(config(&[]), Options::default()).unwrap();
    here.send_replace(Some(started.handle.clone()));
    assert!(peers().await.unwrap().is_empty());
    started.handle.end(Farewell::Restart).await.unwrap();
    started.task.await.unwrap();
    let error = peers().await.unwrap_err();
    assert_eq!(error.to_string(), "the speaker has ended");
}

/// What does not answer is not waited for.
#[tokio::test]
async fn an_answer_has_its_deadline() {
    let started = start(config(&[]), Options::default()).unwrap();
    let (_here, speaker) = watch::channel(Some(started.handle));
    let never = ask(&speaker, |_| std::future::pending::<Result<(), _>>()).await;
    assert_eq!(
        never.unwrap_err().to_string(),
        "the BGP speaker has not answered within 2s"
    );
}
