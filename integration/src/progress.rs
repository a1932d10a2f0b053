//! Progress lines for people, with the time since the start.

use std::io::{Write, stderr};
use std::time::Instant;

/// Where progress goes.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// `None`: nowhere.
    start: Option<Instant>,
}

impl Progress {
    /// To stderr: `[ 0.8s] z1w1  eth0 10.1.0.21, fd00:1::21`.
    pub fn to_stderr() -> Self {
        Progress {
            start: Some(Instant::now()),
        }
    }

    /// Nowhere.
    pub fn silent() -> Self {
        Progress { start: None }
    }

    /// One line about `who`.
    pub fn say(self, who: &str, what: &str) {
        if let Some(start) = self.start {
            let seconds = start.elapsed().as_secs_f64();
            // Nobody to tell that stderr is closed.
            let _ = writeln!(stderr(), "[{seconds:5.1}s] {who:<5} {what}");
        }
    }
}
