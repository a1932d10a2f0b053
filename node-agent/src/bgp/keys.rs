//! The keys of TCP's MD5 signatures (RFC 2385), from files: `DIR/NAME/password`, the shape in which a
//! kubelet mounts a Secret.

use gingham_bgp::config::Password;
use gingham_model::SecretName;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The file of a Secret that holds the key.
pub const KEY: &str = "password";

/// The keys that are asked for, or why one cannot be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<SecretName, Result<Password, String>>);

impl Keys {
    /// Reads what `names` name below `dir`.
    pub fn read(dir: &Path, names: &BTreeSet<SecretName>) -> Self {
        let each = names.iter().map(|name| (name.clone(), key(dir, name)));
        Keys(each.collect())
    }

    /// The key called `name`.
    ///
    /// # Errors
    /// The file, and why there is no key in it. No key is ever part of it.
    pub fn get(&self, name: &SecretName) -> Result<Password, String> {
        let unread = || Err(format!("Secret {name}: was not read"));
        self.0.get(name).cloned().unwrap_or_else(unread)
    }
}

/// A file that ends in a line break was written by an editor, which is no part of the key.
fn key(dir: &Path, name: &SecretName) -> Result<Password, String> {
    let path = dir.join(name.as_str()).join(KEY);
    let path_text = path.display();
    let text = fs::read_to_string(&path).map_err(|error| format!("{path_text}: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let most = Password::MOST_OCTETS;
    match text.len() {
        0 => Err(format!("{path_text}: is empty")),
        length if length > most => Err(format!(
            "{path_text}: has {length} octets, 1 to {most} are possible"
        )),
        _ => Ok(Password(text.to_owned())),
    }
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
}
