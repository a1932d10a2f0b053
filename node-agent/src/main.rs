//! `gingham-agent`: the agent of a node, and the commands that ask it.

use anyhow::{Result, anyhow, bail};
use clap::Parser;
use gingham_agent::agent::{self, Config};
use gingham_agent::check::{self, Places, Report};
use gingham_agent::cleanup::{self, Cleanup, Installed};
use gingham_agent::cli::{
    self, Ask, Check, Cli, Command, Crds, Explain, InstallCni, LogFormat, Manifest, Output, Peers,
    PlanFile, Rib, Run,
};
use gingham_agent::status::{Confirmed, Paths, Rehearsal};
use gingham_agent::store::Directory;
use gingham_agent::store::kubernetes::{Access, Kubernetes};
use gingham_agent::{client, conf, crd, install, table};
use gingham_model::Prefix;
use gingham_netlink::sysctl::Tree;
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::LevelFilter;

/// A file operation that hangs must not keep the process from ending.
const STUCK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(error) => {
            // Our messages hold their causes already, so no `{:#}`. Without stderr nobody can be
            // told.
            let _ = writeln!(std::io::stderr(), "gingham-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Run(command) => run(*command).await?,
            Command::Status(ask) => status(&ask).await?,
            Command::Routes(ask) => routes(&ask).await?,
            Command::Peers(command) => peers(&command).await?,
            Command::Rib(command) => rib(&command).await?,
            Command::Explain(command) => explain(&command).await?,
            Command::Diff(ask) => return diff(&ask).await,
            Command::Plan(command) => plan(&command).await?,
            Command::ConfirmRemovals(ask) => confirm_removals(&ask).await?,
            Command::Check(command) => check(&command)?,
            Command::Cleanup(command) => cleanup(&command).await?,
            Command::InstallCni(command) => install_cni(&command)?,
            Command::Crds(command) => crds(&command)?,
        }
        Ok(ExitCode::SUCCESS)
    });
    runtime.shutdown_timeout(STUCK);
    outcome
}

async fn run(command: Run) -> Result<()> {
    log(command.log_format, command.log_level)?;
    let stop = CancellationToken::new();
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let stopped = stop.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping; routes stay");
        stopped.cancel();
    });
    let cluster = command.cluster;
    let conf = command.cni_conf.map(|path| {
        let wanted = conf::read(&path)?;
        Ok::<_, conf::Unfit>(conf::Kept {
            wanted,
            folder: command.cni_conf_dir.cni_conf_dir,
            plugins: command.cni_bin_dir,
            state_dir: command.state.state_dir.clone(),
        })
    });
    let config = Config {
        node: command.node,
        run_dir: command.run_dir,
        state_dir: command.state.state_dir,
        health: command.health_listen,
        debug: command.debug_listen,
        metrics: command.metrics_listen,
        settings: Tree::at(&command.settings.sysctl_root),
        conf: conf.transpose()?,
    };
    if let Some(dir) = cluster.cluster_dir {
        let store = Directory::new(&dir, &config.node, &command.secrets_dir);
        return Ok(agent::run(config, store, stop).await?);
    }
    let access = Access {
        kubeconfig: cluster.kubeconfig,
        api_server: cluster.api_server,
        namespace: cluster.namespace,
    };
    let store = Kubernetes::open(&access, &config.node)?;
    Ok(agent::run(config, store, stop).await?)
}

fn log(format: LogFormat, level: LevelFilter) -> Result<()> {
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level);
    let set = match format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    set.map_err(|error| anyhow!("log: {error}"))
}

fn crds(command: &Crds) -> Result<()> {
    write(&match command.output {
        Manifest::Yaml => crd::yaml()?,
        Manifest::Json => crd::json()?,
    })
}

async fn status(ask: &Ask) -> Result<()> {
    let body = client::get(&ask.run_dir, "/v1/status").await?;
    print(ask, &body, |status| table::status(&status))
}

async fn routes(ask: &Ask) -> Result<()> {
    let body = client::get(&ask.run_dir, "/v1/routes").await?;
    print(ask, &body, |routes| table::routes(&routes))
}

async fn peers(command: &Peers) -> Result<()> {
    let ask = &command.ask;
    if let Some(router) = command.config_for {
        let path = format!("/v1/sample?for={router}&flavour={}", command.flavour);
        let sample = client::get(&ask.run_dir, &path).await?;
        return write(&String::from_utf8_lossy(&sample));
    }
    let body = client::get(&ask.run_dir, "/v1/peers").await?;
    let Some(name) = &command.name else {
        return print(ask, &body, |peers| table::peers(&peers));
    };
    let mut document: Value = read(&body)?;
    let peers = document["peers"].as_array_mut().map(std::mem::take);
    let mut peers = peers.unwrap_or_default().into_iter();
    let peer = peers.find(|peer| peer["name"] == json!(name));
    let peer = peer.ok_or_else(|| anyhow!("no neighbour is called {name:?}"))?;
    print(ask, &serde_json::to_vec(&peer)?, |peer| table::peer(&peer))
}

