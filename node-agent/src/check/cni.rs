//! The plugin and its configuration, where the runtime looks for them.

use super::Row;
use serde_json::Value;
use std::path::PathBuf;

/// The plugin's file, and what a configuration calls it.
pub const PLUGIN: &str = "gingham";
/// Its configuration.
pub const CONFLIST: &str = "10-gingham.conflist";

/// What was found.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The plugin's path.
    pub plugin: PathBuf,
    /// Its mode bits, or why it cannot be looked at.
    pub mode: Result<u32, String>,
    /// Where configurations are.
    pub conf_dir: PathBuf,
    /// Those there, or why they cannot be listed.
    pub confs: Result<Vec<Conf>, String>,
}

/// A network configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conf {
    /// Its file's name.
    pub name: String,
    /// The type of its first plugin; `None` when it cannot be read.
    pub plugin: Option<String>,
}

impl Conf {
    /// Reads a configuration, a single one or a list.
    pub fn parse(name: &str, text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let first = value.pointer("/plugins/0/type").or(value.get("type"));
        Conf {
            name: name.to_owned(),
            plugin: first.and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// Whether the runtime takes a file of that name for a configuration (libcni `ConfFiles`).
pub fn is_conf(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| ["conf", "conflist", "json"].contains(&ending))
}

/// The rows.
pub fn rows(facts: &Facts) -> Vec<Row> {
    vec![plugin(facts), conf(facts)]
}

fn plugin(facts: &Facts) -> Row {
    const CHECK: &str = "CNI plugin";
    let path = facts.plugin.display();
    let install = format!("install -D gingham {path}");
    match &facts.mode {
        Ok(mode) if mode & 0o111 != 0 => Row::ok(CHECK, path.to_string()),
        Ok(mode) => Row::fail(
            CHECK,
            format!("{path} has mode {:o} and cannot be run", mode & 0o7777),
            &[&install],
        ),
        Err(error) => Row::fail(CHECK, error, &[&install]),
    }
}

/// The runtime takes the first configuration by name.
fn conf(facts: &Facts) -> Row {
    const CHECK: &str = "CNI configuration";
    let dir = facts.conf_dir.display();
    let install = format!("install -D -m 644 deploy/{CONFLIST} {dir}/{CONFLIST}");
    let confs = match &facts.confs {
        Ok(confs) => confs,
        Err(error) => return Row::fail(CHECK, error, &[&install]),
    };
    let is_ours = |conf: &Conf| conf.plugin.as_deref() == Some(PLUGIN);
    let Some(first) = confs.iter().min_by_key(|conf| &conf.name) else {
        return Row::fail(CHECK, format!("{dir} has none"), &[&install]);
    };
    if is_ours(first) {
        return Row::ok(CHECK, format!("{dir}/{}", first.name));
    }
    let ours = confs.iter().find(|conf| is_ours(conf));
    let place = ours.map_or(CONFLIST, |conf| &conf.name);
    let before = confs.iter().filter(|conf| conf.name.as_str() < place);
    let mut mend: Vec<String> = before
        .map(|conf| format!("mv {dir}/{0} {dir}/{0}.off", conf.name))
        .collect();
    let found = match (ours, &first.plugin) {
        (None, _) => {
            mend.insert(0, install);
            format!("{dir} has none of ours")
        }
        (Some(_), Some(plugin)) => format!("{dir}/{} comes first, of {plugin}", first.name),
        (Some(_), None) => format!("{dir}/{} comes first, and cannot be read", first.name),
    };
    Row {
        mend,
        ..Row::fail(CHECK, found, &[])
    }
}
