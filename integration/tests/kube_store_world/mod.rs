//! A store over a real API server, and what a reader of its events knows.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod proxy;

use anyhow::{Result, bail, ensure};
use gingham_agent::manifest::Parsed;
use gingham_agent::objects::{Kind, Object};
use gingham_agent::store::kubernetes::{Access, Kubernetes};
use gingham_agent::store::{Event, Store};
use gingham_integration::eventually;
use gingham_integration::kubernetes::Api;
use gingham_model::{Block, BlockState, NodeName, Zone};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Ten times what is expected, on a machine that does other things too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The label of a node's zone.
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";

/// The API server of all tests of a file that leave it alone; it ends with the process.
pub(crate) fn shared() -> &'static Api {
    static API: OnceLock<Api> = OnceLock::new();
    API.get_or_init(api)
}

/// An API server that knows our kinds.
pub(crate) fn api() -> Api {
    let api = Api::start(&[]).unwrap();
    api.apply(include_str!("../../../deploy/chart/crds/crds.yaml"))
        .unwrap();
    api
}

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    })
}

/// A store that reaches the API server by this kubeconfig.
pub(crate) fn store(kubeconfig: &Path, me: &str) -> Kubernetes {
    let access = Access {
        kubeconfig: Some(kubeconfig.to_owned()),
        ..Access::default()
    };
    let _inside = runtime().enter();
    Kubernetes::open(&access, &me.parse().unwrap()).unwrap()
}

/// A Block of a zone of its own for each test: `10.NET.NUMBER.0/26`.
pub(crate) fn block(zone: &str, (net, number): (u8, u8), node: &str) -> Block {
    Block {
        cidr: format!("10.{net}.{number}.0/26").parse().unwrap(),
        pool: "pool".parse().unwrap(),
        zone: zone.parse().unwrap(),
        node: node.parse().unwrap(),
        node_uid: format!("uid-{node}"),
        node_ips: vec!["10.1.0.5".parse().unwrap()],
        state: BlockState::Active,
    }
}

pub(crate) fn object(block: &Block) -> Value {
    json!({
        "apiVersion": "gingham.dev/v1alpha1",
        "kind": "Block",
        "metadata": {"name": Block::object_name(block.cidr)},
        "spec": block,
    })
}

pub(crate) fn node(name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
    })
}

/// What a reader of the events knows, and what was wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) objects: BTreeMap<(Kind, String), Option<Parsed>>,
    pub(crate) states: BTreeMap<Kind, Result<(), String>>,
    /// Blocks that are there all the time.
    lasting: BTreeSet<String>,
    pub(crate) wrong: Vec<String>,
    pub(crate) applied: usize,
}

impl Seen {
    fn take(&mut self, event: Event) {
        match event {
            Event::Apply(parsed) => {
                self.applied += 1;
                let (kind, name) = (parsed.object.kind(), parsed.object.name());
                self.objects.insert((kind, name), Some(*parsed));
            }
            Event::Refused(refusal) => {
                self.objects.insert((refusal.kind, refusal.name), None);
            }
            Event::Delete(kind, name) => {
                if kind == Kind::Block && self.lasting.contains(&name) {
                    self.wrong.push(format!("{name} is said to be gone"));
                }
                self.objects.remove(&(kind, name));
            }
            Event::Synced(kind) => {
                if kind == Kind::Block {
                    let lacks = |name: &&String| {
                        let key = (kind, (*name).clone());
                        !self.objects.contains_key(&key)
                    };
                    let lacking: Vec<&String> = self.lasting.iter().filter(lacks).collect();
                    if !lacking.is_empty() {
                        let text = format!("complete without {lacking:?}");
                        self.wrong.push(text);
                    }
                }
                self.states.insert(kind, Ok(()));
            }
            Event::Failed(kind, why) => {
                self.states.insert(kind, Err(why));
            }
        }
    }

    pub(crate) fn blocks(&self) -> BTreeMap<String, Block> {
        let objects = self.objects.values().flatten();
        let blocks = objects.filter_map(|parsed| match &parsed.object {
            Object::Block(block) => Some((Block::object_name(block.cidr), block.clone())),
            _ => None,
        });
        blocks.collect()
    }

    pub(crate) fn nodes(&self) -> Vec<&str> {
        let names = self.objects.keys();
        let names = names.filter(|(kind, _)| *kind == Kind::Node);
        names.map(|(_, name)| name.as_str()).collect()
    }
}

/// Somebody who watches a store.
pub(crate) struct Reader {
    pub(crate) store: Kubernetes,
    pub(crate) seen: Arc<Mutex<Seen>>,
    me: NodeName,
    task: JoinHandle<()>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    /// Begins to watch; of the blocks these are there all the time.
    pub(crate) fn start(store: Kubernetes, me: &str, lasting: &[Block]) -> Self {
        let names = lasting.iter().map(|block| Block::object_name(block.cidr));
        let seen = Arc::new(Mutex::new(Seen {
            lasting: names.collect(),
            ..Seen::default()
        }));
        let (sender, mut events) = mpsc::channel::<Vec<Event>>(4);
        let (watch, told) = (store.watch(sender), Arc::clone(&seen));
        let task = runtime().spawn(async move {
            let read = async {
                while let Some(batch) = events.recv().await {
                    assert!(batch.len() <= 1024, "a batch of {}", batch.len());
                    let mut seen = told.lock().unwrap();
                    batch.into_iter().for_each(|event| seen.take(event));
                }
            };
            let (watched, ()) = tokio::join!(watch, read);
            watched.unwrap();
        });
        Reader {
            store,
            seen,
            me: me.parse().unwrap(),
            task,
        }
    }

    pub(crate) fn stand_in(&self, zone: &str) {
        let zone: Zone = zone.parse().unwrap();
        self.store.select(Some(&zone), ZONE);
    }

    pub(crate) fn see<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    pub(crate) fn state(&self, kind: Kind) -> Option<Result<(), String>> {
        self.see(|seen| seen.states.get(&kind).cloned())
    }

    /// Waits until it says that it knows all Blocks, and does: those the API server holds in this
    /// zone, and the node's own.
    pub(crate) fn converges(&self, api: &Api, zone: &str) {
        let what = format!("the blocks of zone {zone} as the API server has them");
        eventually(&what, PATIENCE, || self.check(api, zone)).unwrap();
        self.is_right();
    }

    /// Whether it has never said anything wrong.
    pub(crate) fn is_right(&self) {
        let none: Vec<String> = Vec::new();
        assert_eq!(self.see(|seen| seen.wrong.clone()), none);
    }

    fn check(&self, api: &Api, zone: &str) -> Result<()> {
        let mut held = BTreeMap::new();
        for object in api.list("Block")? {
            let block: Block = serde_json::from_value(object["spec"].clone())?;
            if block.zone.as_str() == zone || block.node == self.me {
                held.insert(Block::object_name(block.cidr), block);
            }
        }
        self.see(|seen| {
            let known = seen.blocks();
            ensure!(known == held, "known {known:?}\nheld {held:?}");
            match seen.states.get(&Kind::Block) {
                Some(Ok(())) => Ok(()),
                other => bail!("the list is {other:?}"),
            }
        })
    }
}
