//! The processes: etcd and kube-apiserver in a box of their own, over files that outlive them.

use super::etcd;
use super::pki::Pki;
use crate::init::InitSpec;
use crate::lab_box::{LabBox, Lifeline, Starting, Tools};
use crate::{Binaries, Process, eventually, tools};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// Where the API server listens in its box.
pub(super) const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 6443);
/// Who may do everything.
pub(super) const ADMIN_TOKEN: &str = "the-lab-is-its-own-administrator";
/// Metadata of every request, once it is answered; of a watch, when it begins as well.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";
/// How long a process may take to end.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// The box and what runs in it.
#[derive(Debug)]
pub(super) struct Server {
    host: LabBox,
    /// Ends the box with its owner.
    _lifeline: Lifeline,
    arguments: Vec<String>,
    etcd: Mutex<Option<Process>>,
    api: Mutex<Option<Process>>,
    pki: Pki,
    folder: TempDir,
}

impl Server {
    /// Makes the box and its files; nothing runs yet.
    pub(super) fn create(arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("gingham-api-")
            .tempdir()
            .context("a folder for the API server")?;
        let logs = folder.path().join("logs");
        fs::create_dir(&logs).context("a folder for logs")?;
        let pki = Pki::create(&folder.path().join("pki"))?;
        let tokens = format!("{ADMIN_TOKEN},admin,admin,system:masters\n");
        for (name, text) in [
            ("tokens.csv", &*tokens),
            ("audit-policy.yaml", AUDIT_POLICY),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        let spec = InitSpec {
            name: "api".to_owned(),
            cluster_dir: folder.path().to_owned(),
            sysctls: Vec::new(),
            sweep: Some(folder.path().to_owned()),
        };
        let lab = Binaries::lab_only()?.lab;
        let (host, lifeline) = Starting::start(&spec, &Tools { lab, logs })?.finish()?;
        host.exec(&["ip", "link", "set", "dev", "lo", "up"])?;
        Ok(Server {
            host,
            _lifeline: lifeline,
            arguments: arguments.iter().map(|each| (*each).to_owned()).collect(),
            etcd: Mutex::new(None),
            api: Mutex::new(None),
            pki,
            folder,
        })
    }

    pub(super) fn host(&self) -> &LabBox {
        &self.host
    }

    pub(super) fn pki(&self) -> &Pki {
        &self.pki
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts what does not run.
    pub(super) fn start(&self) -> Result<()> {
        self.ensure(&self.etcd, "etcd", etcd::arguments(&self.data()))?;
        self.ensure(&self.api, "kube-apiserver", self.api_arguments())
    }

    /// Ends the API server; etcd stays.
    pub(super) fn kill(&self) -> Result<()> {
        end(&self.api, Signal::SIGKILL)
    }

    /// Ends both; etcd is told to.
    pub(super) fn stop(&self) -> Result<()> {
        self.kill()?;
        end(&self.etcd, Signal::SIGTERM)
    }

    /// Stops or continues the API server without ending it: its connections stay.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        match &*lock(&self.api) {
            Some(process) => process.signal(signal),
            None => bail!("the API server does not run"),
        }
    }

    /// Whether both run; else what the one that ended said last.
    pub(super) fn running(&self) -> Result<()> {
        for (name, slot) in [("etcd", &self.etcd), ("kube-apiserver", &self.api)] {
            let slot = lock(slot);
            let process = slot
                .as_ref()
                .with_context(|| format!("{name} is stopped"))?;
            if !process.running() {
                let printed = process.printed()?;
                let lines: Vec<&str> = printed.lines().collect();
                let last = lines[lines.len().saturating_sub(5)..].join("\n");
                bail!("{name} has ended:\n{last}");
            }
        }
        Ok(())
    }

    /// Copies what etcd holds to `to`. Nothing may run.
    pub(super) fn copy_data(&self, from: &Path, to: &Path) -> Result<()> {
        if lock(&self.etcd).is_some() {
            bail!("etcd runs: its files are not to be copied");
        }
        copy(from, to)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path("etcd")
    }

    fn ensure(&self, slot: &Mutex<Option<Process>>, name: &str, words: Vec<String>) -> Result<()> {
        let mut slot = lock(slot);
        if slot.as_ref().is_some_and(Process::running) {
            return Ok(());
        }
        let program = tools::locate(name)?.display().to_string();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        *slot = Some(
            self.host
                .spawn(name, &[&[program.as_str()], &words[..]].concat())?,
        );
        Ok(())
    }

    fn api_arguments(&self) -> Vec<String> {
        let file = |name: &str| self.path(name).display().to_string();
        let pki = |name: &str| self.pki.path(name).display().to_string();
        let mut words = vec![
            format!("--etcd-servers={}", etcd::CLIENTS),
            format!("--bind-address={}", ADDRESS.ip()),
            format!("--advertise-address={}", ADDRESS.ip()),
            format!("--secure-port={}", ADDRESS.port()),
            // The endpoints of the Service `kubernetes` would have to be no loopback address.
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--tls-cert-file={}", pki("apiserver.crt")),
            format!("--tls-private-key-file={}", pki("apiserver.key")),
            format!("--client-ca-file={}", pki("ca.crt")),
            format!("--token-auth-file={}", file("tokens.csv")),
            format!("--service-account-key-file={}", pki("sa.pub")),
            format!("--service-account-signing-key-file={}", pki("sa.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--profiling=false".to_owned(),
            format!("--audit-policy-file={}", file("audit-policy.yaml")),
            format!("--audit-log-path={}", file("audit.log")),
        ];
        words.extend(self.arguments.iter().cloned());
        words
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::preflight::show_logs(&self.path("logs"));
        }
        // The lifeline, dropped next, ends whatever this could not.
        let _ = self.host.kill();
    }
}

fn lock<T>(slot: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(slot: &Mutex<Option<Process>>, signal: Signal) -> Result<()> {
    match lock(slot).take() {
        Some(process) => process.stop(signal, STOP_DEADLINE).map(|_| ()),
        None => Ok(()),
    }
}

/// A folder with everything in it, in place of what was at `to`.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("removing {}", to.display()))?;
    }
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    let what = || format!("copying {}", from.display());
    for entry in fs::read_dir(from).with_context(what)? {
        let entry = entry.with_context(what)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("copying {}", source.display()))?;
        }
    }
    Ok(())
}

/// Waits until `look` says that the API server answers, as long as both processes run.
pub(super) fn wait(server: &Server, look: impl Fn() -> Result<()>) -> Result<()> {
    eventually("the API server is ready", Duration::from_secs(120), || {
        match server.running() {
            Ok(()) => look().map(Ok),
            // It will not become ready any more: said at once.
            Err(ended) => Ok(Err(ended)),
        }
    })?
}
