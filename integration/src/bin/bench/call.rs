//! One call of a plugin, as a runtime makes it, and what it costs.

use crate::node::{Node, Pod};
use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What a runtime asks for a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Add,
    Del,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Add => "ADD",
            Verb::Del => "DEL",
        }
    }
}

/// Makes the call in the calling thread's network namespace, and says how long it took; a plugin that
/// fails ends the bench with its words.
pub(crate) fn call(node: &Node, verb: Verb, pod: &Pod) -> Result<Duration> {
    let id = pod.id();
    let args = format!(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-{id};\
         K8S_POD_INFRA_CONTAINER_ID={id}"
    );
    let mut command = command(node, verb.name())?;
    command
        .args(node.arguments(pod))
        .env("CNI_CONTAINERID", &id)
        .env("CNI_NETNS", pod.path())
        .env("CNI_IFNAME", "eth0")
        .env("CNI_ARGS", args);
    run(&mut command, &node.conf).with_context(|| format!("{} {} {id}", node.rival, verb.name()))
}

/// GC: of the pods only `valid` are there. Its verb came with version 1.1.0.
pub(crate) fn gc(node: &Node, valid: &[Pod]) -> Result<Duration> {
    let attachment = |pod: &Pod| json!({"containerID": pod.id(), "ifname": "eth0"});
    let valid: Vec<Value> = valid.iter().map(attachment).collect();
    let mut conf: Value = serde_json::from_str(&node.conf)?;
    conf["cniVersion"] = json!("1.1.0");
    conf["cni.dev/valid-attachments"] = json!(valid);
    let mut command = command(node, "GC")?;
    run(&mut command, &conf.to_string()).with_context(|| format!("{} GC", node.rival))
}

fn command(node: &Node, verb: &str) -> Result<Command> {
    let folder = node.program.parent();
    let mut command = Command::new(&node.program);
    command
        .env("CNI_COMMAND", verb)
        .env("CNI_PATH", folder.context("a program lies in a folder")?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

fn run(command: &mut Command, conf: &str) -> Result<Duration> {
    let started = Instant::now();
    let output = talk(command, conf)?;
    let wall = started.elapsed();
    ensure!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(wall)
}

fn talk(command: &mut Command, conf: &str) -> Result<Output> {
    let mut child = command.spawn()?;
    let stdin = child.stdin.take().context("stdin is piped")?;
    { stdin }.write_all(conf.as_bytes())?;
    Ok(child.wait_with_output()?)
}

/// Processor time of all children that have ended, and theirs.
pub(crate) fn cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into()?))
}
