//! Keys and certificates of an API server: two authorities, so that one can take over from the other,
//! and the key that signs the tokens of service accounts.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use std::fs;
use std::path::{Path, PathBuf};

/// The names under which the API server is reached.
const NAMES: [&str; 6] = [
    "127.0.0.1",
    "10.96.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// The folder of an API server's keys and certificates.
#[derive(Debug)]
pub(super) struct Pki {
    folder: PathBuf,
    authorities: [Authority; 2],
}

/// Who signs serving certificates.
#[derive(Debug)]
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

/// Which authority is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The one an API server starts with.
    First,
    /// The one that takes over.
    Second,
}

impl Pki {
    /// Draws everything and writes it below `folder`; the first authority signs and is trusted.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let pki = Pki {
            folder: folder.to_owned(),
            authorities: [Authority::new("first")?, Authority::new("second")?],
        };
        let tokens = KeyPair::generate().context("a key for tokens")?;
        pki.write("sa.key", &tokens.serialize_pem())?;
        pki.write("sa.pub", &tokens.public_key_pem())?;
        pki.sign(Signer::First)?;
        pki.trust(&[Signer::First])?;
        Ok(pki)
    }

    /// Writes a serving certificate of this authority, with a key of its own.
    pub(super) fn sign(&self, signer: Signer) -> Result<()> {
        let names = NAMES.map(str::to_owned).to_vec();
        let mut params = CertificateParams::new(names).context("the server's names")?;
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().context("a key for the server")?;
        let signed = params.signed_by(&key, &self.authority(signer).issuer);
        let certificate = signed.context("the server's certificate")?;
        self.write("apiserver.key", &key.serialize_pem())?;
        self.write("apiserver.crt", &certificate.pem())
    }

    /// Writes a client certificate of the first authority, `NAME.crt` and `NAME.key`: who shows it is this
    /// user of this group.
    pub(super) fn client(&self, name: &str, (user, group): (&str, &str)) -> Result<()> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        let organisation = DnType::OrganizationName;
        params.distinguished_name.push(organisation, group);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().with_context(|| format!("a key for {user}"))?;
        let signed = params.signed_by(&key, &self.authority(Signer::First).issuer);
        let certificate = signed.with_context(|| format!("the certificate of {user}"))?;
        self.write(&format!("{name}.key"), &key.serialize_pem())?;
        self.write(&format!("{name}.crt"), &certificate.pem())
    }

    /// Writes whom clients trust.
    pub(super) fn trust(&self, signers: &[Signer]) -> Result<()> {
        let pems = signers
            .iter()
            .map(|each| self.authority(*each).certificate.pem());
        self.write("ca.crt", &pems.collect::<String>())
    }

    /// The certificates of both authorities.
    pub(super) fn certificates(&self) -> Vec<Vec<u8>> {
        let both = self.authorities.iter();
        both.map(|each| each.certificate.der().to_vec()).collect()
    }

    /// The path of one of the files.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn authority(&self, signer: Signer) -> &Authority {
        let [first, second] = &self.authorities;
        match signer {
            Signer::First => first,
            Signer::Second => second,
        }
    }

    /// At once, for who reads meanwhile.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        let draft = path.with_extension("new");
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path));
        written.with_context(|| format!("writing {}", path.display()))
    }
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        let common = format!("{name} authority of the lab");
        params.distinguished_name.push(DnType::CommonName, common);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("a key for an authority")?;
        let certificate = params.self_signed(&key).context("an authority")?;
        Ok(Authority {
            certificate,
            issuer: Issuer::new(params, key),
        })
    }
}
