//! One call of a plugin, as a runtime makes it, and what it costs.

use crate::node::{Node, Pod};
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What a runtime asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Add,
    Del,
}

/// Makes the call in the calling thread's network namespace, and says how long it took; a plugin that
/// fails ends the bench with its words.
pub(crate) fn call(node: &Node, verb: Verb, pod: &Pod) -> Result<Duration> {
    let name = match verb {
        Verb::Add => "ADD",
        Verb::Del => "DEL",
    };
    let mut command = Command::new(&node.program);
    command
        .args(node.arguments(pod))
        .env("CNI_COMMAND", name)
        .env("CNI_CONTAINERID", format!("c{}", pod.number))
        .env("CNI_NETNS", pod.path())
        .env("CNI_IFNAME", "eth0")
        .env(
            "CNI_PATH",
            node.program
                .parent()
                .context("a program lies in a folder")?,
        )
        .env(
            "CNI_ARGS",
            format!(
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-{0};\
                 K8S_POD_INFRA_CONTAINER_ID=c{0}",
                pod.number
            ),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let output = run(&mut command, &node.conf)?;
    let wall = started.elapsed();
    ensure!(
        output.status.success(),
        "{} {name} of pod {}: {}{}",
        node.rival,
        pod.number,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(wall)
}

fn run(command: &mut Command, stdin: &str) -> Result<Output> {
    let mut child = command.spawn()?;
    let pipe = child.stdin.take();
    pipe.context("stdin is piped")?
        .write_all(stdin.as_bytes())?;
    Ok(child.wait_with_output()?)
}

/// Processor time of all children that have ended, and theirs.
pub(crate) fn cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into()?))
}
