//! The keys and certificates of a cluster: one authority, the serving certificate of the API server, and
//! a kubeconfig for each component.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of keys, certificates and kubeconfigs.
#[derive(Debug)]
pub(super) struct Pki {
    folder: PathBuf,
    /// Of the API server.
    url: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Whom a client certificate names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// The common name: the user.
    pub(super) user: &'a str,
    /// The organisation: the group.
    pub(super) group: Option<&'a str>,
}

impl Pki {
    /// Draws the authority, the key of service accounts and what the API server shows under `names`.
    pub(super) fn create(folder: &Path, url: &str, names: &[String]) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "fleet");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("a key for the authority")?;
        let authority = params.self_signed(&key).context("the authority")?;
        let (key_pem, certificate_pem) = (key.serialize_pem(), authority.pem());
        let pki = Pki {
            folder: folder.to_owned(),
            url: url.to_owned(),
            issuer: Issuer::new(params, key),
        };
        pki.write("ca.key", &key_pem)?;
        pki.write("ca.crt", &certificate_pem)?;
        let tokens = KeyPair::generate().context("a key for tokens")?;
        pki.write("sa.key", &tokens.serialize_pem())?;
        pki.write("sa.pub", &tokens.public_key_pem())?;
        let mut server = CertificateParams::new(names).context("the server's names")?;
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        pki.sign("apiserver", server)?;
        Ok(pki)
    }

    /// A client certificate, `NAME.crt` and `NAME.key`.
    pub(super) fn client(&self, name: &str, subject: Subject<'_>) -> Result<()> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, subject.user);
        if let Some(group) = subject.group {
            params
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, params)
    }

    /// The same, and a kubeconfig that shows it; its path.
    pub(super) fn kubeconfig(&self, name: &str, subject: Subject<'_>) -> Result<PathBuf> {
        self.client(name, subject)?;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "fleet",
                "cluster": {"server": self.url, "certificate-authority": self.path("ca.crt")},
            }],
            "users": [{"name": name, "user": {
                "client-certificate": self.path(&format!("{name}.crt")),
                "client-key": self.path(&format!("{name}.key")),
            }}],
            "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": name}}],
            "current-context": "fleet",
        });
        let file = format!("{name}.kubeconfig");
        self.write(&file, &config.to_string())?;
        Ok(self.path(&file))
    }

    /// The path of one of the files.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same as a word of a command line.
    pub(super) fn word(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn sign(&self, name: &str, mut params: CertificateParams) -> Result<()> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let what = || format!("the certificate {name}");
        let key = KeyPair::generate().with_context(what)?;
        let certificate = params.signed_by(&key, &self.issuer).with_context(what)?;
        self.write(&format!("{name}.key"), &key.serialize_pem())?;
        self.write(&format!("{name}.crt"), &certificate.pem())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }
}
