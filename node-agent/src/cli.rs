//! The command line.

use crate::sample::{Flavour, Router};
use clap::{Args, Parser, Subcommand, ValueEnum};
use gingham_model::NodeName;
use std::net::SocketAddr;
use std::path::PathBuf;
use tracing_subscriber::filter::LevelFilter;

/// Keeps a node's share of the pod network true: claims blocks, installs routes, tells the CNI
/// plugin what it may give out.
#[derive(Debug, Parser)]
#[command(name = "gingham-agent", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent of this node
    Run(Box<Run>),
    /// Ask the running agent how it stands
    Status(Ask),
    /// Ask the running agent for its routes, as wanted and as the kernel has them
    Routes(Ask),
    /// Ask the running agent for its BGP neighbours, or for one of them in full
    Peers(Peers),
    /// Ask the running agent for its BGP routes, or for every path to one prefix and why the best is
    Rib(Rib),
    /// Ask the running agent where a packet to an address goes, and why
    Explain(Explain),
    /// Ask the running agent what it would change now; exits with 1 if there is anything
    Diff(Ask),
    /// Ask the running agent what it would change if these objects were in force
    Plan(PlanFile),
    /// Tell the running agent that the mass removal it holds is meant
    ConfirmRemovals(Ask),
    /// Say whether this host is fit for the agent, and how to mend it; changes nothing
    Check(Check),
    /// Put this host back as it was before the agent: routes, pods' interfaces, nftables table,
    /// kernel settings, files. Without --yes it only lists them
    Cleanup(Cleanup),
    /// Bring the plugins to where the container runtime looks for them
    InstallCni(InstallCni),
    /// Print the definitions of the custom resources, for `kubectl apply`
    Crds(Crds),
}

/// How to run.
#[derive(Debug, Args)]
pub struct Run {
    /// Where the cluster's objects are.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Name of this node's Node object
    #[arg(long, value_name = "NAME", env = "GINGHAM_NODE")]
    pub node: NodeName,
    /// Directory shared with the plugin
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/run/gingham",
        env = "GINGHAM_RUN_DIR"
    )]
    pub run_dir: PathBuf,
    /// Where what outlives a reboot is kept
    #[command(flatten)]
    pub state: StateDir,
    /// Keys of BGP sessions: NAME/password, as Secrets are mounted
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/etc/gingham/secrets",
        env = "GINGHAM_SECRETS_DIR"
    )]
    pub secrets_dir: PathBuf,
    /// Where the kernel's settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// The network configuration to keep where the container runtime looks for it, once the node is ready
    #[arg(long, value_name = "FILE", env = "GINGHAM_CNI_CONF")]
    pub cni_conf: Option<PathBuf>,
    /// Where the container runtime looks for network configurations
    #[command(flatten)]
    pub cni_conf_dir: CniConfDir,
    /// Where it looks for plugins; those that the configuration calls are then looked for
    #[arg(long, value_name = "DIR", env = "GINGHAM_CNI_BIN_DIR")]
    pub cni_bin_dir: Option<PathBuf>,
    /// Where /healthz and /readyz answer
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9178")]
    pub health_listen: SocketAddr,
    /// Where the debug endpoint answers besides its socket, such as 127.0.0.1:9177
    #[arg(long, value_name = "ADDR", value_parser = loopback)]
    pub debug_listen: Option<SocketAddr>,
    /// Where /metrics answers; by default on the node's first InternalIP, port 9179
    #[arg(long, value_name = "ADDR", env = "GINGHAM_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Form of the log lines on stderr
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "json",
        env = "GINGHAM_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
    /// Least severe lines to log: off, error, warn, info, debug or trace
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        env = "GINGHAM_LOG_LEVEL"
    )]
    pub log_level: LevelFilter,
}

/// Where the cluster's objects are: in files, or behind an API server. Without any of these: behind
/// the API server of the cluster this pod runs in.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// Directory of cluster objects, KIND/NAME.yaml, instead of an API server
    #[arg(
        long,
        value_name = "DIR",
        env = "GINGHAM_CLUSTER_DIR",
        conflicts_with_all = ["kubeconfig", "api_server"]
    )]
    pub cluster_dir: Option<PathBuf>,
    /// How to reach the API server; without it by the service account of the pod
    #[arg(long, value_name = "FILE", env = "GINGHAM_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Where the API server is, such as https://10.0.0.1:6443; agents have to reach it before
    /// Services work
    #[arg(long, value_name = "URL", env = "GINGHAM_API_SERVER")]
    pub api_server: Option<String>,
    /// Where the agents' Secrets and Leases are; by default the namespace of the service account,
    /// else gingham-system
    #[arg(long, value_name = "NAME", env = "GINGHAM_NAMESPACE")]
    pub namespace: Option<String>,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Whom to ask, and how to print.
#[derive(Debug, Args)]
pub struct Ask {
    /// Form of the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
    /// The agent's run directory
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/run/gingham",
        env = "GINGHAM_RUN_DIR"
    )]
    pub run_dir: PathBuf,
}