/// A prefix is judged here already: any text would be no part of a path. So is an address below.
async fn rib(command: &Rib) -> Result<()> {
    let Some(prefix) = &command.prefix else {
        let body = client::get(&command.ask.run_dir, "/v1/rib").await?;
        return print(&command.ask, &body, |rib| table::rib(&rib));
    };
    let prefix: Prefix = prefix.parse()?;
    let path = format!("/v1/rib?prefix={prefix}");
    let body = client::get(&command.ask.run_dir, &path).await?;
    print(&command.ask, &body, |paths: Paths| {
        table::paths(&paths.report)
    })
}

async fn explain(command: &Explain) -> Result<()> {
    let ip = command.ip.parse::<IpAddr>();
    let ip = ip.map_err(|error| anyhow!("address {:?}: {error}", command.ip))?;
    let path = format!("/v1/explain?ip={ip}");
    let body = client::get(&command.ask.run_dir, &path).await?;
    print(&command.ask, &body, |explained| {
        table::explained(&explained)
    })
}

/// As diff(1) does: 1 says that there is a difference.
async fn diff(ask: &Ask) -> Result<ExitCode> {
    let body = client::get(&ask.run_dir, "/v1/diff").await?;
    let rehearsal: Rehearsal = read(&body)?;
    print(ask, &body, |rehearsal| table::rehearsal(&rehearsal))?;
    Ok(match rehearsal.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn plan(command: &PlanFile) -> Result<()> {
    let file = &command.filename;
    let objects = match file.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(file),
    };
    let objects = objects.map_err(|error| anyhow!("{}: {error}", file.display()))?;
    let body = client::post(&command.ask.run_dir, "/v1/plan", objects).await;
    let body = body.map_err(|error| anyhow!("{}: {error}", file.display()))?;
    print(&command.ask, &body, |rehearsal| {
        table::rehearsal(&rehearsal)
    })
}

async fn confirm_removals(ask: &Ask) -> Result<()> {
    let path = "/v1/confirm-removals";
    let body = client::post(&ask.run_dir, path, String::new()).await?;
    print(ask, &body, |answer: Confirmed| match answer.confirmed {
        0 => "no mass removal is held\n".to_owned(),
        routes => format!("{routes} routes will be removed\n"),
    })
}

fn check(command: &Check) -> Result<()> {
    let report = Report::of(&check::gather(&Places {
        run_dir: command.ask.run_dir.clone(),
        settings: Tree::at(&command.settings.sysctl_root),
        cni_conf_dir: command.cni.conf.cni_conf_dir.clone(),
        cni_bin_dir: command.cni.cni_bin_dir.clone(),
        host_root: command.host_root.clone(),
    }));
    show(command.ask.output, &report, table::checks)?;
    match report.failed() {
        0 => Ok(()),
        failed => bail!("{failed} of {} checks failed", report.checks.len()),
    }
}

fn install_cni(command: &InstallCni) -> Result<()> {
    let report = install::install(&install::Places {
        from: command.from.clone(),
        to: command.cni_bin_dir.clone(),
        state_dir: command.state.state_dir.clone(),
    })?;
    show(command.output, &report, table::installed)
}

async fn cleanup(command: &cli::Cleanup) -> Result<()> {
    // Before the work: a pod that is told to stop meanwhile is to be gone soon after it.
    let mut term = signal(SignalKind::terminate())?;
    clean_up(command)?;
    if command.stay {
        term.recv().await;
    }
    Ok(())
}

fn clean_up(command: &cli::Cleanup) -> Result<()> {
    let dirs = &command.cni;
    let cleanup = Cleanup::begin(cleanup::Places {
        run_dir: command.ask.run_dir.clone(),
        state_dir: command.state.state_dir.clone(),
        settings: Tree::at(&command.settings.sysctl_root),
        cni_conf_dir: dirs.conf.cni_conf_dir.clone(),
        cni_bin_dir: dirs.cni_bin_dir.clone(),
        installed: match command.installed {
            true => Installed::Undone,
            false => Installed::Left,
        },
    })?;
    if !command.yes {
        return show(command.ask.output, &cleanup.preview(), table::cleanup);
    }
    if !command.pods {
        cleanup.spare_pods()?;
    }
    let report = cleanup.carry_out()?;
    show(command.ask.output, &report, table::cleanup)?;
    match report.left.len() {
        0 => Ok(()),
        left => bail!("{left} things are left"),
    }
}

/// Prints a document of our own.
fn show<T: Serialize>(form: Output, document: &T, table: impl FnOnce(&T) -> String) -> Result<()> {
    write(&match form {
        Output::Json => serde_json::to_string_pretty(document)? + "\n",
        Output::Table => table(document),
    })
}

/// JSON is passed on as it came, so that a newer agent's fields are not lost.
fn print<T: serde::de::DeserializeOwned>(
    ask: &Ask,
    body: &[u8],
    table: impl FnOnce(T) -> String,
) -> Result<()> {
    let text = match ask.output {
        Output::Json => {
            let value: serde_json::Value = serde_json::from_slice(body)?;
            serde_json::to_string_pretty(&value)? + "\n"
        }
        Output::Table => table(read(body)?),
    };
    write(&text)
}

fn write(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| anyhow!("stdout: {error}"))
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| anyhow!("the agent's answer cannot be read: {error}"))
}
