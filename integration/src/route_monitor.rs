//! `ip monitor route` in a box: what happened to its routes, as seen from outside.

use crate::eventually;
use crate::lab_box::LabBox;
use crate::process::Process;
use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// A log of its own for each monitor of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);
/// How long the monitor may take to begin or to end.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long an event may be on its way through the monitor.
const GRACE: Duration = Duration::from_millis(200);
/// A route nobody uses (RFC 5737), to see whether the monitor sees.
const SCRATCH: &str = "192.0.2.1/32";

/// Sees the routes of both families change. Dropped, it stops.
#[derive(Debug)]
#[must_use]
pub struct RouteMonitor {
    monitor: Process,
    /// What was printed of the scratch route.
    before: String,
}

impl RouteMonitor {
    /// Begins to watch. It has shown that it sees: a scratch route came and went.
    ///
    /// # Errors
    /// It does not start, or sees nothing.
    pub fn start(on: &LabBox) -> Result<Self> {
        let name = format!("monitor-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let monitor = on.spawn(&name, &["ip", "monitor", "route"])?;
        eventually("ip monitor sees a route come and go", DEADLINE, || {
            on.exec(&["ip", "route", "add", SCRATCH, "dev", "lo"])?;
            on.exec(&["ip", "route", "delete", SCRATCH, "dev", "lo"])?;
            let printed = monitor.printed()?;
            ensure!(printed.contains("Deleted"), "{printed:?}");
            Ok(())
        })?;
        // Settled: nothing of the scratch route is still to come.
        sleep(GRACE);
        let before = monitor.printed()?;
        Ok(RouteMonitor { monitor, before })
    }

    /// Everything seen up to now, one event a line, a removal beginning with `Deleted`.
    ///
    /// # Errors
    /// The monitor has ended, and with it what it could have seen.
    pub fn seen(&self) -> Result<Vec<String>> {
        sleep(GRACE);
        ensure!(self.monitor.running(), "ip monitor has ended");
        let printed = self.monitor.printed()?;
        let since = printed.strip_prefix(&self.before).unwrap_or(&printed);
        Ok(since
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect())
    }
}

impl Drop for RouteMonitor {
    fn drop(&mut self) {
        // Otherwise the box's end is the last resort.
        let _ = self.monitor.signal(Signal::SIGKILL);
    }
}
