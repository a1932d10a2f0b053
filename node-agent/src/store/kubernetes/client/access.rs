//! Where the API server is and who we are there, by options, files and the environment of a pod.

use super::in_full;
use super::rotating::Rotating;
use kube::Client;
use kube::client::ClientBuilder;
use kube::config::{
    AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext,
};
use std::fs;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

/// Where a kubelet mounts what a pod needs to speak to the API server.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The namespace where nothing says another.
const NAMESPACE: &str = "gingham-system";

/// What is said of the API server from outside.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// A kubeconfig file; without it the files and variables of a pod count.
    pub kubeconfig: Option<PathBuf>,
    /// The API server's URL instead of the one that is found.
    pub api_server: Option<String>,
    /// The namespace of the agents, instead of the one that is found.
    pub namespace: Option<String>,
}

/// Why there is no way to an API server. The message names option and file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AccessError(String);

impl Access {
    /// A client that follows the files it was made of. Nothing is asked yet.
    ///
    /// # Errors
    /// Files that are missing or cannot be read, an address that is none.
    pub fn client(&self) -> Result<Client, AccessError> {
        let rotating = Rotating::new(self.clone())?;
        Ok(ClientBuilder::new(rotating, self.namespace()).build())
    }

    /// The namespace of the agents.
    pub fn namespace(&self) -> String {
        let told = fs::read_to_string(in_pod("namespace")).ok();
        let told = told.filter(|_| self.kubeconfig.is_none());
        let named = self.namespace.clone().or(told);
        let named = named.map(|name| name.trim().to_owned());
        named
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| NAMESPACE.to_owned())
    }

    /// Everything that is said, and the files it is said in.
    pub(super) fn read(&self) -> Result<(kube::Config, Vec<PathBuf>), AccessError> {
        let mut kubeconfig = match &self.kubeconfig {
            Some(file) => {
                Kubeconfig::read_from(file).map_err(|error| self.unusable(&in_full(&error)))?
            }
            None => self.of_pod()?,
        };
        if let Some(server) = &self.api_server {
            check_url(server)?;
            let clusters = kubeconfig.clusters.iter_mut();
            for cluster in clusters.filter_map(|named| named.cluster.as_mut()) {
                cluster.server = Some(server.clone());
            }
        }
        let mut files: Vec<PathBuf> = self.kubeconfig.iter().cloned().collect();
        files.extend(referred(&kubeconfig));
        let proxied = kubeconfig.clusters.iter().find_map(|named| {
            let cluster = named.cluster.as_ref()?;
            cluster.proxy_url.clone().filter(|url| !url.is_empty())
        });
        if let Some(url) = proxied {
            return Err(self.unusable(&format!("proxy-url {url}: a proxy cannot be used")));
        }
        let config = kube::Config::try_from(kubeconfig);
        let mut config = config.map_err(|error| self.unusable(&in_full(&error)))?;
        // That of the environment; nodes speak to their API server directly.
        config.proxy_url = None;
        Ok((config, files))
    }

    /// The error of files that were read, and are of no use.
    pub(super) fn unusable(&self, why: &str) -> AccessError {
        AccessError(match &self.kubeconfig {
            Some(file) => format!("--kubeconfig {}: {why}", file.display()),
            None => format!("{SERVICE_ACCOUNT}: {why}"),
        })
    }

    /// What a kubelet gave the pod we run in, in the shape of a kubeconfig.
    fn of_pod(&self) -> Result<Kubeconfig, AccessError> {
        let (token, ca) = (in_pod("token"), in_pod("ca.crt"));
        for file in [&token, &ca] {
            fs::metadata(file).map_err(|error| {
                let file = file.display();
                AccessError(format!(
                    "{file}: {error}. Outside of a pod, --kubeconfig FILE says where the API \
                     server is, or --cluster-dir DIR that there is none"
                ))
            })?;
        }
        let server = self.api_server.clone().or_else(service);
        let server = server.ok_or_else(|| {
            AccessError(
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: \
                 --api-server URL must say where the API server is"
                    .to_owned(),
            )
        })?;
        let name = "pod".to_owned();
        let text = |path: PathBuf| Some(path.to_string_lossy().into_owned());
        Ok(Kubeconfig {
            clusters: vec![NamedCluster {
                name: name.clone(),
                cluster: Some(Cluster {
                    server: Some(server),
                    certificate_authority: text(ca),
                    ..Cluster::default()
                }),
                ..NamedCluster::default()
            }],
            auth_infos: vec![NamedAuthInfo {
                name: name.clone(),
                auth_info: Some(AuthInfo {
                    token_file: text(token),
                    ..AuthInfo::default()
                }),
                ..NamedAuthInfo::default()
            }],
            contexts: vec![NamedContext {
                name: name.clone(),
                context: Some(Context {
                    cluster: name.clone(),
                    user: Some(name.clone()),
                    ..Context::default()
                }),
                ..NamedContext::default()
            }],
            current_context: Some(name),
            ..Kubeconfig::default()
        })
    }
}

