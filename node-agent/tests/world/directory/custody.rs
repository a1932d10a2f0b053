//! Blocks of other nodes in the directory store, and the Nodes of a zone.

use super::{PATIENCE, block, folders, put, store};
use gingham_agent::manifest::render;
use gingham_agent::store::{Inspected, Member, MemberEvent, Release, Store, StoreError};
use gingham_model::{Block, BlockState, NodeName};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

const CIDR: &str = "10.64.0.0/26";
const FILE: &str = "blocks/10-64-0-0-26.yaml";

fn put_text(root: &Path, file: &str, text: &str) {
    let aside = root.join("aside");
    fs::write(&aside, text).unwrap();
    fs::rename(aside, root.join(file)).unwrap();
}

fn put_node(root: &Path, name: &str, uid: &str, zone: &str) {
    let text = format!(
        "{{apiVersion: v1, kind: Node, metadata: {{name: {name}, uid: {uid}, labels: {{zone: \
         {zone}}}}}, spec: {{podCIDRs: [10.64.0.0/26]}}}}"
    );
    put_text(root, &format!("nodes/{name}.yaml"), &text);
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

async fn inspect(root: &Path) -> Option<Inspected> {
    store(root, "m1")
        .inspect(CIDR.parse().unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_block_is_orphaned_and_freed_and_what_is_not_known_of_it_stays() {
    let root = folders();
    let theirs = block(CIDR, "w1");
    put(root.path(), &theirs);
    let path = root.path().join(FILE);
    let text = fs::read_to_string(&path).unwrap() + "status: {colour: red}\n";
    fs::write(&path, text).unwrap();
    let store = store(root.path(), "m1");
    let seen = inspect(root.path()).await.unwrap();
    assert_eq!((&seen.block, seen.orphaned_since), (&theirs, None));
    assert_eq!(store.orphan(&seen, now()).await.unwrap(), Release::Done);
    let orphaned = inspect(root.path()).await.unwrap();
    assert_eq!(orphaned.orphaned_since, Some(now()));
    assert_eq!(orphaned.block.state, BlockState::Orphaned);
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("colour: red") && text.contains("orphanedSince: "),
        "{text}"
    );

    // The owner takes it back, and what was seen before is worth nothing.
    super::store(root.path(), "w1")
        .update(&theirs)
        .await
        .unwrap();
    for ended in [
        store.free(&orphaned).await,
        store.orphan(&orphaned, now()).await,
    ] {
        assert!(matches!(ended.unwrap(), Release::Kept(_)));
    }
    let back = inspect(root.path()).await.unwrap();
    assert_eq!(back.block, theirs);
    assert_eq!(store.free(&back).await.unwrap(), Release::Done);
    assert_eq!(store.free(&back).await.unwrap(), Release::Gone);
    assert_eq!(store.orphan(&back, now()).await.unwrap(), Release::Gone);
    assert_eq!(inspect(root.path()).await, None);
    let left = fs::read_dir(root.path().join("blocks")).unwrap();
    assert_eq!(left.count(), 0, "nothing stays behind");
}

/// The owner rewrites its block at the very moment in which it is orphaned, or freed.
#[tokio::test]
async fn custody_loses_no_rewrite() {
    let root = folders();
    let store = store(root.path(), "m1");
    let mine = block(CIDR, "w1");
    let rewritten = Block {
        zone: "z2".parse().unwrap(),
        ..mine.clone()
    };
    let again = render(&rewritten, None).unwrap();
    for round in 0..200 {
        put_text(root.path(), FILE, &render(&mine, None).unwrap());
        let seen = inspect(root.path()).await.unwrap();
        let aside = root.path().join("rewritten");
        fs::write(&aside, &again).unwrap();
        let path = root.path().join(FILE);
        let to = path.clone();
        let rewrite = tokio::task::spawn_blocking(move || fs::rename(aside, to).unwrap());
        let ended = match round % 2 {
            0 => store.orphan(&seen, now()).await.unwrap(),
            _ => store.free(&seen).await.unwrap(),
        };
        rewrite.await.unwrap();
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, again, "round {round}: {ended:?}");
    }
}

#[tokio::test]
async fn a_node_is_gone_only_if_its_folder_is_there_and_has_no_such_file() {
    let root = folders();
    let (store, w1): (_, NodeName) = (store(root.path(), "m1"), "w1".parse().unwrap());
    assert_eq!(store.member(&w1).await.unwrap(), None);
    put_node(root.path(), "w1", "u1", "z9");
    let member = Member {
        name: w1.clone(),
        uid: "u1".to_owned(),
        pod_cidrs: vec![CIDR.parse().unwrap()],
    };
    assert_eq!(store.member(&w1).await.unwrap(), Some(member));
    put_text(root.path(), "nodes/w1.yaml", "{kind: Node");
    let broken = store.member(&w1).await.unwrap_err();
    assert!(matches!(broken, StoreError::Invalid(_)), "{broken}");
    fs::rename(root.path().join("nodes"), root.path().join("elsewhere")).unwrap();
    let unknown = store.member(&w1).await.unwrap_err();
    assert!(matches!(unknown, StoreError::Io { .. }), "{unknown}");
}

/// Everything told until `last`.
async fn until(
    events: &mut mpsc::Receiver<Vec<MemberEvent>>,
    last: &MemberEvent,
) -> Vec<MemberEvent> {
    let mut all = Vec::new();
    let wait = async {
        while !all.contains(last) {
            all.extend(events.recv().await.expect("the watch goes on"));
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("{last:?} was not told, only {all:?}"));
    all
}

#[tokio::test]
async fn the_nodes_of_a_zone_are_told_as_they_come_move_and_go() {
    let root = folders();
    let name = |name: &str| name.parse::<NodeName>().unwrap();
    let told = |node: &str, uid: &str| MemberEvent::Apply(name(node), uid.to_owned());
    put_node(root.path(), "w1", "u1", "z1");
    put_node(root.path(), "w2", "u2", "z2");
    let (sender, mut events) = mpsc::channel(16);
    let zone = "z1".parse().unwrap();
    let watch = store(root.path(), "m1").members(&zone, "zone", sender);
    tokio::spawn(watch);
    let all = until(&mut events, &MemberEvent::Synced).await;
    assert_eq!(all, [told("w1", "u1"), MemberEvent::Synced]);
    put_node(root.path(), "w2", "u2", "z1");
    until(&mut events, &told("w2", "u2")).await;
    // Broken, it is as it was.
    put_text(root.path(), "nodes/w1.yaml", "{kind: Node");
    put_text(root.path(), "nodes/w3.yaml", "{kind: Node");
    assert_eq!(until(&mut events, &told("w3", "")).await, [told("w3", "")]);
    put_node(root.path(), "w1", "u9", "z1");
    until(&mut events, &told("w1", "u9")).await;
    put_node(root.path(), "w1", "u9", "z3");
    until(&mut events, &MemberEvent::Gone(name("w1"))).await;
    fs::remove_file(root.path().join("nodes/w2.yaml")).unwrap();
    until(&mut events, &MemberEvent::Gone(name("w2"))).await;
    fs::rename(root.path().join("nodes"), root.path().join("elsewhere")).unwrap();
    let wait = async { events.recv().await.unwrap() };
    let said = tokio::time::timeout(PATIENCE, wait).await.unwrap();
    assert!(matches!(said[..], [MemberEvent::Failed(_)]), "{said:?}");
    fs::rename(root.path().join("elsewhere"), root.path().join("nodes")).unwrap();
    until(&mut events, &MemberEvent::Synced).await;
}
