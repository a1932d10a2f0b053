//! The store over a real API server: claims, what is told of which objects, and how it is reached.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on stops here"
)]

mod kube_store_world;

use gingham_agent::objects::Kind;
use gingham_agent::store::{Claim, MemberEvent, Release, Store, StoreError};
use gingham_integration::eventually;
use gingham_integration::kubernetes::{Api, Signer};
use gingham_model::{Block, BlockState};
use kube_store_world::proxy::{Fault, Proxy};
use kube_store_world::{
    PATIENCE, Reader, Seen, ZONE, api, block, node, object, runtime, shared, store,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

fn held(api: &Api, block: &Block) -> Option<Value> {
    let name = Block::object_name(block.cidr);
    api.get("Block", &name).unwrap()
}

#[test]
fn fifty_that_want_the_same_few_blocks_get_each_into_one_hand() {
    let api = shared();
    let config = api.admin_kubeconfig().unwrap();
    let mut claims = JoinSet::new();
    for node in 0..50 {
        let node = format!("node-{node}");
        let store = store(&config, &node);
        let _inside = runtime().enter();
        claims.spawn(async move {
            let mut mine = Vec::new();
            for number in 0..5 {
                let wanted = block("z40", (40, number), &node);
                match store.claim(&wanted).await.unwrap() {
                    Claim::Ours => mine.push(wanted.cidr),
                    Claim::Taken(theirs) => assert_ne!(theirs.node, wanted.node),
                }
            }
            (node, mine)
        });
    }
    let all = runtime().block_on(claims.join_all());
    let mut hands = BTreeMap::new();
    for (node, mine) in all {
        for cidr in mine {
            assert_eq!(
                hands.insert(cidr, node.clone()),
                None,
                "{cidr} in two hands"
            );
        }
    }
    assert_eq!(hands.len(), 5);
    for (cidr, node) in hands {
        let there = api
            .get("Block", &Block::object_name(cidr))
            .unwrap()
            .unwrap();
        assert_eq!(there["spec"]["node"], json!(node));
    }
}

#[test]
fn a_claim_whose_answer_was_lost_is_ours_when_asked_again() {
    let api = shared();
    let proxy = Proxy::start(api);
    let store = store(&proxy.kubeconfig(api, "lost"), "w1");
    let wanted = block("z41", (41, 0), "w1");
    proxy.next(|asked| asked.starts_with("POST"), Fault::Lost, 1);
    let lost = runtime().block_on(store.claim(&wanted)).unwrap_err();
    let told = "claim Block 10-41-0-0-26: no answer within 10s";
    assert_eq!(lost.to_string(), told);
    let again = runtime().block_on(store.claim(&wanted)).unwrap();
    assert_eq!(again, Claim::Ours);
    let other = Block {
        node_uid: "another-life".to_owned(),
        ..wanted.clone()
    };
    let claim = runtime().block_on(store.claim(&other)).unwrap();
    assert_eq!(claim, Claim::Taken(wanted));
}

#[test]
fn an_update_keeps_what_it_does_not_know_and_touches_only_its_own() {
    let (api, run) = (shared(), runtime());
    let store = store(&api.admin_kubeconfig().unwrap(), "w1");
    let mine = block("z42", (42, 0), "w1");
    assert_eq!(run.block_on(store.claim(&mine)).unwrap(), Claim::Ours);
    let name = Block::object_name(mine.cidr);
    let labelled = json!({"metadata": {"labels": {"team": "blue"}}});
    api.patch("Block", &name, labelled).unwrap();
    let draining = Block {
        state: BlockState::Draining,
        ..mine.clone()
    };
    run.block_on(store.update(&draining)).unwrap();
    let there = held(api, &mine).unwrap();
    assert_eq!(there["spec"]["state"], "Draining");
    assert_eq!(there["metadata"]["labels"]["team"], "blue");
    let theirs = block("z42", (42, 0), "w2");
    match run.block_on(store.update(&theirs)).unwrap_err() {
        StoreError::Lost { node, .. } => assert_eq!(node, "w1"),
        other => panic!("{other}"),
    }
    let none = block("z42", (42, 9), "w1");
    let error = run.block_on(store.update(&none)).unwrap_err();
    assert!(error.is_missing(), "{error}");
    let told = "update Block 10-42-9-0-26: 404 ";
    assert!(error.to_string().starts_with(told), "{error}");
}

#[test]
fn a_block_is_released_only_as_it_was_known() {
    let (api, run) = (shared(), runtime());
    let store = store(&api.admin_kubeconfig().unwrap(), "w1");
    let active = block("z43", (43, 0), "w1");
    run.block_on(store.claim(&active)).unwrap();
    let kept = run.block_on(store.release(&active)).unwrap();
    assert_eq!(kept, Release::Kept("is Active".to_owned()));
    let draining = Block {
        state: BlockState::Draining,
        ..active.clone()
    };
    run.block_on(store.update(&draining)).unwrap();
    let stranger = Block {
        node_uid: "another-life".to_owned(),
        ..draining.clone()
    };
    let kept = run.block_on(store.release(&stranger)).unwrap();
    let why = "is in the hands of node w1 (uid-w1) now".to_owned();
    assert_eq!(kept, Release::Kept(why));
    let done = run.block_on(store.release(&draining)).unwrap();
    assert_eq!(done, Release::Done);
    assert_eq!(held(api, &draining), None);
    let gone = run.block_on(store.release(&draining)).unwrap();
    assert_eq!(gone, Release::Gone);
}

#[test]
fn a_block_that_is_rewritten_while_it_is_released_stays() {
    let (api, run) = (shared(), runtime());
    let proxy = Proxy::start(api);
    let store = store(&proxy.kubeconfig(api, "rewritten"), "w1");
    let mut draining = block("z44", (44, 0), "w1");
    draining.state = BlockState::Draining;
    api.create(&object(&draining)).unwrap();
    // Between its look and its deletion.
    proxy.next(
        |asked| asked.starts_with("GET /apis/gingham.dev/v1alpha1/blocks/"),
        Fault::Slow(std::time::Duration::from_secs(2)),
        1,
    );
    let release = run.spawn(store.release(&draining));
    std::thread::sleep(std::time::Duration::from_secs(1));
    let active = json!({"spec": {"state": "Active"}});
    let name = Block::object_name(draining.cidr);
    api.patch("Block", &name, active).unwrap();
    let kept = run.block_on(release).unwrap().unwrap();
    let why = "was rewritten at the same time".to_owned();
    assert_eq!(kept, Release::Kept(why));
    assert!(held(api, &draining).is_some());
}

#[test]
fn of_many_nodes_the_own_one_reflectors_and_ingress_nodes_of_the_zone_are_told() {
    let api = api();
    let plain = |name: &str, zone: &str| node(name, json!({ZONE: zone}));
    let labelled = |name: &str, zone: &str, label: &str| node(name, json!({ZONE: zone, label: ""}));
    let (plane, reflector, ingress) = (
        "node-role.kubernetes.io/control-plane",
        "node-restriction.kubernetes.io/gingham-reflector",
        "node-restriction.kubernetes.io/gingham-ingress",
    );
    let nodes = [
        plain("w1", "z1"),
        plain("w2", "z1"),
        labelled("m1", "z1", plane),
        labelled("m2", "z2", plane),
        labelled("r2", "z2", reflector),
        labelled("i1", "z1", ingress),
        labelled("i2", "z2", ingress),
    ];
    api.create_all(&nodes).unwrap();
    let store = store(&api.admin_kubeconfig().unwrap(), "w1");
    let reader = Reader::start(store, "w1", &[]);
    let knows = |wanted: &[&str]| {
        eventually("the nodes it needs", PATIENCE, || {
            reader.see(|seen| match seen.nodes() {
                nodes if nodes == wanted => Ok(()),
                nodes => anyhow::bail!("{nodes:?}"),
            })
        })
        .unwrap();
    };
    knows(&["m1", "m2", "r2", "w1"]);
    reader.stand_in("z1");
    knows(&["i1", "m1", "m2", "r2", "w1"]);
    // In two selections, then in one, then in none.
    let both = json!({"metadata": {"labels": {plane: "", reflector: ""}}});
    api.patch("Node", "w2", both).unwrap();
    knows(&["i1", "m1", "m2", "r2", "w1", "w2"]);
    let one = json!({"metadata": {"labels": {plane: null}}});
    api.patch("Node", "w2", one).unwrap();
    api.delete("Node", "m2").unwrap();
    knows(&["i1", "m1", "r2", "w1", "w2"]);
    let none = json!({"metadata": {"labels": {reflector: null}}});
    api.patch("Node", "w2", none).unwrap();
    knows(&["i1", "m1", "r2", "w1"]);
    let whole = |entry: &gingham_integration::kubernetes::Entry| {
        matches!(entry.resource(), "nodes" | "blocks")
            && matches!(&*entry.verb, "list" | "watch")
            && !entry.uri.contains("Selector=")
    };
    let unselected: Vec<_> = api.audit().unwrap().into_iter().filter(whole).collect();
    assert_eq!(unselected, []);
}

#[test]
fn the_members_of_a_zone_are_told_by_their_metadata() {
    let api = api();
    let plain = |name: &str, zone: &str| node(name, json!({ZONE: zone}));
    let nodes = [plain("a", "z1"), plain("b", "z1"), plain("c", "z2")];
    api.create_all(&nodes).unwrap();
    let store = store(&api.admin_kubeconfig().unwrap(), "a");
    let (sender, mut events) = mpsc::channel(8);
    let watching = store.members(&"z1".parse().unwrap(), ZONE, sender);
    runtime().spawn(watching);
    let mut next = || {
        let batch =
            runtime().block_on(async { tokio::time::timeout(PATIENCE, events.recv()).await });
        batch.unwrap().unwrap()
    };
    let (mut names, mut synced) = (Vec::new(), false);
    while !synced {
        for event in next() {
            match event {
                MemberEvent::Apply(name, uid) => {
                    assert!(!uid.is_empty());
                    names.push(name.to_string());
                }
                MemberEvent::Synced => synced = true,
                other => panic!("{other:?}"),
            }
        }
    }
    names.sort();
    assert_eq!(names, ["a", "b"]);
    let moved = json!({"metadata": {"labels": {ZONE: "z2"}}});
    api.patch("Node", "b", moved).unwrap();
    assert_eq!(next(), [MemberEvent::Gone("b".parse().unwrap())]);
}

#[test]
fn an_object_that_cannot_be_taken_is_refused_by_name_and_its_end_is_told() {
    let api = api();
    let address =
        |address: &str| json!({"addresses": [{"type": "InternalIP", "address": address}]});
    api.create(&node("w1", json!({ZONE: "z1"}))).unwrap();
    api.patch_status("Node", "w1", address("nonsense")).unwrap();
    let reader = Reader::start(store(&api.admin_kubeconfig().unwrap(), "w1"), "w1", &[]);
    let own = (Kind::Node, "w1".to_owned());
    // `None`: no object. `Some(false)`: one that is refused.
    let is = |wanted: Option<bool>| {
        eventually("the own Node", PATIENCE, || {
            let known = |seen: &Seen| seen.objects.get(&own).map(Option::is_some);
            let there = reader.see(known);
            anyhow::ensure!(there == wanted, "{there:?} instead of {wanted:?}");
            Ok(())
        })
        .unwrap();
    };
    is(Some(false));
    api.patch_status("Node", "w1", address("10.1.0.11"))
        .unwrap();
    is(Some(true));
    api.patch_status("Node", "w1", address("nonsense")).unwrap();
    is(Some(false));
    api.delete("Node", "w1").unwrap();
    is(None);
}

#[test]
fn who_may_not_is_told_what_and_is_well_once_he_may() {
    let api = api();
    api.create(&node("w1", json!({ZONE: "z1"}))).unwrap();
    let token = api.token_for("gingham-node", "w1").unwrap();
    let config = api.kubeconfig("w1", &api.url(), &token).unwrap();
    let reader = Reader::start(store(&config, "w1"), "w1", &[]);
    eventually("the refusal", PATIENCE, || {
        match reader.state(Kind::ZonePool) {
            Some(Err(why)) => {
                let all = ["watch", "403", "zonepools", "gingham-node"];
                anyhow::ensure!(all.iter().all(|part| why.contains(part)), "{why}");
                Ok(())
            }
            other => anyhow::bail!("{other:?}"),
        }
    })
    .unwrap();
    let rules = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "all"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "all"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "all"},
        "subjects": [{"kind": "ServiceAccount", "name": "gingham-node", "namespace": "gingham-system"}],
    });
    api.create(&rules).unwrap();
    api.create(&binding).unwrap();
    eventually("the list", PATIENCE, || {
        match reader.state(Kind::ZonePool) {
            Some(Ok(())) => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .unwrap();
}

#[test]
fn token_and_authority_change_without_a_restart() {
    let (api, run) = (api(), runtime());
    let config = api.admin_kubeconfig().unwrap();
    let store = store(&config, "w1");
    let claim = |number: u8| run.block_on(store.claim(&block("z1", (1, number), "w1")));
    claim(1).unwrap();
    api.sign_with(Signer::Second).unwrap();
    let refused = claim(2).unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    api.trust(&[Signer::First, Signer::Second]).unwrap();
    eventually("the new authority is trusted", PATIENCE, || Ok(claim(2)?)).unwrap();
    let file = api.token_file("admin");
    let token = fs::read_to_string(&file).unwrap();
    fs::write(&file, "worthless").unwrap();
    eventually("the new token is used", PATIENCE, || match claim(3) {
        Err(error) if error.to_string().contains("401") => Ok(()),
        other => anyhow::bail!("{other:?}"),
    })
    .unwrap();
    fs::write(&file, token).unwrap();
    eventually("the right token is used", PATIENCE, || Ok(claim(3)?)).unwrap();
}
