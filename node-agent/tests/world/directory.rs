mod custody;
mod nodes;

use gingham_agent::manifest::{parse, render};
use gingham_agent::objects::{Kind, Object};
use gingham_agent::store::{Claim, Directory, Event, Release, Store, StoreError};
use gingham_model::{Block, BlockState, NodeName};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;

/// Ten times what is expected at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// The kind that is looked at last.
const LAST: Kind = Kind::RouteFilter;

fn folders() -> TempDir {
    let root = TempDir::new().unwrap();
    for kind in Kind::ALL {
        fs::create_dir(root.path().join(kind.plural())).unwrap();
    }
    root
}

fn store(root: &Path, node: &str) -> Directory {
    let secrets = root.join("secrets");
    Directory::new(root, &node.parse::<NodeName>().unwrap(), &secrets)
}

fn block(cidr: &str, node: &str) -> Block {
    Block {
        cidr: cidr.parse().unwrap(),
        pool: "z1".parse().unwrap(),
        zone: "z1".parse().unwrap(),
        node: node.parse().unwrap(),
        node_uid: format!("uid-{node}"),
        node_ips: vec!["10.1.0.2".parse().unwrap()],
        state: BlockState::Active,
    }
}

/// Writes a Block by hand, as an operator would.
fn put(root: &Path, block: &Block) -> String {
    let name = Block::object_name(block.cidr);
    let path = root.join(format!("blocks/{name}.yaml"));
    fs::write(path, render(block, None).unwrap()).unwrap();
    name
}

fn watch(root: &Path) -> Receiver<Vec<Event>> {
    let (sender, events) = mpsc::channel(64);
    tokio::spawn(store(root, "w1").watch(sender));
    events
}

/// Everything said until an event for which `last` holds.
async fn until(events: &mut Receiver<Vec<Event>>, last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut all = Vec::new();
    let wait = async {
        while let Some(batch) = events.recv().await {
            let found = batch.iter().any(&last);
            all.extend(batch);
            if found {
                return;
            }
        }
        panic!("the watch ended");
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("not said in time, only {all:?}"));
    all
}

fn is_block(event: &Event, wanted: &Block) -> bool {
    matches!(event, Event::Apply(parsed) if parsed.object == Object::Block(wanted.clone()))
}

#[tokio::test]
async fn what_is_there_is_said_before_it_is_called_complete() {
    let root = folders();
    let held = block("10.64.0.0/26", "w2");
    put(root.path(), &held);
    let mut events = watch(root.path());
    let said = until(&mut events, |e| *e == Event::Synced(LAST)).await;
    let at = said.iter().position(|e| is_block(e, &held)).unwrap();
    let synced = said
        .iter()
        .position(|e| *e == Event::Synced(Kind::Block))
        .unwrap();
    assert!(at < synced);
    let new = block("10.64.0.64/26", "w3");
    let name = put(root.path(), &new);
    until(&mut events, |e| is_block(e, &new)).await;
    fs::remove_file(root.path().join(format!("blocks/{name}.yaml"))).unwrap();
    until(&mut events, |e| {
        *e == Event::Delete(Kind::Block, name.clone())
    })
    .await;
}

#[tokio::test]
async fn broken_files_of_nobodys_concern_are_not_told_of() {
    let root = folders();
    fs::write(root.path().join("nodes/w2.yaml"), "broken").unwrap();
    fs::write(root.path().join("routingconfigs/spare.yaml"), "broken").unwrap();
    fs::write(root.path().join("blocks/.10-64-0-0-26.yaml.w9.1"), "draft").unwrap();
    let mut events = watch(root.path());
    let said = until(&mut events, |e| *e == Event::Synced(LAST)).await;
    assert_eq!(said, Kind::ALL.map(Event::Synced));
    fs::write(root.path().join("nodes/w1.yaml"), "broken").unwrap();
    let refused = |e: &Event| matches!(e, Event::Refused(refusal) if refusal.name == "w1");
    until(&mut events, refused).await;
}

