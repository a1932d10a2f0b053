//! When bytes came through a relay: a list is complete when its last byte has come.

use gingham_integration::kubernetes::Relay;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often to look.
const PAUSE: Duration = Duration::from_millis(2);
/// Less in one look is no part of a list.
const LEAST: u64 = 2_000;

/// Looks at `relay` until `work` is done. With what `work` returns: when bytes of a list last came
/// before `until`, which `work` tells.
pub(crate) fn last_bytes<T>(
    relay: &Relay,
    work: impl FnOnce() -> anyhow::Result<T>,
    until: impl FnOnce(&T) -> Instant,
) -> anyhow::Result<(T, Instant)> {
    let done = AtomicBool::new(false);
    let (result, seen) = std::thread::scope(|scope| {
        let eye = scope.spawn(|| {
            let mut seen = vec![(Instant::now(), relay.carried().1)];
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(PAUSE);
                let (now, bytes) = (Instant::now(), relay.carried().1);
                if seen
                    .last()
                    .is_none_or(|(_, before)| bytes >= before + LEAST)
                {
                    seen.push((now, bytes));
                }
            }
            seen
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        (result, eye.join().unwrap_or_default())
    });
    let result = result?;
    let until = until(&result);
    let mut times = seen.iter().map(|(at, _)| *at).filter(|at| *at <= until);
    let last = times.next_back().unwrap_or(until);
    Ok((result, last))
}