fn in_pod(name: &str) -> PathBuf {
    Path::new(SERVICE_ACCOUNT).join(name)
}

/// The API server's Service, as every pod is told.
fn service() -> Option<String> {
    let host = std::env::var("KUBERNETES_SERVICE_HOST").ok()?;
    let port = std::env::var("KUBERNETES_SERVICE_PORT").ok()?;
    Some(if host.parse::<Ipv6Addr>().is_ok() {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    })
}

fn check_url(server: &str) -> Result<(), AccessError> {
    let wrong = |why: String| AccessError(format!("--api-server {server}: {why}"));
    let uri: hyper::Uri = server
        .parse()
        .map_err(|error: hyper::http::uri::InvalidUri| wrong(error.to_string()))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some() => Ok(()),
        _ => Err(wrong("must be https://HOST or https://HOST:PORT".into())),
    }
}

/// The files a kubeconfig names.
fn referred(kubeconfig: &Kubeconfig) -> Vec<PathBuf> {
    let clusters = kubeconfig.clusters.iter();
    let clusters = clusters.filter_map(|named| named.cluster.as_ref());
    let authorities = clusters.map(|cluster| cluster.certificate_authority.clone());
    let users = kubeconfig.auth_infos.iter();
    let users = users.filter_map(|named| named.auth_info.as_ref());
    let credentials = users.flat_map(|user| {
        [
            user.client_certificate.clone(),
            user.client_key.clone(),
            user.token_file.clone(),
        ]
    });
    let files = authorities.chain(credentials).flatten();
    files.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(access: &Access) -> String {
        access.read().unwrap_err().to_string()
    }

    #[test]
    fn what_is_missing_is_named_with_the_option_that_can_say_it() {
        let told = error(&Access::default());
        assert!(told.starts_with("/var/run/secrets/kubernetes.io/serviceaccount/token: "));
        assert!(told.contains("--kubeconfig FILE") && told.contains("--cluster-dir DIR"));
        let told = error(&Access {
            kubeconfig: Some("/nowhere/kubeconfig".into()),
            ..Access::default()
        });
        assert!(
            told.starts_with("--kubeconfig /nowhere/kubeconfig: "),
            "{told}"
        );
        assert!(told.contains("No such file"), "{told}");
    }

    #[test]
    fn an_address_of_an_api_server_is_a_url() {
        assert_eq!(check_url("https://[fd00::1]:6443"), Ok(()));
        assert_eq!(check_url("http://127.0.0.1:8001"), Ok(()));
        for wrong in ["10.0.0.1:6443", "ftp://10.0.0.1", "https//x", ""] {
            let error = check_url(wrong).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("--api-server {wrong}: ")),
                "{error}"
            );
        }
    }
}