/// A store from before there were such kinds has none of their objects; one whose folder was there
/// and is gone cannot be read.
#[tokio::test]
async fn folders_of_later_kinds_may_be_missing_while_they_have_never_been_there() {
    let root = folders();
    for kind in [Kind::BgpPeer, Kind::RouteFilter] {
        fs::remove_dir(root.path().join(kind.plural())).unwrap();
    }
    let mut events = watch(root.path());
    let said = until(&mut events, |e| *e == Event::Synced(LAST)).await;
    assert_eq!(said, Kind::ALL.map(Event::Synced));
    let peers = root.path().join("bgppeers");
    fs::create_dir(&peers).unwrap();
    let text = "{apiVersion: gingham.dev/v1alpha1, kind: BGPPeer, metadata: {name: core}, \
                spec: {peerIP: 10.1.0.1}}";
    fs::write(peers.join("core.yaml"), text).unwrap();
    let is_peer = |e: &Event| matches!(e, Event::Apply(parsed) if parsed.object.name() == "core");
    until(&mut events, is_peer).await;
    fs::rename(&peers, root.path().join("aside")).unwrap();
    let failed = |e: &Event| matches!(e, Event::Failed(Kind::BgpPeer, _));
    let said = until(&mut events, failed).await;
    assert!(
        !said.iter().any(|e| matches!(e, Event::Delete(..))),
        "{said:?}"
    );
}

