//! The network configuration that an agent keeps where the container runtime looks for it
//! (`--cni-conf`): what is to be there, what is there, and what follows. Pure; `read`, `write` and `keeper` are the rim.
//!
//! ```text
//!   --cni-conf ──parse──► Wanted ─┐
//!   --cni-conf-dir ──────► Found ─┼─judge──► Verdict: write or leave it, and what an operator should know
//!   the loop ────────────► ready ─┘
//! ```
//!
//! It is written once the node is ready by read-back (law 14), since from then on the runtime starts pods;
//! and never removed while agents come and go, for without it pods could not even be deleted.

mod keeper;
mod read;
mod write;

pub(crate) use keeper::keep;
pub use read::{Unfit, read};
pub use write::{DRAFT_ENDING, write};

use crate::check::cni::{Conf, PLUGIN};
use serde_json::Value;
use std::path::PathBuf;

/// What is to be in the runtime's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name of the file.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The programs it calls.
    pub plugins: Vec<String>,
}

/// A configuration, and where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The configuration.
    pub wanted: Wanted,
    /// The runtime's folder of configurations.
    pub folder: PathBuf,
    /// Its folder of plugins, if that can be looked at.
    pub plugins: Option<PathBuf>,
    /// Where what was installed is recorded.
    pub state_dir: PathBuf,
}

/// What is in the runtime's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The text of the file of the wanted name.
    pub own: Option<String>,
    /// Every configuration, that one among them.
    pub confs: Vec<Conf>,
    /// The plugins that are wanted and not there.
    pub missing: Vec<PathBuf>,
}

/// What follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the file is to be written now.
    pub write: bool,
    /// What an operator should know: who comes before us, and what is missing.
    pub notices: Vec<String>,
    /// Whether the runtime takes the wanted configuration, by what is there.
    pub first: bool,
}

impl Wanted {
    /// A text that is to be kept under `name`.
    ///
    /// # Errors
    /// In words: it is no list of plugins with a name, does not call ours first, or `name` is none that the
    /// runtime takes for a list.
    pub fn parse(name: &str, text: String) -> Result<Self, String> {
        if !name.ends_with(".conflist") {
            return Err(format!("file name {name}: must end in .conflist"));
        }
        let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if value["name"].as_str().is_none_or(str::is_empty) {
            return Err("name: is missing or no string".to_owned());
        }
        let plugins = value["plugins"].as_array().ok_or("plugins: no list")?;
        let types = plugins.iter().enumerate().map(|(at, plugin)| {
            let kind = plugin["type"].as_str().filter(|kind| !kind.is_empty());
            let kind = kind.ok_or_else(|| format!("plugins[{at}].type: is missing or no string"));
            kind.map(str::to_owned)
        });
        let plugins: Vec<String> = types.collect::<Result<_, _>>()?;
        match plugins.first() {
            Some(first) if first == PLUGIN => {}
            Some(first) => return Err(format!("plugins[0].type {first}: must be {PLUGIN}")),
            None => return Err("plugins: is empty".to_owned()),
        }
        Ok(Wanted {
            name: name.to_owned(),
            text,
            plugins,
        })
    }
}

/// What is to be done about what is there, and what to know. `ready` is whether the node is so by
/// read-back; before, what an earlier agent left is left.
pub fn judge(wanted: &Wanted, found: &Found, ready: bool) -> Verdict {
    let earlier: Vec<&Conf> = found
        .confs
        .iter()
        .filter(|conf| conf.name < wanted.name)
        .collect();
    let told = |conf: &&Conf| {
        let whose = match &conf.plugin {
            Some(plugin) => format!("of {plugin}"),
            None => "and cannot be read".to_owned(),
        };
        format!(
            "CNI configuration {}, {whose}, comes before {}: the runtime takes the first by name",
            conf.name, wanted.name
        )
    };
    let missing = found.missing.iter().map(|path| {
        format!(
            "CNI configuration {} calls {}, which is not there",
            wanted.name,
            path.display()
        )
    });
    Verdict {
        write: ready && found.own.as_deref() != Some(&wanted.text),
        notices: earlier.iter().map(told).chain(missing).collect(),
        first: earlier.is_empty() && found.own.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"cniVersion":"1.1.0","name":"gingham","plugins":[{"type":"gingham"},{"type":"portmap"}]}"#;

    fn wanted() -> Wanted {
        Wanted::parse("10-gingham.conflist", LIST.to_owned()).unwrap()
    }

    fn found(names: &[(&str, &str)], own: Option<&str>) -> Found {
        let confs = names.iter().map(|(name, text)| Conf::parse(name, text));
        Found {
            own: own.map(str::to_owned),
            confs: confs.collect(),
            missing: Vec::new(),
        }
    }

    #[test]
    fn a_plugin_that_is_not_there_is_told() {
        let there = Found {
            missing: vec!["/opt/cni/bin/portmap".into()],
            ..found(&[("10-gingham.conflist", LIST)], Some(LIST))
        };
        assert_eq!(
            judge(&wanted(), &there, true).notices,
            [
                "CNI configuration 10-gingham.conflist calls /opt/cni/bin/portmap, which is not there"
            ]
        );
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        let refused = |name: &str, text: &str| Wanted::parse(name, text.to_owned()).unwrap_err();
        for (text, why) in [
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("{}", "name: is missing or no string"),
            (r#"{"name":"a"}"#, "plugins: no list"),
            (r#"{"name":"a","plugins":[]}"#, "plugins: is empty"),
            (
                r#"{"name":"a","plugins":[{}]}"#,
                "plugins[0].type: is missing or no string",
            ),
            (
                r#"{"name":"a","plugins":[{"type":"ptp"}]}"#,
                "plugins[0].type ptp: must be gingham",
            ),
        ] {
            assert_eq!(refused("10-a.conflist", text), why);
        }
        assert_eq!(
            refused("10-a.conf", LIST),
            "file name 10-a.conf: must end in .conflist"
        );
        assert_eq!(wanted().plugins, ["gingham", "portmap"]);
    }

    #[test]
    fn nothing_is_written_before_the_node_is_ready() {
        let nothing = Found::default();
        assert!(!judge(&wanted(), &nothing, false).write);
        assert!(judge(&wanted(), &nothing, true).write);
        let older = found(&[], Some("older"));
        assert!(!judge(&wanted(), &older, false).write);
        assert!(judge(&wanted(), &older, true).write);
    }

    #[test]
    fn what_is_as_wanted_is_left_alone() {
        let there = found(&[("10-gingham.conflist", LIST)], Some(LIST));
        let verdict = judge(&wanted(), &there, true);
        assert_eq!((verdict.write, verdict.first), (false, true));
        assert!(verdict.notices.is_empty());
    }

    #[test]
    fn who_comes_first_is_told() {
        let names = [
            ("05-other.conf", r#"{"type":"bridge"}"#),
            ("09-broken.json", "{"),
            ("10-gingham.conflist", LIST),
            ("20-later.conf", r#"{"type":"ptp"}"#),
        ];
        let verdict = judge(&wanted(), &found(&names, Some(LIST)), true);
        assert!(!verdict.first);
        assert_eq!(
            verdict.notices,
            [
                "CNI configuration 05-other.conf, of bridge, comes before 10-gingham.conflist: the runtime takes the first by name",
                "CNI configuration 09-broken.json, and cannot be read, comes before 10-gingham.conflist: the runtime takes the first by name",
            ]
        );
    }
}
