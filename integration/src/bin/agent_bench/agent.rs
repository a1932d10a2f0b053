//! The agent under measurement, asked by its own commands.

use crate::child::{self, Running};
use crate::zone::{CLUSTER_DIR, NODE};
use anyhow::{Context, Result, bail};
use gingham_integration::eventually;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long it may take to say that all is well.
const READY: Duration = Duration::from_secs(120);
/// Where its metrics are: on the node's address.
const METRICS: &str = "172.16.0.1:9179";
/// How long it may take to tell them.
const ANSWER: Duration = Duration::from_secs(10);

pub(crate) struct Agent {
    program: PathBuf,
    pub(crate) process: Running,
}

impl Agent {
    /// Starts it in the calling thread's namespaces.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let arguments = ["run", "--cluster-dir", CLUSTER_DIR, "--node", NODE];
        Ok(Agent {
            program: program.to_owned(),
            process: Running::start(program, &arguments)?,
        })
    }

    /// Waits until it says that the kernel has what it wants.
    pub(crate) fn wait_ready(&self) -> Result<Value> {
        let ready = eventually("the agent is ready", READY, || {
            let status = self.status()?;
            if status["ready"] != true {
                bail!("{}", status["reasons"]);
            }
            Ok(status)
        });
        ready.with_context(child::log_end)
    }

    /// `gingham-agent status -o json`.
    pub(crate) fn status(&self) -> Result<Value> {
        let output = Command::new(&self.program)
            .args(["status", "-o", "json"])
            .output()
            .context("starting gingham-agent status")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).context("gingham-agent status")
    }

    /// A counter without labels of its `/metrics`.
    pub(crate) fn counter(&self, name: &str) -> Result<f64> {
        let what = || format!("http://{METRICS}/metrics");
        let mut stream = TcpStream::connect(METRICS).with_context(what)?;
        stream.set_read_timeout(Some(ANSWER)).with_context(what)?;
        let request = format!("GET /metrics HTTP/1.0\r\nHost: {METRICS}\r\n\r\n");
        stream.write_all(request.as_bytes()).with_context(what)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).with_context(what)?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let value = lines.find(|(counter, _)| *counter == name);
        let (_, value) = value.with_context(|| format!("{}: no {name} in {text}", what()))?;
        value.parse().with_context(what)
    }
}
