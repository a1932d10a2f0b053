//! `lab probe`: numbered UDP packets at a steady rate, counted at both ends.

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{setsockopt, sockopt};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Begins every packet; what else comes to the port is not counted.
const MAGIC: [u8; 8] = *b"gingham\0";
/// Magic and sequence number.
const LENGTH: usize = 16;
/// What a receiver may leave unread, in bytes. On a machine that stood still for seconds the sender
/// makes up for them in one go, and such packets are not the network's to lose.
const BUFFER: usize = 16 << 20;
/// What the receiver prints once it can receive.
pub const LISTENING: &str = "listening";

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendPlan {
    /// Where to.
    pub to: SocketAddr,
    /// Packets a second, at least 1.
    pub rate: u32,
    /// Number of packets; `None`: until SIGTERM or SIGINT.
    pub count: Option<u64>,
}

/// What was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Packets the kernel took.
    pub sent: u64,
    /// Packets it refused, by its error.
    pub errors: BTreeMap<String, u64>,
}

/// When to stop receiving; SIGTERM and SIGINT always do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceivePlan {
    /// After so many different packets.
    pub count: Option<u64>,
    /// After so long.
    pub until: Option<Duration>,
}

/// What was received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// Different packets.
    pub received: u64,
    /// Packets seen before.
    pub duplicates: u64,
    /// The lowest sequence number.
    pub first_seq: Option<u64>,
    /// The highest sequence number.
    pub last_seq: Option<u64>,
    /// The longest time between two packets, in microseconds.
    pub longest_gap_micros: u64,
}

/// Sends, one packet at each multiple of the interval since the start, however long each takes.
///
/// # Errors
/// No socket. A packet that cannot be sent is counted.
pub fn send(plan: SendPlan) -> Result<Sent> {
    let any: IpAddr = match plan.to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let stop = stop_signals()?;
    let socket = UdpSocket::bind((any, 0)).context("opening a socket")?;
    let start = Instant::now();
    let mut connected = false;
    let mut report = Sent::default();
    for sequence in 0..plan.count.unwrap_or(u64::MAX) {
        let due = Duration::from_secs_f64(sequence as f64 / f64::from(plan.rate.max(1)));
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        if stop.read_signal().context("reading signals")?.is_some() {
            break;
        }
        // Connected, so that the kernel tells about ICMP errors; without a route even that fails.
        let ready = if connected {
            Ok(())
        } else {
            socket.connect(plan.to)
        };
        connected = ready.is_ok();
        match ready.and_then(|()| socket.send(&packet(sequence))) {
            Ok(_) => report.sent += 1,
            Err(error) => *report.errors.entry(error.to_string()).or_default() += 1,
        }
    }
    Ok(report)
}

/// Receives both families on `port`. Prints [`LISTENING`] once it can.
///
/// # Errors
/// The port is taken, or the socket fails.
pub fn receive(port: u16, plan: ReceivePlan) -> Result<Received> {
    let stop = stop_signals()?;
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))
        .with_context(|| format!("opening port {port}"))?;
    socket.set_nonblocking(true).context("the socket")?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).context("SO_RCVBUFFORCE")?;
    writeln!(io::stdout(), "{LISTENING}").context("stdout")?;
    let end = plan.until.map(|until| Instant::now() + until);
    let mut tally = Tally::default();
    while plan.count.is_none_or(|count| tally.report.received < count) {
        let timeout = match end.map(|end| end.saturating_duration_since(Instant::now())) {
            None => PollTimeout::NONE,
            Some(Duration::ZERO) => break,
            // Rounded up: a timeout of 0 ms would spin.
            Some(left) => PollTimeout::try_from(left + Duration::from_millis(1))
                .context("--until is too long")?,
        };
        let mut fds = [
            PollFd::new(socket.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error).context("poll"),
        }
        if fds[1].any().unwrap_or(false) {
            // What already lies in the socket is taken along.
            tally.drain(&socket)?;
            break;
        }
        tally.drain(&socket)?;
    }
    Ok(tally.report)
}

fn packet(sequence: u64) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    packet[..8].copy_from_slice(&MAGIC);
    packet[8..].copy_from_slice(&sequence.to_be_bytes());
    packet
}

fn sequence(packet: &[u8]) -> Option<u64> {
    let number = packet.strip_prefix(&MAGIC)?;
    Some(u64::from_be_bytes(number.try_into().ok()?))
}

fn stop_signals() -> Result<SignalFd> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block().context("blocking signals")?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context("signalfd")
}

/// The receiver's books.
#[derive(Default)]
struct Tally {
    report: Received,
    seen: HashSet<u64>,
    last: Option<Instant>,
}

impl Tally {
    fn drain(&mut self, socket: &UdpSocket) -> Result<()> {
        let mut buffer = [0; LENGTH + 1];
        loop {
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    if let Some(sequence) = sequence(&buffer[..length]) {
                        self.count(sequence, Instant::now());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("receiving"),
            }
        }
    }

    fn count(&mut self, sequence: u64, now: Instant) {
        let Received {
            first_seq,
            last_seq,
            longest_gap_micros,
            ..
        } = &mut self.report;
        if let Some(last) = self.last.replace(now) {
            let gap = u64::try_from((now - last).as_micros()).unwrap_or(u64::MAX);
            *longest_gap_micros = gap.max(*longest_gap_micros);
        }
        *first_seq = Some(first_seq.map_or(sequence, |first| first.min(sequence)));
        *last_seq = Some(last_seq.map_or(sequence, |last| last.max(sequence)));
        if self.seen.insert(sequence) {
            self.report.received += 1;
        } else {
            self.report.duplicates += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_packets_have_a_number() {
        assert_eq!(sequence(&packet(u64::MAX)), Some(u64::MAX));
        assert_eq!(sequence(&[0; LENGTH]), None);
        assert_eq!(sequence(&packet(1)[..LENGTH - 1]), None);
    }

    #[test]
    fn the_books_hold_under_reordering_and_duplicates() {
        let mut tally = Tally::default();
        let start = Instant::now();
        for (sequence, millis) in [(3, 0), (1, 1), (3, 6), (7, 7)] {
            tally.count(sequence, start + Duration::from_millis(millis));
        }
        let wanted = Received {
            received: 3,
            duplicates: 1,
            first_seq: Some(1),
            last_seq: Some(7),
            longest_gap_micros: 5000,
        };
        assert_eq!(tally.report, wanted);
    }
}
