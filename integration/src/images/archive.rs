//! An image as a docker archive: a tar of the layer, the configuration that names the layer's digest, and
//! a manifest that names both.
//!
//! The layer is made twice, first only to be measured: so it needs no room beside the archive, and an
//! archive that is there already costs no more than reading the files.

use super::tree::{Tree, header};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::Write;
use tar::Builder;

const BLOCK: u64 = 512;
/// The names inside the archive.
const LAYER: &str = "layer.tar";
const CONFIG: &str = "config.json";
const MANIFEST: &str = "manifest.json";

/// An image that is not made yet.
#[derive(Debug)]
pub(super) struct Image {
    /// Every name it is known by.
    pub(super) references: Vec<String>,
    pub(super) config: Config,
    pub(super) tree: Tree,
}

/// How its program is started.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    entrypoint: Vec<String>,
    cmd: Vec<String>,
    env: Vec<String>,
}

/// What is known of an image after its files were read once.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    image: &'a Image,
    layer: Sum,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

/// Length and SHA-256 of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    digest: String,
}

impl Config {
    pub(super) fn new(entrypoint: &[&str], cmd: &[&str], path: &str) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Config {
            entrypoint: owned(entrypoint),
            cmd: owned(cmd),
            env: vec![format!("PATH={path}")],
        }
    }
}

impl Image {
    /// Reads its files.
    pub(super) fn measure(&self) -> Result<Measured<'_>> {
        let mut sink = Summing::new(std::io::sink());
        self.tree.write(&mut sink)?;
        let layer = sink.sum();
        let config = serde_json::to_vec(&json!({
            "architecture": architecture(),
            "os": "linux",
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)]},
        }))
        .context("the configuration")?;
        let manifest = serde_json::to_vec(&json!([{
            "Config": CONFIG,
            "RepoTags": self.references,
            "Layers": [LAYER],
        }]))
        .context("the manifest")?;
        Ok(Measured {
            image: self,
            layer,
            config,
            manifest,
        })
    }
}

impl Measured<'_> {
    /// A word that changes with anything the archive holds.
    pub(super) fn key(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(&self.config);
        digest.update(&self.manifest);
        hexadecimal(&digest.finalize())[..16].to_owned()
    }

    /// Writes the archive.
    pub(super) fn write(&self, to: impl Write) -> Result<()> {
        let mut archive = Builder::new(to);
        for (name, content) in [(CONFIG, &self.config), (MANIFEST, &self.manifest)] {
            let mut header = header(0o644);
            header.set_size(content.len().try_into()?);
            archive.append_data(&mut header, name, content.as_slice())?;
        }
        self.append_layer(archive.get_mut())?;
        archive.finish().context("the archive's end")
    }

    /// The layer as an entry. It is written as it comes, which the builder knows no way for.
    fn append_layer(&self, archive: &mut impl Write) -> Result<()> {
        let mut header = header(0o644);
        header.set_path(LAYER)?;
        header.set_size(self.layer.bytes);
        header.set_cksum();
        archive.write_all(header.as_bytes())?;
        let mut summing = Summing::new(&mut *archive);
        self.image.tree.write(&mut summing)?;
        let written = summing.sum();
        ensure!(
            written == self.layer,
            "files of {} changed while they were read",
            self.image.references.join(", ")
        );
        let rest = self.layer.bytes.next_multiple_of(BLOCK) - self.layer.bytes;
        archive.write_all(&vec![0; rest.try_into()?])?;
        Ok(())
    }
}

/// Passes bytes on and sums them up.
struct Summing<W> {
    to: W,
    bytes: u64,
    digest: Sha256,
}

impl<W: Write> Summing<W> {
    fn new(to: W) -> Self {
        Summing {
            to,
            bytes: 0,
            digest: Sha256::new(),
        }
    }

    fn sum(self) -> Sum {
        Sum {
            bytes: self.bytes,
            digest: hexadecimal(&self.digest.finalize()),
        }
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The machine's, by the name that images use.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;
    use std::io::Read;

    fn image(text: &str) -> Image {
        Image {
            references: vec!["localhost/a:1".into(), "localhost/b:2".into()],
            config: Config::new(&["/a"], &["b"], "/bin"),
            tree: Tree::default().text("/text", text),
        }
    }

    fn written(image: &Image) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.measure().unwrap().write(&mut bytes).unwrap();
        bytes
    }

    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.path().unwrap().display().to_string(), content)
            })
            .collect()
    }

    #[test]
    fn the_parts_name_each_other() {
        let files = files(&written(&image("said")));
        let manifest: Value = serde_json::from_slice(&files[MANIFEST]).unwrap();
        assert_eq!(
            manifest,
            json!([{"Config": CONFIG, "RepoTags": ["localhost/a:1", "localhost/b:2"], "Layers": [LAYER]}])
        );
        let config: Value = serde_json::from_slice(&files[CONFIG]).unwrap();
        assert_eq!(
            config["config"],
            json!({"Entrypoint": ["/a"], "Cmd": ["b"], "Env": ["PATH=/bin"]})
        );
        let digest = hexadecimal(&Sha256::digest(&files[LAYER]));
        assert_eq!(
            config["rootfs"]["diff_ids"],
            json!([format!("sha256:{digest}")])
        );
        assert_eq!(super::tests::files(&files[LAYER])["text"], b"said");
    }

    #[test]
    fn equal_images_are_equal_bytes_and_others_have_other_keys() {
        assert_eq!(written(&image("a")), written(&image("a")));
        let key = |image: &Image| image.measure().unwrap().key();
        assert_eq!(key(&image("a")), key(&image("a")));
        assert_ne!(key(&image("a")), key(&image("b")));
        let mut renamed = image("a");
        renamed.references.pop();
        assert_ne!(key(&image("a")), key(&renamed));
    }

    #[test]
    fn a_file_that_changes_meanwhile_makes_no_archive() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut image = image("a");
        image.tree = Tree::default().program("/file", file.path());
        let measured = image.measure().unwrap();
        std::fs::write(file.path(), "more").unwrap();
        let error = measured.write(std::io::sink()).unwrap_err();
        assert!(error.to_string().contains("localhost/a:1"), "{error}");
    }
}
