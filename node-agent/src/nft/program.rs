//! One run of the program `nft`: text in, text out, within a deadline.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long one run may take; it takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(1);

/// Where it is looked for: in `PATH`, and where a service's `PATH` may not lead.
const PLACES: [&str; 3] = ["nft", "/usr/sbin/nft", "/sbin/nft"];

/// How much of a complaint is told: its first line says what, the next two quote and mark the line
/// it is about, which may be a set of thousands of prefixes.
const LINES: usize = 3;
const WIDTH: usize = 120;

/// Why the table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// There is no such program.
    #[error("nft not found in PATH, /usr/sbin or /sbin: it comes with the package nftables")]
    Missing,
    /// It did not end in time and was killed.
    #[error("nft {command}: not done after {} s, killed", DEADLINE.as_secs())]
    Timeout {
        /// Its arguments.
        command: String,
    },
    /// It said no, or the kernel did.
    #[error("nft {command}: {status}: {stderr}")]
    Refused {
        /// Its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The first lines of its complaint.
        stderr: String,
    },
    /// It could not be run, or its answer not be read.
    #[error("nft {command}: {source}")]
    Io {
        /// Its arguments.
        command: String,
        /// The reason.
        source: io::Error,
    },
    /// What was read right after a write is not what was written.
    #[error("nft: somebody else changes the table while it is written")]
    Contended,
}

/// The program.
#[derive(Debug)]
pub(super) struct Program {
    places: Vec<PathBuf>,
}

impl Program {
    pub(super) fn new() -> Self {
        Program {
            places: PLACES.map(PathBuf::from).to_vec(),
        }
    }

    pub(super) fn at(place: PathBuf) -> Self {
        Program {
            places: vec![place],
        }
    }

    /// Runs it with `input`, and returns what it printed.
    pub(super) fn run(&self, args: &[&str], input: &str) -> Result<String, NftError> {
        let command = || args.join(" ");
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => NftError::Missing,
            _ => NftError::Io {
                command: command(),
                source,
            },
        };
        let mut child = self.spawn(args).map_err(io)?;
        // On threads of their own: none of the three pipes can be full while another is waited for.
        if let Some(mut stdin) = child.stdin.take() {
            let input = input.to_owned();
            // One that ends without reading all has said why on stderr.
            thread::spawn(move || stdin.write_all(input.as_bytes()));
        }
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let deadline = Instant::now() + DEADLINE;
        let timeout = || NftError::Timeout { command: command() };
        let status = wait(child, deadline).map_err(io)?.ok_or_else(timeout)?;
        let collect = |pipe: Receiver<io::Result<Vec<u8>>>| {
            let left = deadline.saturating_duration_since(Instant::now());
            let text = pipe
                .recv_timeout(left)
                .map_err(|_| timeout())?
                .map_err(io)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        let (stdout, stderr) = (collect(stdout)?, collect(stderr)?);
        if status.success() {
            return Ok(stdout);
        }
        Err(NftError::Refused {
            command: command(),
            status,
            stderr: start_of(&stderr),
        })
    }

    /// Starts it from the first place it is found at.
    fn spawn(&self, args: &[&str]) -> io::Result<Child> {
        let mut outcome = Err(io::ErrorKind::NotFound.into());
        for place in &self.places {
            outcome = Command::new(place)
                .args(args)
                .env("LC_ALL", "C")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            if !matches!(&outcome, Err(error) if error.kind() == io::ErrorKind::NotFound) {
                break;
            }
        }
        outcome
    }
}

fn start_of(complaint: &str) -> String {
    let lines = complaint.lines().take(LINES).map(str::trim);
    let lines: Vec<&str> = lines
        .map(|line| &line[..line.floor_char_boundary(WIDTH)])
        .collect();
    lines.join(" | ")
}

/// Reads a pipe to its end, on a thread of its own.
fn drain(pipe: Option<impl Read + Send + 'static>) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
        // Nobody listens any more after a timeout.
        let _ = sender.send(read.map(|_| bytes));
    });
    receiver
}

/// Waits until `child` ends; `None` when it had to be killed at `deadline`.
fn wait(mut child: Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            // One that is held up inside the kernel dies later: it is reaped when it does.
            thread::spawn(move || child.wait());
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_complaint_the_start_is_told() {
        let elements = "10.0.0.0/8, ".repeat(1000);
        let told = start_of(&format!(
            "Error: conflict\n  {elements}\n  ^^^\nError: more\n"
        ));
        assert!(told.starts_with("Error: conflict | 10.0.0.0/8, "), "{told}");
        assert!(told.ends_with(" | ^^^") && told.len() < 200, "{told}");
    }
}
