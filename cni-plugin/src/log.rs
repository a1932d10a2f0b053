//! The plugin's log: one line for each request, in a file the configuration names.
//!
//! Runtimes throw stderr away when a plugin succeeds, so there is a file or nothing. A log that
//! cannot be written keeps no pod from starting.

use gingham_cni::{Attachment, Conf, Error, LogLevel};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Instant, SystemTime};

/// At this size the file becomes `<file>.1`, in place of the one before.
const FULL: u64 = 10 * 1024 * 1024;

/// Serves a request and logs it: what, for whom, how it ended, in how many milliseconds.
pub(crate) fn around(
    conf: &Conf,
    verb: &str,
    attachment: &Attachment,
    serve: impl FnOnce() -> Result<String, Error>,
) -> Result<String, Error> {
    let started = Instant::now();
    let outcome = serve();
    if let Some(path) = &conf.log_file {
        let level = if outcome.is_ok() {
            LogLevel::Info
        } else {
            LogLevel::Error
        };
        if level <= conf.log_level {
            let line = line(verb, attachment, &outcome, started);
            // Nowhere to complain to: see above.
            let _ = append(path, &line);
        }
    }
    outcome
}

fn line(
    verb: &str,
    attachment: &Attachment,
    outcome: &Result<String, Error>,
    started: Instant,
) -> String {
    let error = outcome.as_ref().err();
    let entry = json!({
        "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "level": if error.is_some() { "error" } else { "info" },
        "verb": verb,
        "attachment": attachment.to_string(),
        "milliseconds": started.elapsed().as_micros() as f64 / 1000.0,
        "code": error.map(|error| error.code.number()),
        "error": error.map(ToString::to_string),
    });
    format!("{entry}\n")
}

/// One write of one line, so that lines of processes that run side by side do not mix.
fn append(path: &Path, line: &str) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|file| file.len() >= FULL) {
        let mut old = path.as_os_str().to_owned();
        old.push(".1");
        fs::rename(path, old)?;
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    file.write_all(line.as_bytes())
}
