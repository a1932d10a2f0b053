//! Echo requests, counted.

use crate::exec::Exec;
use anyhow::{Context, Result};
use std::net::IpAddr;
use std::time::Duration;

/// What `ping` counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingResult {
    /// Echo requests sent.
    pub sent: u32,
    /// Echo replies that came back.
    pub received: u32,
}

impl PingResult {
    /// Whether every request was answered.
    pub fn complete(self) -> bool {
        self.sent > 0 && self.sent == self.received
    }
}

/// Ten requests a second; the last one is waited for five seconds, for a machine that is busy.
pub(crate) fn run(
    command: impl Fn(&[&str]) -> Exec,
    address: IpAddr,
    count: u32,
) -> Result<PingResult> {
    let (address, packets) = (address.to_string(), count.to_string());
    let argv = [
        "ping", "-n", "-q", "-i", "0.1", "-W", "5", "-c", &packets, &address,
    ];
    let deadline = Duration::from_millis(100) * count + Duration::from_secs(15);
    let output = command(&argv).deadline(deadline).output()?;
    parse(&output.stdout)
        .with_context(|| format!("ping {address}: {}{}", output.stdout, output.stderr.trim()))
}

/// `3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 205ms`
fn parse(text: &str) -> Option<PingResult> {
    let line = text
        .lines()
        .find(|line| line.contains(" packets transmitted, "))?;
    let mut numbers = line
        .split(", ")
        .map(|part| part.split(' ').next().unwrap_or_default());
    Some(PingResult {
        sent: numbers.next()?.parse().ok()?,
        received: numbers.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read_with_and_without_errors() {
        let text = "PING 10.1.0.1\n\n--- 10.1.0.1 ping statistics ---\n\
                    3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 205ms\n";
        assert_eq!(
            parse(text),
            Some(PingResult {
                sent: 3,
                received: 0
            })
        );
        let text = "1 packets transmitted, 1 received, 0% packet loss, time 0ms";
        assert!(parse(text).unwrap().complete());
        assert_eq!(parse("ping: connect: Network is unreachable"), None);
    }
}
