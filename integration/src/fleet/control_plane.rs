//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler, in a box of their own that nodes and
//! pods are routed to.

use super::pki::{Pki, Subject};
use crate::kubernetes::etcd;
use crate::lab_box::LabBox;
use crate::{Exec, Process, eventually, tools};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The API server's port.
const PORT: u16 = 6443;
/// The addresses of Services, by family, and of the Service `kubernetes`.
const SERVICES: &str = "10.96.0.0/16,fd00:10:96::/112";
const KUBERNETES: &str = "10.96.0.1";
/// The API server's names in certificates, besides its addresses.
const NAMES: [&str; 5] = [
    KUBERNETES,
    "127.0.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];
/// How long the API server may take until it is ready, and each of them to end.
const READY: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(30);

/// The control plane. It does not end with the value but with its box.
#[derive(Debug)]
pub(super) struct ControlPlane {
    host: LabBox,
    folder: PathBuf,
    pki: Pki,
    address: IpAddr,
    running: Mutex<Vec<(&'static str, Process)>>,
}

impl ControlPlane {
    /// Writes what it needs below `folder`, starts it in `host`, and waits until the API server is ready.
    pub(super) fn start(host: &LabBox, folder: &Path, addresses: &[IpAddr]) -> Result<Self> {
        let address = *addresses
            .first()
            .context("a control plane needs an address")?;
        let mut names: Vec<String> = NAMES.map(str::to_owned).into();
        names.extend(addresses.iter().map(ToString::to_string));
        let url = format!("https://{address}:{PORT}");
        let pki = Pki::create(&folder.join("pki"), &url, &names)?;
        for (name, user, group) in [
            ("admin", "admin", Some("system:masters")),
            ("kubelet-client", "kube-apiserver", Some("system:masters")),
            ("controllers", "system:kube-controller-manager", None),
            ("scheduler", "system:kube-scheduler", None),
            ("proxy", "system:kube-proxy", None),
        ] {
            pki.kubeconfig(name, Subject { user, group })?;
        }
        fs::create_dir_all(folder.join("home")).context("a home for kubectl")?;
        let plane = ControlPlane {
            host: host.clone(),
            folder: folder.to_owned(),
            pki,
            address,
            running: Mutex::new(Vec::new()),
        };
        plane.start_all()?;
        Ok(plane)
    }

    pub(super) fn pki(&self) -> &Pki {
        &self.pki
    }

    /// Starts what does not run, and waits until the API server is ready.
    pub(super) fn start_all(&self) -> Result<()> {
        self.ensure("etcd", etcd::arguments(&self.folder.join("etcd")))?;
        self.ensure("kube-apiserver", self.api_server())?;
        eventually("the API server is ready", READY, || {
            self.check()?;
            self.kubectl(&["get", "--raw", "/readyz"]).text()
        })?;
        self.ensure("kube-controller-manager", self.controllers())?;
        self.ensure("kube-scheduler", self.scheduler())
    }

    /// Kills the API server; etcd and the others stay.
    pub(super) fn kill_api_server(&self) -> Result<()> {
        let mut running = self.running();
        let Some(at) = running
            .iter()
            .position(|(name, _)| *name == "kube-apiserver")
        else {
            bail!("the API server does not run");
        };
        let (_, process) = running.remove(at);
        process.stop(Signal::SIGKILL, STOP).map(drop)
    }

    /// kubectl as the administrator.
    pub(super) fn kubectl(&self, words: &[&str]) -> Exec {
        self.client("kubectl", words)
    }

    /// A client of the API server, in the box and as the administrator.
    pub(super) fn client(&self, program: &str, words: &[&str]) -> Exec {
        // A program that is missing is said so when it is run.
        let path = tools::locate(program).unwrap_or_else(|_| PathBuf::from(program));
        let path = path.display().to_string();
        self.at_home(&[&[path.as_str()], words].concat())
    }

    /// A command in the box with the administrator's `KUBECONFIG` and `HOME`.
    fn at_home(&self, words: &[&str]) -> Exec {
        let home = self.folder.join("home").display().to_string();
        self.host
            .command(words)
            .env("KUBECONFIG", &self.pki.word("admin.kubeconfig"))
            .env("HOME", &home)
    }

    /// A script that finds `kubectl` in its search path, in the box and as the administrator.
    pub(super) fn script(&self, script: &str, words: &[&str]) -> Exec {
        let kubectl = tools::locate("kubectl").unwrap_or_default();
        let folder = kubectl.parent().unwrap_or(Path::new("")).display();
        let path = format!("{folder}:/usr/sbin:/usr/bin:/sbin:/bin");
        self.at_home(&[&[script], words].concat())
            .env("PATH", &path)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<(&'static str, Process)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing of it has ended; else what that said last.
    fn check(&self) -> Result<()> {
        for (name, process) in self.running().iter() {
            if !process.running() {
                let printed = process.printed()?;
                let lines: Vec<&str> = printed.lines().collect();
                let last = lines[lines.len().saturating_sub(5)..].join("\n");
                bail!("{name} has ended:\n{last}");
            }
        }
        Ok(())
    }

    fn ensure(&self, name: &'static str, words: Vec<String>) -> Result<()> {
        let mut running = self.running();
        if running.iter().any(|(other, _)| *other == name) {
            return Ok(());
        }
        let program = tools::locate(name)?.display().to_string();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let words = [&[program.as_str()], &words[..]].concat();
        running.push((name, self.host.spawn(name, &words)?));
        Ok(())
    }

    fn api_server(&self) -> Vec<String> {
        let pki = |name: &str| self.pki.word(name);
        vec![
            format!("--etcd-servers={}", etcd::CLIENTS),
            "--bind-address=::".to_owned(),
            format!("--advertise-address={}", self.address),
            format!("--secure-port={PORT}"),
            format!("--tls-cert-file={}", pki("apiserver.crt")),
            format!("--tls-private-key-file={}", pki("apiserver.key")),
            format!("--client-ca-file={}", pki("ca.crt")),
            format!("--kubelet-client-certificate={}", pki("kubelet-client.crt")),
            format!("--kubelet-client-key={}", pki("kubelet-client.key")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--service-account-key-file={}", pki("sa.pub")),
            format!("--service-account-signing-key-file={}", pki("sa.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-cluster-ip-range={SERVICES}"),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--profiling=false".to_owned(),
        ]
    }

    fn controllers(&self) -> Vec<String> {
        let pki = |name: &str| self.pki.word(name);
        let mut words = self.component("controllers");
        words.extend([
            format!("--service-account-private-key-file={}", pki("sa.key")),
            format!("--root-ca-file={}", pki("ca.crt")),
            format!("--cluster-signing-cert-file={}", pki("ca.crt")),
            format!("--cluster-signing-key-file={}", pki("ca.key")),
            "--use-service-account-credentials".to_owned(),
            // Blocks come out of ZonePools.
            "--allocate-node-cidrs=false".to_owned(),
            // It makes the folder, and its own choice is the machine's.
            format!(
                "--flex-volume-plugin-dir={}",
                self.folder.join("volume-plugins").display()
            ),
        ]);
        words
    }

    fn scheduler(&self) -> Vec<String> {
        self.component("scheduler")
    }

    fn component(&self, name: &str) -> Vec<String> {
        let kubeconfig = self.pki.word(&format!("{name}.kubeconfig"));
        vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--leader-elect=false".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
        ]
    }
}
