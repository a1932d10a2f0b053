//! Asks what the unions want to know, and hands them what is heard.

use super::heard::{Change, Heard};
use super::union::{Selector, Union, Verdict};
use super::wire::{self, Resource};
use kube::Client;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// The most that is heard before it is passed on.
const BATCH: usize = 256;
/// With nothing to ask and nothing to hear.
const IDLE: Duration = Duration::from_secs(60);

/// What is news of a resource.
#[derive(Debug)]
pub(super) enum News<T> {
    Change(Change<T>),
    Synced,
    Failed(String),
}

struct Message<T> {
    index: usize,
    selector: Arc<Selector>,
    serial: u64,
    heard: Heard<T>,
}

/// A request that is under way.
struct Running {
    index: usize,
    selector: Arc<Selector>,
    serial: u64,
    task: AbortHandle,
}

/// Several resources, each of which has selections of its own.
pub(super) struct Driver<T> {
    client: Client,
    sources: Vec<(Resource<T>, Union)>,
    sender: mpsc::Sender<Message<T>>,
    inbox: mpsc::Receiver<Message<T>>,
    /// Ends them when it is dropped.
    tasks: JoinSet<()>,
    running: Vec<Running>,
    news: Vec<(usize, News<T>)>,
}

impl<T: Send + 'static> Driver<T> {
    pub(super) fn new(client: Client, resources: Vec<Resource<T>>) -> Self {
        let random = RandomState::new();
        let resources = resources.into_iter().enumerate();
        let sources = resources.map(|(index, resource)| {
            let union = Union::new(random.hash_one(index));
            (resource, union)
        });
        let (sender, inbox) = mpsc::channel(BATCH);
        Driver {
            client,
            sources: sources.collect(),
            sender,
            inbox,
            tasks: JoinSet::new(),
            running: Vec::new(),
            news: Vec::new(),
        }
    }

    /// From now on these selections of the `index`-th resource are wanted.
    pub(super) fn want(
        &mut self,
        index: usize,
        wanted: BTreeSet<Selector>,
        lacking: Option<String>,
    ) {
        let union = &mut self.sources[index].1;
        let changes = union.want(wanted, lacking, Instant::now());
        self.note(index, changes);
    }

    /// Waits for something to happen, and says what is news, in its order. That may be nothing.
    pub(super) async fn next(&mut self) -> Vec<(usize, News<T>)> {
        self.look();
        if self.news.is_empty() {
            let due = self.sources.iter().filter_map(|(_, union)| union.next());
            let due = due.min().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                Some(message) = self.inbox.recv() => self.hear(message),
                () = tokio::time::sleep_until(due.into()) => {}
            }
            self.look();
        }
        std::mem::take(&mut self.news)
    }

    /// Takes in what is there, and asks what is due.
    fn look(&mut self) {
        for _ in 0..BATCH {
            match self.inbox.try_recv() {
                Ok(message) => self.hear(message),
                Err(_) => break,
            }
        }
        let now = Instant::now();
        for index in 0..self.sources.len() {
            let union = &mut self.sources[index].1;
            union.tick(now);
            let (asks, verdict) = (union.asks(now), union.news(now));
            self.news.extend(verdict.and_then(|verdict| {
                let news = match verdict {
                    Verdict::Pending => return None,
                    Verdict::Synced => News::Synced,
                    Verdict::Failed(why) => News::Failed(why),
                };
                Some((index, news))
            }));
            for (selector, serial, ask) in asks {
                let (path, what) = (self.sources[index].0.path, &selector.what);
                tracing::debug!(path, what, ?ask, "asking the API server");
                self.start(index, (selector, serial), ask);
            }
        }
        self.end();
    }

    fn start(
        &mut self,
        index: usize,
        (selector, serial): (Arc<Selector>, u64),
        ask: super::heard::Ask,
    ) {
        let (resource, client) = (self.sources[index].0, self.client.clone());
        let (sender, about) = (self.sender.clone(), Arc::clone(&selector));
        let tell = async move |heard| {
            let message = Message {
                index,
                selector: Arc::clone(&about),
                serial,
                heard,
            };
            sender.send(message).await.is_ok()
        };
        let asked = Arc::clone(&selector);
        let task = self.tasks.spawn(async move {
            wire::carry_out(client, (resource, &asked), ask, tell).await;
        });
        self.running.push(Running {
            index,
            selector,
            serial,
            task,
        });
    }

    /// Ends the requests whose answers count no more.
    fn end(&mut self) {
        let sources = &self.sources;
        self.running.retain(|running| {
            let union = &sources[running.index].1;
            let counts = union.counts(&running.selector, running.serial);
            if !counts {
                running.task.abort();
            }
            counts && !running.task.is_finished()
        });
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }

    fn hear(&mut self, message: Message<T>) {
        let Message {
            index,
            selector,
            serial,
            heard,
        } = message;
        if let Heard::Trouble(trouble) = &heard {
            tracing::debug!(
                what = selector.what,
                why = trouble.text,
                "API server not heard"
            );
        }
        let union = &mut self.sources[index].1;
        let changes = union.hear((&selector, serial), heard, Instant::now());
        self.note(index, changes);
    }

    fn note(&mut self, index: usize, changes: Vec<Change<T>>) {
        let changes = changes.into_iter().map(News::Change);
        self.news.extend(changes.map(|change| (index, change)));
    }
}
