//! The reflector under measurement, from the moment it listens.

use anyhow::{Result, ensure};
use gingham_integration::bench::{Launch, Running, log_end};
use std::fs::File;
use std::io::Read;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks for its socket.
const PAUSE: Duration = Duration::from_millis(1);

/// Starts it in the calling thread's namespaces, and waits until it listens.
pub(crate) fn start(launch: &Launch) -> Result<Running> {
    let mut daemon = Running::start(launch)?;
    let start = Instant::now();
    while !listening()? {
        daemon.check()?;
        let late = start.elapsed() > PATIENCE;
        ensure!(!late, "it does not listen on port 179: {}", log_end());
        sleep(PAUSE);
    }
    Ok(daemon)
}

/// Whether someone listens on BGP's port in the calling thread's namespace. A look disturbs nobody,
/// where a connection would.
fn listening() -> Result<bool> {
    // Listening sockets come first in it.
    let mut text = vec![0; 4096];
    let length = File::open("/proc/thread-self/net/tcp")?.read(&mut text)?;
    text.truncate(length);
    let text = String::from_utf8_lossy(&text);
    // Local address, remote address, state: port 179, TCP_LISTEN.
    let listens = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().is_some_and(|local| local.ends_with(":00B3"));
        local && fields.nth(1) == Some("0A")
    };
    Ok(text.lines().any(listens))
}
