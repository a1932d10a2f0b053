//! The keys of TCP's MD5 signatures (RFC 2385), each the content of a Secret. No key is ever part of
//! an error or of what is logged.

use gingham_bgp::config::Password;
use gingham_model::SecretName;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The entry of a Secret that holds the key.
pub const KEY: &str = "password";

/// The keys that are asked for, or why one cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    read: BTreeMap<SecretName, Result<Password, String>>,
    /// Why a key is the one of an earlier reading.
    kept: BTreeMap<SecretName, String>,
}

impl FromIterator<(SecretName, Result<Password, String>)> for Keys {
    fn from_iter<I: IntoIterator<Item = (SecretName, Result<Password, String>)>>(each: I) -> Self {
        Keys {
            read: each.into_iter().collect(),
            kept: BTreeMap::new(),
        }
    }
}

impl Keys {
    /// Reads what `names` name below `dir`: `DIR/NAME/password`, as a kubelet mounts a Secret.
    pub fn read(dir: &Path, names: &BTreeSet<SecretName>) -> Self {
        let each = names.iter().map(|name| (name.clone(), of_file(dir, name)));
        each.collect()
    }

    /// The same, with keys of an earlier reading where they cannot be read now.
    pub fn or_kept(mut self, before: &Keys) -> Self {
        for (name, read) in &mut self.read {
            let kept = before.read.get(name).and_then(|read| read.clone().ok());
            if let (Err(why), Some(key)) = (&*read, kept) {
                self.kept.insert(name.clone(), why.clone());
                *read = Ok(key);
            }
        }
        self
    }

    /// The key called `name`.
    ///
    /// # Errors
    /// Where it was looked for, and why there is none.
    pub fn get(&self, name: &SecretName) -> Result<Password, String> {
        let unread = || Err(format!("Secret {name}: was not read"));
        self.read.get(name).cloned().unwrap_or_else(unread)
    }

    /// Whether it was tried to read all of `names`.
    pub fn answer(&self, names: &BTreeSet<SecretName>) -> bool {
        names.iter().all(|name| self.read.contains_key(name))
    }

    /// Whether every one could be read.
    pub fn are_whole(&self) -> bool {
        self.kept.is_empty() && self.read.values().all(Result::is_ok)
    }

    /// What an operator ought to know of those that are kept.
    pub fn notices(&self) -> Vec<String> {
        let kept = self.kept.values();
        let notices = kept.map(|why| format!("{why}; the key that was read before counts on"));
        notices.collect()
    }
}

/// The key that `text`, found at `place`, holds. A text that ends in a line break was written by an
/// editor, which is no part of the key.
pub fn checked(place: &str, text: &str) -> Result<Password, String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let most = Password::MOST_OCTETS;
    match text.len() {
        0 => Err(format!("{place}: is empty")),
        length if length > most => Err(format!(
            "{place}: has {length} octets, 1 to {most} are possible"
        )),
        _ => Ok(Password(text.to_owned())),
    }
}

fn of_file(dir: &Path, name: &SecretName) -> Result<Password, String> {
    let path = dir.join(name.as_str()).join(KEY);
    let place = path.display().to_string();
    let text = fs::read_to_string(&path).map_err(|error| format!("{place}: {error}"))?;
    checked(&place, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_key_is_a_file_without_its_last_line_break_or_an_error_that_names_the_file() {
        let dir = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join(KEY), text).unwrap();
        };
        write("good", " s3cret\n");
        write("empty", "\n");
        write("long", &"x".repeat(81));
        let names = ["good", "empty", "long", "none"];
        let names: BTreeSet<SecretName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let keys = Keys::read(dir.path(), &names);
        let get = |name: &str| keys.get(&name.parse().unwrap());
        assert_eq!(get("good"), Ok(Password(" s3cret".to_owned())));
        for (name, why) in [
            ("empty", "is empty"),
            ("long", "has 81 octets, 1 to 80 are possible"),
            ("none", "No such file"),
        ] {
            let error = get(name).unwrap_err();
            let file = format!("/{name}/password: ");
            assert!(error.contains(&file) && error.contains(why), "{error}");
            assert!(!error.contains("xxx"), "{error}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_any_more_stays_and_says_why() {
        let name: SecretName = "zone".parse().unwrap();
        let read = |key: Result<&str, &str>| {
            let key = key.map(|key| Password(key.to_owned()));
            Keys::from_iter([(name.clone(), key.map_err(str::to_owned))])
        };
        let first = read(Ok("warp"));
        assert!(first.are_whole() && first.notices().is_empty());
        let gone = read(Err("Secret zone: is not there")).or_kept(&first);
        assert_eq!(gone.get(&name), Ok(Password("warp".to_owned())));
        let notice = "Secret zone: is not there; the key that was read before counts on";
        assert_eq!(gone.notices(), [notice]);
        assert!(!gone.are_whole());
        // It is kept for however long.
        let longer = read(Err("Secret zone: is not there")).or_kept(&gone);
        assert_eq!(longer, gone);
        let renewed = read(Ok("weft")).or_kept(&longer);
        assert_eq!(renewed, read(Ok("weft")));
        assert!(read(Err("x")).or_kept(&Keys::default()).get(&name).is_err());
    }
}
