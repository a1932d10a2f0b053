//! Who one can be: the administrator, a service account on a node, and the files that say so.

use super::server::ADMIN_TOKEN;
use super::{Api, Client};
use anyhow::{Context, Result};
use http::Method;
use kube::config::AuthInfo;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// The namespace of Gingham's own service accounts.
pub const NAMESPACE: &str = "gingham-system";

impl Api {
    /// A kubeconfig file of the administrator, for this process.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn admin_kubeconfig(&self) -> Result<PathBuf> {
        self.kubeconfig("admin", &self.url(), ADMIN_TOKEN)
    }

    /// A kubeconfig file called `name` for whoever reaches the API server at `url` and has this
    /// token. The token lies in a file of its own, [`Api::token_file`], to be renewed there.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn kubeconfig(&self, name: &str, url: &str, token: &str) -> Result<PathBuf> {
        let token_file = self.token_file(name);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "lab",
                "cluster": {"server": url, "certificate-authority": self.ca_file()},
            }],
            "users": [{"name": name, "user": {"tokenFile": token_file}}],
            "contexts": [{
                "name": "lab",
                "context": {"cluster": "lab", "user": name, "namespace": NAMESPACE},
            }],
            "current-context": "lab",
        });
        let path = self.kubeconfig_file(name);
        for (path, text) in [(&token_file, token.to_owned()), (&path, config.to_string())] {
            fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(path)
    }

    /// The kubeconfig file called `name`.
    pub fn kubeconfig_file(&self, name: &str) -> PathBuf {
        self.server.path(&format!("{name}.kubeconfig"))
    }

    /// Where the token of the kubeconfig called `name` lies.
    pub fn token_file(&self, name: &str) -> PathBuf {
        self.server.path(&format!("{name}.token"))
    }

    /// The `kubectl` of the same release.
    ///
    /// # Errors
    /// It is missing; says what makes it.
    pub fn kubectl(&self) -> Result<PathBuf> {
        crate::tools::locate("kubectl")
    }

    /// A token of a service account of [`NAMESPACE`], bound to a Pod on this node, as a DaemonSet's
    /// Pod has it. The service account and the Pod are created if need be; the Node must be there,
    /// or the token does not carry its uid.
    ///
    /// # Errors
    /// One of them was refused.
    pub fn token_for(&self, service_account: &str, node: &str) -> Result<String> {
        ensure_namespace(self)?;
        self.apply_object(&json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": service_account, "namespace": NAMESPACE},
        }))?;
        let pod = self.apply_object(&json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": format!("{service_account}-{node}"), "namespace": NAMESPACE},
            "spec": {
                "serviceAccountName": service_account,
                "nodeName": node,
                "hostNetwork": true,
                "containers": [{"name": "agent", "image": "gingham"}],
            },
        }))?;
        let path =
            format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{service_account}/token");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": pod["metadata"]["name"],
                    "uid": pod["metadata"]["uid"],
                },
                "expirationSeconds": 3600,
            },
        });
        let answer = self.ask(super::Question::with(Method::POST, path, request))?;
        let answer = answer
            .ok()
            .with_context(|| format!("a token of {service_account}"))?;
        let token = answer["status"]["token"]
            .as_str()
            .context("no token came")?;
        Ok(token.to_owned())
    }

    /// The client of whoever has this token.
    ///
    /// # Errors
    /// No client could be made of it.
    pub fn client_with(&self, token: &str) -> Result<Client> {
        self.client(by_token(token))
    }

    /// The client of whoever shows a certificate of this user and group.
    ///
    /// # Errors
    /// No client could be made of it.
    pub fn client_certified(&self, user: &str, group: &str) -> Result<Client> {
        let pki = self.server.pki();
        let name = format!("{user} of {group}");
        pki.client(&name, (user, group))?;
        let file = |end: &str| Some(pki.path(&format!("{name}.{end}")).display().to_string());
        self.client(AuthInfo {
            client_certificate: file("crt"),
            client_key: file("key"),
            ..AuthInfo::default()
        })
    }

    fn client(&self, credentials: AuthInfo) -> Result<Client> {
        let trusted = self.server.pki().certificates();
        Client::new(self.runtime.handle(), &self.url(), trusted, credentials)
    }

    /// The client of a service account on a node: [`Api::token_for`].
    ///
    /// # Errors
    /// As [`Api::token_for`].
    pub fn client_for(&self, service_account: &str, node: &str) -> Result<Client> {
        self.client_with(&self.token_for(service_account, node)?)
    }
}

pub(super) fn by_token(token: &str) -> AuthInfo {
    AuthInfo {
        token: Some(token.to_owned().into()),
        ..AuthInfo::default()
    }
}

fn ensure_namespace(client: &Client) -> Result<Value> {
    client.apply_object(&json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE},
    }))
}