/// Where nothing is there at all, it is not the later kinds alone that are missing.
#[tokio::test]
async fn where_every_folder_is_missing_nothing_is_said_to_be_none() {
    let root = TempDir::new().unwrap();
    let mut events = watch(root.path());
    let said = until(&mut events, |e| matches!(e, Event::Failed(LAST, _))).await;
    assert_eq!(said.len(), Kind::ALL.len());
    assert!(
        said.iter().all(|e| matches!(e, Event::Failed(..))),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_half_written_file_is_refused_and_then_read() {
    let root = folders();
    let held = block("10.64.0.0/26", "w2");
    let mut events = watch(root.path());
    until(&mut events, |e| *e == Event::Synced(LAST)).await;
    let name = put(root.path(), &held);
    until(&mut events, |e| is_block(e, &held)).await;
    let path = root.path().join(format!("blocks/{name}.yaml"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    let said = until(&mut events, |e| matches!(e, Event::Refused(_))).await;
    assert!(
        !said.iter().any(|e| matches!(e, Event::Delete(..))),
        "{said:?}"
    );
    fs::write(&path, &text).unwrap();
    until(&mut events, |e| is_block(e, &held)).await;
}

#[tokio::test]
async fn what_is_no_manifest_is_refused_by_name() {
    let root = folders();
    let blocks = root.path().join("blocks");
    fs::write(blocks.join("a.yaml"), "{kind: Block").unwrap();
    fs::write(blocks.join("b.yml"), "").unwrap();
    fs::write(blocks.join("c.yaml"), [0xff, 0xfe]).unwrap();
    fs::write(blocks.join("d.yaml"), " ".repeat(2 << 20)).unwrap();
    fs::create_dir(blocks.join("e.yaml")).unwrap();
    fs::write(blocks.join("README"), "not looked at").unwrap();
    let mut events = watch(root.path());
    let said = until(&mut events, |e| *e == Event::Synced(Kind::Block)).await;
    let refused = said.iter().filter_map(|event| match event {
        Event::Refused(refusal) => Some((refusal.name.as_str(), refusal.error.as_str())),
        _ => None,
    });
    let refused: Vec<_> = refused.collect();
    let names: Vec<&str> = refused.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["a", "b.yml", "c", "d", "e"]);
    assert!(refused[0].1.starts_with("no YAML: "), "{refused:?}");
    assert_eq!(refused[1].1, "the name must end in .yaml");
    assert_eq!(refused[2].1, "stream did not contain valid UTF-8");
    assert_eq!(refused[3].1, "2097152 bytes are more than 1048576");
    assert_eq!(refused[4].1, "is no regular file");
}

#[tokio::test]
async fn a_folder_that_goes_takes_nothing_with_it() {
    let root = folders();
    let held = block("10.64.0.0/26", "w2");
    let name = put(root.path(), &held);
    let mut events = watch(root.path());
    until(&mut events, |e| *e == Event::Synced(LAST)).await;
    let (blocks, aside) = (root.path().join("blocks"), root.path().join("aside"));
    fs::rename(&blocks, &aside).unwrap();
    let said = until(&mut events, |e| matches!(e, Event::Failed(Kind::Block, _))).await;
    assert!(
        !said.iter().any(|e| matches!(e, Event::Delete(..))),
        "{said:?}"
    );
    fs::remove_file(aside.join(format!("{name}.yaml"))).unwrap();
    fs::rename(&aside, &blocks).unwrap();
    let said = until(&mut events, |e| *e == Event::Synced(Kind::Block)).await;
    assert!(said.contains(&Event::Delete(Kind::Block, name)), "{said:?}");
}

#[tokio::test]
async fn of_many_that_claim_a_block_one_gets_it() {
    let root = folders();
    for round in 0..20 {
        let cidr = format!("10.64.{round}.0/26");
        let mut race = JoinSet::new();
        for racer in 0..8 {
            let node = format!("w{racer}");
            let block = block(&cidr, &node);
            let claim = store(root.path(), &node).claim(&block);
            race.spawn(async move { (block, claim.await.unwrap()) });
        }
        let outcomes = race.join_all().await;
        let winners: Vec<&Block> = outcomes
            .iter()
            .filter(|(_, c)| *c == Claim::Ours)
            .map(|(b, _)| b)
            .collect();
        let [winner] = winners[..] else {
            panic!("{outcomes:?}")
        };
        for (block, claim) in &outcomes {
            assert!(block == winner || *claim == Claim::Taken(winner.clone()));
        }
        let again = store(root.path(), winner.node.as_str())
            .claim(winner)
            .await
            .unwrap();
        assert_eq!(again, Claim::Ours);
    }
    let left = fs::read_dir(root.path().join("blocks")).unwrap();
    assert_eq!(left.count(), 20, "no draft stays behind");
}

#[tokio::test]
async fn an_update_keeps_what_it_does_not_know_and_touches_no_other_nodes_block() {
    let root = folders();
    let mine = block("10.64.0.0/26", "w1");
    let name = put(root.path(), &mine);
    let path = root.path().join(format!("blocks/{name}.yaml"));
    let text = fs::read_to_string(&path).unwrap() + "status: {colour: red}\n";
    fs::write(&path, text).unwrap();
    let moved = Block {
        zone: "z2".parse().unwrap(),
        ..mine
    };
    store(root.path(), "w1").update(&moved).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("colour: red"), "{text}");
    assert_eq!(
        parse(Kind::Block, &name, &text).unwrap().object,
        Object::Block(moved)
    );

    let theirs = block("10.64.0.0/26", "w2");
    let error = store(root.path(), "w2").update(&theirs).await.unwrap_err();
    assert!(matches!(error, StoreError::Lost { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "Block 10-64-0-0-26 is in the hands of node w1 now"
    );
}

#[tokio::test]
async fn a_claim_without_a_folder_names_it() {
    let root = TempDir::new().unwrap();
    let block = block("10.64.0.0/26", "w1");
    let error = store(root.path(), "w1")
        .claim(&block)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("blocks/.10-64-0-0-26.yaml") && error.contains("No such file"),
        "{error}"
    );
}

fn draining(cidr: &str, node: &str) -> Block {
    Block {
        state: BlockState::Draining,
        ..block(cidr, node)
    }
}

#[tokio::test]
async fn a_block_of_ours_that_drains_can_be_released() {
    let root = folders();
    let mine = draining("10.64.0.0/26", "w1");
    let name = put(root.path(), &mine);
    let mut events = watch(root.path());
    until(&mut events, |e| *e == Event::Synced(LAST)).await;
    let store = store(root.path(), "w1");
    assert_eq!(store.release(&mine).await.unwrap(), Release::Done);
    until(&mut events, |e| {
        *e == Event::Delete(Kind::Block, name.clone())
    })
    .await;
    assert_eq!(store.release(&mine).await.unwrap(), Release::Gone);
    let left = fs::read_dir(root.path().join("blocks")).unwrap();
    assert_eq!(left.count(), 0, "nothing stays behind");
    let next = block("10.64.0.0/26", "w2");
    assert_eq!(store.claim(&next).await.unwrap(), Claim::Ours);
}

#[tokio::test]
async fn a_block_that_is_no_longer_as_we_knew_it_is_not_released() {
    let root = folders();
    let store = store(root.path(), "w1");
    let mine = draining("10.64.0.0/26", "w1");
    for (there, why) in [
        (block("10.64.0.0/26", "w1"), "is Active"),
        (
            draining("10.64.0.0/26", "w2"),
            "is in the hands of node w2 (uid-w2) now",
        ),
        (
            Block {
                node_uid: "after".to_owned(),
                ..mine.clone()
            },
            "is in the hands of node w1 (after) now",
        ),
    ] {
        let name = put(root.path(), &there);
        let kept = Release::Kept(why.to_owned());
        assert_eq!(store.release(&mine).await.unwrap(), kept);
        let text = fs::read_to_string(root.path().join(format!("blocks/{name}.yaml"))).unwrap();
        let there = Object::Block(there);
        assert_eq!(parse(Kind::Block, &name, &text).unwrap().object, there);
    }
    put_text(root.path(), "blocks/10-64-0-0-26.yaml", "{kind: Block");
    let error = store.release(&mine).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "{error}");
}

fn put_text(root: &Path, file: &str, text: &str) {
    fs::write(root.join(file), text).unwrap();
}

/// Whoever rewrites a block while it is released, by rename as a careful writer does: what was
/// written is there in the end.
#[tokio::test]
async fn a_release_loses_no_rewrite() {
    let root = folders();
    let store = store(root.path(), "w1");
    let mine = draining("10.64.0.0/26", "w1");
    let again = render(&block("10.64.0.0/26", "w1"), None).unwrap();
    for round in 0..200 {
        let name = put(root.path(), &mine);
        let path = root.path().join(format!("blocks/{name}.yaml"));
        let aside = root.path().join("rewritten");
        fs::write(&aside, &again).unwrap();
        let (from, to) = (aside, path.clone());
        let rewrite = tokio::task::spawn_blocking(move || fs::rename(from, to).unwrap());
        let released = store.release(&mine).await.unwrap();
        rewrite.await.unwrap();
        let text = fs::read_to_string(&path);
        let there = text.is_ok_and(|text| text == again);
        assert!(there, "round {round}: {released:?}");
    }
}

/// Changes among many files are found by their names, and lost ones by the look at everything.
#[tokio::test]
async fn changes_among_many_files_are_all_found() {
    let root = folders();
    for number in 0..5000 {
        let (high, low) = (number / 256, number % 256);
        put(root.path(), &block(&format!("10.{high}.{low}.0/24"), "w2"));
    }
    let mut events = watch(root.path());
    until(&mut events, |e| *e == Event::Synced(LAST)).await;
    for number in 0..50 {
        let taken = block(&format!("10.0.{number}.0/24"), "w3");
        let name = put(root.path(), &taken);
        until(&mut events, |e| is_block(e, &taken)).await;
        fs::remove_file(root.path().join(format!("blocks/{name}.yaml"))).unwrap();
        until(&mut events, |e| {
            *e == Event::Delete(Kind::Block, name.clone())
        })
        .await;
    }
}
