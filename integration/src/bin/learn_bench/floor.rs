//! The floor: whoever learns routes must write them. It writes the same in the agent's own messages, as
//! many to a datagram, and does nothing else; a line on its standard input says when.

use crate::case::Feed;
use crate::told::{Hops, Told};
use anyhow::Result;
use gingham_model::{Change, NextHop, Owner, Prefix, Route, Target};
use gingham_netlink::Socket;
use std::time::Duration;

/// The interface towards the routers.
pub(crate) const UPLINK: &str = "eth0";
/// How long the kernel may take for all routes.
const KERNEL: Duration = Duration::from_secs(60);

/// Writes the next step with each line it reads, until nobody tells it any more. What it is to write is
/// made before.
pub(crate) fn serve(feed: Feed) -> Result<()> {
    let mut socket = Socket::open(KERNEL)?;
    let dev = socket.link(UPLINK)?.index;
    let mut lines = std::io::stdin().lines();
    let mut have = Told::Nothing.hops(feed);
    for told in [Told::All, Told::Changed, Told::Less] {
        let want = told.hops(feed);
        let changes = changes(&have, &want, dev)?;
        if lines.next().is_none() {
            return Ok(());
        }
        socket
            .apply(&changes)
            .into_iter()
            .collect::<Result<(), _>>()?;
        have = want;
    }
    // Its memory is yet to be looked at.
    lines.for_each(drop);
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
