//! Reads the keys of sessions, in a task of its own: a store that does not answer holds up no round.
//!
//! They are read as soon as other ones are wanted, and again every so often, since they are changed
//! now and then. Sooner when one cannot be read or a session that has one is not up: that may be why.
//! But a reflector that is down is so for every node of its zone, so each further time comes later.

use super::keys::Keys;
use crate::dirty::{Cause, Dirty};
use crate::store::Store;
use gingham_model::SecretName;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The first time after a trouble; doubled by each further one,
const SOON: Duration = Duration::from_secs(15);
/// as far as this.
const LATER: Duration = Duration::from_secs(120);

/// How the sessions that have keys stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// All are up.
    #[default]
    Up,
    /// Not every one is.
    Down,
}

/// What is wanted of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    names: BTreeSet<SecretName>,
    keyed: Keyed,
}

/// The keys as last read.
#[derive(Debug)]
pub(crate) struct Keyring {
    wanted: watch::Sender<Wanted>,
    read: watch::Receiver<Keys>,
    _reader: JoinSet<()>,
}

impl Keyring {
    /// Reads from `store`, and marks `dirty` when a key is another.
    pub(crate) fn new<S: Store>(store: S, dirty: Dirty) -> Self {
        let (wanted, asked) = watch::channel(Wanted::default());
        let (publish, read) = watch::channel(Keys::default());
        let mut reader = JoinSet::new();
        reader.spawn(read_on(
            store,
            asked,
            Publish {
                keys: publish,
                dirty,
            },
        ));
        Keyring {
            wanted,
            read,
            _reader: reader,
        }
    }

    /// Says which keys are wanted, and how the sessions that have them stand.
    pub(crate) fn want(&self, names: BTreeSet<SecretName>, keyed: Keyed) {
        let wanted = Wanted { names, keyed };
        self.wanted.send_if_modified(|before| {
            let changed = *before != wanted;
            *before = wanted;
            changed
        });
    }

    /// The keys that are wanted; `None` while one of them was not looked for yet.
    pub(crate) fn keys(&self) -> Option<Keys> {
        let read = self.read.borrow();
        read.answer(&self.wanted.borrow().names)
            .then(|| read.clone())
    }

    /// The keys that were read, whatever is wanted.
    pub(crate) fn known(&self) -> Keys {
        self.read.borrow().clone()
    }
}

struct Publish {
    keys: watch::Sender<Keys>,
    dirty: Dirty,
}

impl Publish {
    fn publish(&self, read: Keys) {
        let changed = self.keys.send_if_modified(|keys| {
            let read = read.or_kept(keys);
            let changed = read != *keys;
            *keys = read;
            changed
        });
        if changed {
            self.dirty.mark(Cause::Cluster);
        }
    }
}

async fn read_on<S: Store>(store: S, mut asked: watch::Receiver<Wanted>, publish: Publish) {
    let (random, mut troubles, mut number) = (RandomState::new(), 0, 0_u64);
    loop {
        let wanted = asked.borrow_and_update().clone();
        if wanted.names.is_empty() {
            publish.publish(Keys::default());
            troubles = 0;
        } else {
            publish.publish(store.keys(&wanted.names).await);
            let well = wanted.keyed == Keyed::Up && publish.keys.borrow().are_whole();
            troubles = if well { 0 } else { troubles + 1 };
        }
        number += 1;
        let rest = rest(S::KEYS, troubles, random.hash_one(number));
        if !sleep_unless_others(&mut asked, &wanted, rest).await {
            return;
        }
    }
}

/// Says whether anybody still wants keys. Another standing of sessions alone makes the rest no
/// shorter than a trouble's first.
async fn sleep_unless_others(
    asked: &mut watch::Receiver<Wanted>,
    wanted: &Wanted,
    rest: Duration,
) -> bool {
    let sleep = tokio::time::sleep(rest);
    tokio::pin!(sleep);
    loop {
        tokio::select! {
            () = &mut sleep => return true,
            changed = asked.changed() => {
                if changed.is_err() {
                    return false;
                }
                let now = asked.borrow_and_update().clone();
                if now.names != wanted.names {
                    asked.mark_changed();
                    return true;
                }
                if now.keyed == Keyed::Down && wanted.keyed == Keyed::Up {
                    let soon = tokio::time::Instant::now() + SOON;
                    if soon < sleep.deadline() {
                        sleep.as_mut().reset(soon);
                    }
                }
            }
        }
    }
}

/// How long to rest when `troubles` readings in a row have not ended well; up to a quarter longer, so
/// that not all nodes ask at once.
fn rest(usual: Duration, troubles: u32, jitter: u64) -> Duration {
    let doubled = |times: u32| SOON.saturating_mul(1 << times.min(8));
    let rest = match troubles.checked_sub(1) {
        None => usual,
        Some(times) => doubled(times).min(LATER).min(usual),
    };
    let quarter = u64::try_from((rest / 4).as_millis()).unwrap_or(u64::MAX);
    rest + Duration::from_millis(jitter % quarter.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_secs(300);

    #[test]
    fn a_trouble_is_looked_into_soon_and_then_ever_later() {
        let seconds = |troubles| rest(USUAL, troubles, 0).as_secs();
        let all: Vec<u64> = [0, 1, 2, 3, 4, 5, 99].map(seconds).into();
        assert_eq!(all, [300, 15, 30, 60, 120, 120, 120]);
        assert_eq!(rest(Duration::from_secs(5), 1, 0), Duration::from_secs(5));
    }

    #[test]
    fn no_two_nodes_keep_the_same_time_and_none_waits_much_longer() {
        for jitter in [1, 77_777, u64::MAX] {
            let rest = rest(USUAL, 0, jitter);
            assert!(rest > USUAL && rest < USUAL * 5 / 4, "{rest:?}");
        }
    }
}
