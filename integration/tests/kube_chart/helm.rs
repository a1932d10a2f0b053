//! Helm, and other programs that print something.

use gingham_integration::kubernetes::NAMESPACE;
use gingham_integration::tools;
use serde_json::Value;
use std::ffi::OsString;
use std::io::Write;
use std::process::Command;

/// The path of something in `deploy/`.
pub(crate) fn deploy(name: &str) -> String {
    format!("{}/../deploy/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The objects the chart makes of these values; or what Helm says.
pub(crate) fn rendered(values: &str) -> Result<Vec<Value>, String> {
    let words = ["template", "gingham", "--namespace", NAMESPACE];
    let words = [&words[..], &["--kube-version", "1.32.0"]].concat();
    with_values(&words, values).map(|text| documents(&text))
}

/// What Helm's own examination says.
pub(crate) fn lint(values: &str) -> Result<String, String> {
    let words = ["lint", "--strict", "--kube-version", "1.32.0"];
    with_values(&words, values)
}

fn with_values(words: &[&str], values: &str) -> Result<String, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(values.as_bytes()).unwrap();
    let (chart, file) = (deploy("chart"), file.path().display().to_string());
    run("helm", &[words, &[&*chart, "--values", &file]].concat())
}

/// What a program prints; or what it prints when it fails.
pub(crate) fn run(program: &str, words: &[&str]) -> Result<String, String> {
    let helm = tools::locate("helm").unwrap();
    let mut path = OsString::from(helm.parent().unwrap());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    // By its path where the pinned one is: PATH of this process may lead to another.
    let program = tools::locate(program).unwrap_or_else(|_| program.into());
    let output = Command::new(program).args(words).env("PATH", path).output();
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stdout) + &text(&output.stderr))
    }
}

/// The objects of a YAML text.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    all.into_iter().filter(|one| !one.is_null()).collect()
}
