//! The node's nftables table, by way of the program `nft`: read, compared, replaced where it
//! differs, read back.
//!
//! ```text
//!   Firewall ──table()──► normal form ─┐
//!                                      ├─ equal: nothing to do
//!   kernel ──nft list──► normal form ──┘  else: nft -f -, one transaction, and read again
//! ```

mod program;

pub use program::NftError;

use crate::firewall::{Firewall, SPOOFED, TABLE, normal_form};
use program::Program;
use serde::Deserialize;
use std::path::PathBuf;

/// What [`Nft::set`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The table said so already; nothing was written.
    Unchanged,
    /// There was no table.
    Installed,
    /// There was another one: what is wanted has changed, or was not wanted by this process yet.
    Replaced,
    /// The same was wanted before and stood: a foreign hand has changed or removed it.
    Repaired,
}

/// The program, and what it last said of our table.
#[derive(Debug)]
pub struct Nft {
    program: Program,
    standing: Option<Standing>,
    /// Whether this `nft` has once listed the table just as we write it.
    literal: bool,
}

/// A table that was wanted and was seen to stand, both in normal form.
#[derive(Debug)]
struct Standing {
    wanted: String,
    listed: String,
}

impl Default for Nft {
    fn default() -> Self {
        Nft::new()
    }
}

impl Nft {
    /// `nft` from `PATH`, `/usr/sbin` or `/sbin`, looked for at every run.
    pub fn new() -> Self {
        Nft::by(Program::new())
    }

    /// The `nft` at `place`, and no other.
    pub fn at(place: PathBuf) -> Self {
        Nft::by(Program::at(place))
    }

    fn by(program: Program) -> Self {
        Nft {
            program,
            standing: None,
            literal: false,
        }
    }

    /// Makes the table say `wanted`: reads it, writes it only where it differs, reads it back.
    /// Blocks for milliseconds, and never for more than three runs of 5 s.
    ///
    /// # Errors
    /// When `nft` cannot be run, says no, or somebody else writes at the same time. The table is
    /// then as it was, as wanted, or as the other one wants it: never half of anything.
    pub fn set(&mut self, wanted: &Firewall) -> Result<Outcome, NftError> {
        let table = normal_form(&wanted.table());
        let found = self.list()?;
        let again = self
            .standing
            .as_ref()
            .is_some_and(|last| last.wanted == table);
        let outcome = match found {
            Some(found) if found == self.expected(&table) => {
                self.stands(table, found);
                return Ok(Outcome::Unchanged);
            }
            _ if again => Outcome::Repaired,
            Some(_) => Outcome::Replaced,
            None => Outcome::Installed,
        };
        self.program.run(&["-f", "-"], &wanted.ruleset())?;
        let listed = self.list()?.ok_or(NftError::Contended)?;
        if listed != self.expected(&table) {
            // Either another hand was quicker, or this version of `nft` prints otherwise than the
            // one we know. Once it has printed as we write, it is the former.
            if self.literal || again {
                return Err(NftError::Contended);
            }
            tracing::debug!(%listed, "this nft lists the table otherwise than it was written");
        }
        self.stands(table, listed);
        Ok(outcome)
    }

    /// Whether [`Nft::set`] would write: for dry runs.
    ///
    /// # Errors
    /// When `nft` cannot be run or says no.
    pub fn differs(&self, wanted: &Firewall) -> Result<bool, NftError> {
        let table = normal_form(&wanted.table());
        Ok(self.list()?.as_deref() != Some(self.expected(&table)))
    }

    /// Whether the table is there, whatever it says.
    ///
    /// # Errors
    /// When `nft` cannot be run or says no.
    pub fn is_present(&self) -> Result<bool, NftError> {
        Ok(self.list()?.is_some())
    }

    /// Lists the whole ruleset, to see whether that works here, and returns what the program calls
    /// itself.
    ///
    /// # Errors
    /// When `nft` cannot be run or says no.
    pub fn probe(&self) -> Result<String, NftError> {
        self.program.run(&["list", "ruleset"], "")?;
        let version = self.program.run(&["--version"], "")?;
        Ok(version.trim().to_owned())
    }

    /// Removes the table, and says whether there was one.
    ///
    /// # Errors
    /// When `nft` cannot be run or says no.
    pub fn remove(&mut self) -> Result<bool, NftError> {
        self.standing = None;
        let stood = self.list()?.is_some();
        if stood {
            // Named first, for it may have gone meanwhile.
            let text = format!("table {TABLE}\ndelete table {TABLE}\n");
            self.program.run(&["-f", "-"], &text)?;
        }
        Ok(stood)
    }

    /// How many packets were dropped for their source since the table was last written: a write
    /// starts the count again, as counters do when a process restarts.
    ///
    /// # Errors
    /// When `nft` cannot be run, or there is no such counter.
    pub fn spoofed(&self) -> Result<u64, NftError> {
        let args = ["-j", "list", "counter", TABLE, SPOOFED];
        let answer = self.program.run(&args, "")?;
        packets(&answer).map_err(|error| NftError::Io {
            command: args.join(" "),
            source: error.into(),
        })
    }

    /// The table in normal form, `None` where there is none. Numeric, so that no file of the host
    /// names what we write as a number; without counts.
    fn list(&self) -> Result<Option<String>, NftError> {
        let args = ["--numeric", "--stateless", "list", "table", TABLE];
        match self.program.run(&args, "") {
            Ok(listing) => Ok(Some(normal_form(&listing))),
            // ENOENT; nothing else tells it from other failures.
            Err(NftError::Refused { stderr, .. }) if stderr.contains("No such file") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How `table` is listed.
    fn expected<'a>(&'a self, table: &'a str) -> &'a str {
        match &self.standing {
            Some(last) if last.wanted == table => &last.listed,
            _ => table,
        }
    }

    fn stands(&mut self, wanted: String, listed: String) {
        self.literal |= wanted == listed;
        self.standing = Some(Standing { wanted, listed });
    }
}

/// The part that counts of `nft -j list counter` (libnftables-json(5)).
#[derive(Deserialize)]
struct Answer {
    nftables: Vec<Item>,
}

/// One object of it; the first describes the program.
#[derive(Deserialize)]
struct Item {
    counter: Option<Counter>,
}

#[derive(Deserialize)]
struct Counter {
    packets: u64,
}

fn packets(answer: &str) -> Result<u64, serde_json::Error> {
    let answer: Answer = serde_json::from_str(answer)?;
    let counters = answer.nftables.into_iter().filter_map(|item| item.counter);
    Ok(counters.map(|counter| counter.packets).sum())
}