/// Which neighbours.
#[derive(Debug, Args)]
pub struct Peers {
    /// The name of one, as the table has it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print a sample configuration for such a router of this zone instead
    #[arg(long, value_name = "ROUTER", conflicts_with_all = ["name", "output"])]
    pub config_for: Option<Router>,
    /// The language of the sample
    #[arg(
        long,
        value_name = "LANGUAGE",
        default_value = "frr",
        requires = "config_for"
    )]
    pub flavour: Flavour,
    /// Whom to ask, and how to print.
    #[command(flatten)]
    pub ask: Ask,
}

/// Which prefix.
#[derive(Debug, Args)]
pub struct Rib {
    /// The prefix, such as 10.64.0.0/16; without it all in short
    #[arg(value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Whom to ask, and how to print.
    #[command(flatten)]
    pub ask: Ask,
}

/// Which address.
#[derive(Debug, Args)]
pub struct Explain {
    /// The address
    #[arg(value_name = "IP")]
    pub ip: String,
    /// Whom to ask, and how to print.
    #[command(flatten)]
    pub ask: Ask,
}

/// How to print definitions.
#[derive(Debug, Args)]
pub struct Crds {
    /// Form of the definitions
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    pub output: Manifest,
}

/// Form of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Manifest {
    /// A document each.
    Yaml,
    /// One list.
    Json,
}

/// Objects to be tried.
#[derive(Debug, Args)]
pub struct PlanFile {
    /// YAML file of one or several objects; - is stdin
    #[arg(short, long, value_name = "FILE")]
    pub filename: PathBuf,
    #[command(flatten)]
    /// Whom to ask.
    pub ask: Ask,
}

/// What to check, and how to print.
#[derive(Debug, Args)]
pub struct Check {
    /// Where to look, and how to print
    #[command(flatten)]
    pub ask: Ask,
    /// Where the runtime looks for plugins and their configuration
    #[command(flatten)]
    pub cni: CniDirs,
    /// Where the kernel's settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// Where the host's root file system is, for the configuration of its network managers
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub host_root: PathBuf,
}

/// What to clean up, and whether to.
#[derive(Debug, Args)]
pub struct Cleanup {
    /// Where to look, and how to print
    #[command(flatten)]
    pub ask: Ask,
    /// Where the runtime looks for plugins and their configuration
    #[command(flatten)]
    pub cni: CniDirs,
    /// Where what outlives a reboot is kept
    #[command(flatten)]
    pub state: StateDir,
    /// Where the kernel's settings are.
    #[command(flatten)]
    pub settings: Settings,
    /// Do it
    #[arg(long)]
    pub yes: bool,
    /// Do it even while pods are wired: it cuts them off
    #[arg(long, requires = "yes")]
    pub pods: bool,
    /// Also what `install-cni` and `run --cni-conf` have brought, and put back what they replaced
    #[arg(long)]
    pub installed: bool,
    /// Afterwards stay until SIGTERM: for the pod of a DaemonSet
    #[arg(long, requires = "yes")]
    pub stay: bool,
}

/// What to install, and where.
#[derive(Debug, Args)]
pub struct InstallCni {
    /// Form of the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
    /// The folder of the plugins to install
    #[arg(long, value_name = "DIR", default_value = "/opt/gingham/cni")]
    pub from: PathBuf,
    /// Where the runtime looks for plugins
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin")]
    pub cni_bin_dir: PathBuf,
    /// Where what was installed is recorded
    #[command(flatten)]
    pub state: StateDir,
}

/// Where the kernel's settings are.
#[derive(Debug, Args)]
pub struct Settings {
    /// Where /proc/sys is, or the folder that has its `net`, where a container may write
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/proc/sys",
        env = "GINGHAM_SYSCTL_ROOT"
    )]
    pub sysctl_root: PathBuf,
}

/// Where the runtime looks for configurations.
#[derive(Debug, Args)]
pub struct CniConfDir {
    /// Where the runtime looks for network configurations
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/etc/cni/net.d",
        env = "GINGHAM_CNI_CONF_DIR"
    )]
    pub cni_conf_dir: PathBuf,
}

/// What outlives a reboot.
#[derive(Debug, Args)]
pub struct StateDir {
    /// Where what outlives a reboot is kept
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/var/lib/gingham",
        env = "GINGHAM_STATE_DIR"
    )]
    pub state_dir: PathBuf,
}

/// Where the runtime looks.
#[derive(Debug, Args)]
pub struct CniDirs {
    /// Where the runtime looks for configurations.
    #[command(flatten)]
    pub conf: CniConfDir,
    /// Where the runtime looks for plugins
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin")]
    pub cni_bin_dir: PathBuf,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// The document as the agent gives it.
    Json,
    /// For people.
    Table,
}

/// The debug endpoint asks nobody who they are.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "must be ADDRESS:PORT".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!("{} is no loopback address", address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_debug_endpoint_stays_on_this_host() {
        assert!(loopback("127.0.0.1:9177").is_ok());
        assert!(loopback("[::1]:9177").is_ok());
        let error = loopback("0.0.0.0:9177").unwrap_err();
        assert_eq!(error, "0.0.0.0 is no loopback address");
    }
}
