//! The floor: whoever learns routes must write them. It writes the same in the agent's own messages, as
//! many to a datagram, and does nothing else; a line on its standard input says what.

use crate::case::Feed;
use crate::told::{Hops, Told};
use anyhow::{Context, Result, bail};
use gingham_model::{Change, NextHop, Owner, Prefix, Route, Target};
use gingham_netlink::Socket;
use std::time::Duration;

/// The interface towards the routers.
pub(crate) const UPLINK: &str = "eth0";
/// How long the kernel may take for all routes.
const KERNEL: Duration = Duration::from_secs(60);

/// What one may be told to write.
const WORDS: [(&str, Told); 3] = [
    ("all", Told::All),
    ("changed", Told::Changed),
    ("less", Told::Less),
];

/// The line that has it write what is told.
pub(crate) fn word(told: Told) -> Result<&'static str> {
    let mut words = WORDS.into_iter();
    let word = words.find_map(|(word, of)| (of == told).then_some(word));
    word.with_context(|| format!("the floor has no word for {told:?}"))
}

/// Writes what it is told, until nobody tells it any more.
pub(crate) fn serve(feed: Feed) -> Result<()> {
    let mut socket = Socket::open(KERNEL)?;
    let dev = socket.link(UPLINK)?.index;
    let mut have = Told::Nothing.hops(feed);
    for line in std::io::stdin().lines() {
        let line = line.context("reading what to do")?;
        let mut words = WORDS.into_iter();
        let Some((_, told)) = words.find(|(word, _)| *word == line) else {
            bail!("no word {line:?}");
        };
        let want = told.hops(feed);
        for outcome in socket.apply(&changes(&have, &want, dev)?) {
            outcome?;
        }
        have = want;
    }
    Ok(())
}

fn changes(have: &[Hops], want: &[Hops], dev: u32) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for (prefix, (have, want)) in have.iter().zip(want).enumerate() {
        if have == want {
            continue;
        }
        changes.push(match (*have, *want) {
            (Hops::NONE, want) => Change::Add(route(prefix, want, dev)?),
            (have, Hops::NONE) => Change::Remove(route(prefix, have, dev)?),
            (_, want) => Change::Replace(route(prefix, want, dev)?),
        });
    }
    Ok(changes)
}

fn route(prefix: usize, hops: Hops, dev: u32) -> Result<Route> {
    let [length, a, b, c] = Feed::prefix(prefix);
    let prefix = Prefix::containing([a, b, c, 0].into(), length)?;
    let hops = hops.routers().map(|router| NextHop {
        via: router.address().into(),
        dev,
    });
    let target = Target::Via(hops.collect());
    Ok(Route::of(Owner::Learned, prefix, target))
}
