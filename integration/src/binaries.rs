//! Where the executables under test are.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Names a folder that holds `lab`, `gingham-agent` and `gingham`.
pub const FOLDER_VARIABLE: &str = "GINGHAM_BIN";

/// The executables a lab needs. The boxes see them under the same paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binaries {
    /// The lab itself.
    pub lab: PathBuf,
    /// What is under test; `None` for a lab of links and routes only.
    pub gingham: Option<Gingham>,
}

/// The executables and the file under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gingham {
    /// `gingham-agent`.
    pub agent: PathBuf,
    /// `gingham`, the CNI plugin.
    pub plugin: PathBuf,
    /// The network configuration list of `deploy/`.
    pub conflist: PathBuf,
}

impl Binaries {
    /// Finds everything: in the folder that `GINGHAM_BIN` names, else in the target directory, where
    /// of a release and a debug build the newer one is taken. The plugin is the static one.
    ///
    /// # Errors
    /// The file that is missing, the places looked at, and what makes it.
    pub fn locate() -> Result<Self> {
        let places = Places::of_this_process()?;
        Ok(Binaries {
            lab: places.lab()?,
            gingham: Some(Gingham {
                agent: places.newest("gingham-agent", places.builds("gingham-agent"))?,
                plugin: places.newest("gingham", places.static_builds("gingham"))?,
                conflist: places.newest("10-gingham.conflist", vec![conflist()])?,
            }),
        })
    }

    /// Finds the lab alone: enough for boxes, links and routes.
    ///
    /// # Errors
    /// As [`Binaries::locate`].
    pub fn lab_only() -> Result<Self> {
        Ok(Binaries {
            lab: Places::of_this_process()?.lab()?,
            gingham: None,
        })
    }

    /// Finds the speaker: the example of `crates/bgp`, in the same places.
    ///
    /// # Errors
    /// As [`Binaries::locate`].
    pub fn speaker() -> Result<PathBuf> {
        let places = Places::of_this_process()?;
        places.newest("speaker", places.builds("examples/speaker"))
    }

    /// What is under test.
    ///
    /// # Errors
    /// This lab was made without.
    pub fn gingham(&self) -> Result<&Gingham> {
        self.gingham
            .as_ref()
            .context("this lab was brought up without gingham's executables")
    }
}

fn conflist() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/10-gingham.conflist")
}

/// Where to look.
struct Places {
    /// The running executable.
    own: PathBuf,
    /// From [`FOLDER_VARIABLE`]; then nowhere else.
    folder: Option<PathBuf>,
    /// Cargo's target directory.
    target: PathBuf,
}

impl Places {
    fn of_this_process() -> Result<Self> {
        let own = std::env::current_exe().context("finding the own executable")?;
        // <target>/debug/lab, <target>/debug/deps/<test>: whatever holds the profile's folder.
        let profile = own
            .ancestors()
            .find(|path| path.ends_with("debug") || path.ends_with("release"));
        let target = match profile.and_then(Path::parent) {
            Some(target) => target.to_owned(),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        };
        Ok(Places {
            folder: std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from),
            target,
            own,
        })
    }

    /// The running executable itself, or the one cargo built beside the running test.
    fn lab(&self) -> Result<PathBuf> {
        if self.own.file_name().is_some_and(|name| name == "lab") {
            return Ok(self.own.clone());
        }
        let beside = self
            .own
            .ancestors()
            .skip(1)
            .take(2)
            .map(|folder| folder.join("lab"));
        match beside.into_iter().find(|path| path.is_file()) {
            Some(path) => Ok(path),
            None => self.newest("lab", self.builds("lab")),
        }
    }

    fn builds(&self, name: &str) -> Vec<PathBuf> {
        ["release", "debug"]
            .map(|profile| self.target.join(profile).join(name))
            .into()
    }

    fn static_builds(&self, name: &str) -> Vec<PathBuf> {
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        vec![self.target.join(triple).join("release").join(name)]
    }

    fn newest(&self, name: &str, built: Vec<PathBuf>) -> Result<PathBuf> {
        let candidates = match &self.folder {
            Some(folder) => vec![folder.join(name)],
            None => built,
        };
        let modified = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
        let found = candidates
            .iter()
            .filter(|path| path.is_file())
            .max_by_key(|path| modified(path));
        match found {
            Some(path) => path
                .canonicalize()
                .with_context(|| format!("resolving {}", path.display())),
            None => {
                let places: Vec<String> = candidates
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect();
                bail!(
                    "{name} is missing; looked for {}; `integration/build.sh` makes it",
                    places.join(" and ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_with_what_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            own: "/nowhere/test".into(),
            folder: Some(folder.path().to_owned()),
            target: "/nowhere".into(),
        };
        let error = places
            .newest("gingham", places.static_builds("gingham"))
            .unwrap_err();
        let wanted = format!(
            "gingham is missing; looked for {}; `integration/build.sh` makes it",
            folder.path().join("gingham").display()
        );
        assert_eq!(error.to_string(), wanted);
    }

    #[test]
    fn of_two_builds_the_newer_is_taken() {
        let target = tempfile::tempdir().unwrap();
        let places = Places {
            own: "/nowhere/test".into(),
            folder: None,
            target: target.path().to_owned(),
        };
        let builds = places.builds("gingham-agent");
        for (build, age) in builds.iter().zip([60, 0]) {
            std::fs::create_dir_all(build.parent().unwrap()).unwrap();
            let file = std::fs::File::create(build).unwrap();
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(then).unwrap();
        }
        let found = places.newest("gingham-agent", builds).unwrap();
        assert!(found.ends_with("debug/gingham-agent"), "{found:?}");
    }
}
