//! `leases.json` as bytes.

use super::Leases;
use crate::fault::{self, Fault, Field, field, list};
use crate::{BootId, Lease, LeaseState, Unknown, Version1, lease};
use gingham_model::Prefix;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::ser::Formatter;
use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::net::IpAddr;

/// The file. `leases` is generic so that writing can borrow: a list of leases or of references.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<L> {
    version: Version1,
    boot_id: BootId,
    #[serde(default)]
    cursors: BTreeMap<Prefix, u64>,
    #[serde(flatten)]
    unknown: Unknown,
    leases: Vec<L>,
}

const FIELDS: &[Field] = &[
    field::<Version1>("version"),
    field::<BootId>("bootId"),
    field::<Option<BTreeMap<Prefix, u64>>>("cursors"),
    list("leases", lease::FIELDS),
];

impl Leases {
    /// Parses the content of `leases.json`.
    ///
    /// # Errors
    /// The first field at fault; also an address that two leases claim.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let document: Document<Lease> = fault::parse(bytes, FIELDS)?;
        let taken = addresses(&document.leases)?;
        let (mut cooling, live): (Vec<_>, Vec<_>) = document
            .leases
            .into_iter()
            .partition(|lease| lease.state == LeaseState::Cooling);
        cooling.sort_by_key(|lease| lease.since);
        Ok(Leases {
            boot: document.boot_id,
            live,
            cooling,
            taken,
            cursors: document.cursors,
            unknown: document.unknown,
        })
    }

    /// The content of `leases.json`: live leases, then cooling ones, a line for each.
    ///
    /// # Errors
    /// None that we know of; serde's signature has one.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let document = Document {
            version: Version1,
            boot_id: self.boot.clone(),
            cursors: self.cursors.clone(),
            unknown: self.unknown.clone(),
            leases: self.live.iter().chain(&self.cooling).collect(),
        };
        let mut bytes = Vec::with_capacity(300 * (document.leases.len() + 1));
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, LinePerItem);
        document.serialize(&mut serializer)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Compact JSON but for a line break before each list item, for those who read it with `cat`.
struct LinePerItem;

impl Formatter for LinePerItem {
    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"\n" } else { b",\n" })
    }
}

/// The addresses of all leases, of which none may stand twice.
fn addresses(leases: &[Lease]) -> Result<HashSet<IpAddr>, Fault> {
    let mut taken = HashSet::with_capacity(2 * leases.len());
    for (index, lease) in leases.iter().enumerate() {
        for address in lease.addresses() {
            if !taken.insert(address) {
                let name = if address.is_ipv4() { "v4" } else { "v6" };
                let path = format!("leases[{index}].{name}");
                let reason = "an earlier lease has it too";
                return Err(Fault::field(path, &json!(address), reason));
            }
        }
    }
    Ok(taken)
}
