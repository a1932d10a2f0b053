//! Counted traffic between two ends: `lab probe` at both.

use crate::endpoint::Endpoint;
use crate::eventually;
use crate::pod::Pod;
use crate::probe::{LISTENING, Received, Sent};
use crate::process::Process;
use anyhow::{Context, Result, bail};
use gingham_model::Family;
use nix::sys::signal::Signal;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// A port of its own for each flow of this process.
static NEXT_PORT: AtomicU16 = AtomicU16::new(20_000);
/// How long an end may take to start or to stop.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long packets under way are waited for.
const GRACE: Duration = Duration::from_millis(500);

/// What kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its address family.
    pub family: Family,
    /// Packets a second.
    pub rate: u32,
}

/// Traffic that flows. Dropped, it stops uncounted.
#[derive(Debug)]
#[must_use]
pub struct Traffic {
    sender: Process,
    receiver: Process,
}

/// What both ends counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// At the sender.
    pub sent: Sent,
    /// At the receiver.
    pub received: Received,
}

impl Count {
    /// Packets that should have arrived and did not, those included that the sender could not send.
    pub fn lost(&self) -> u64 {
        let refused: u64 = self.sent.errors.values().sum();
        (self.sent.sent + refused).saturating_sub(self.received.received)
    }
}

impl Traffic {
    /// Starts the receiver, and once it listens the sender.
    ///
    /// # Errors
    /// One of the pods lacks the family, or an end does not start.
    pub fn start(from: &Pod, to: &Pod, flow: Flow) -> Result<Self> {
        Traffic::between(&from.into(), &to.into(), flow)
    }

    /// The same between any two ends.
    ///
    /// # Errors
    /// As [`Traffic::start`].
    pub fn between(from: &Endpoint, to: &Endpoint, flow: Flow) -> Result<Self> {
        let lab = from.host().lab_executable().display().to_string();
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed).to_string();
        let (address, rate) = (to.address(flow.family)?.to_string(), flow.rate.to_string());
        // The source address is the kernel's choice, which it makes only for an address it has.
        from.address(flow.family)?;
        let receive = [&lab, "probe", "receive", "--port", &port];
        let receiver = to.spawn(&format!("receive-{port}"), &receive)?;
        eventually("a receiver", DEADLINE, || {
            let printed = receiver.printed()?;
            if !printed.starts_with(LISTENING) {
                bail!("{printed:?}");
            }
            Ok(())
        })?;
        let send = [
            &lab, "probe", "send", "--to", &address, "--port", &port, "--rate", &rate,
        ];
        let sender = from.spawn(&format!("send-{port}"), &send)?;
        Ok(Traffic { sender, receiver })
    }

    /// Stops the sender, waits for packets under way, stops the receiver, and counts.
    ///
    /// # Errors
    /// An end that does not stop or ended early.
    pub fn stop(self) -> Result<Count> {
        let sent = report("sender", &self.sender.stop(Signal::SIGTERM, DEADLINE)?)?;
        sleep(GRACE);
        let received = report("receiver", &self.receiver.stop(Signal::SIGTERM, DEADLINE)?)?;
        Ok(Count { sent, received })
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        for end in [&self.sender, &self.receiver] {
            // Gone already after `stop`; otherwise the box's end is the last resort.
            let _ = end.signal(Signal::SIGKILL);
        }
    }
}

fn report<T: DeserializeOwned>(end: &str, printed: &str) -> Result<T> {
    let last = printed.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("the {end} reported {printed:?}"))
}
