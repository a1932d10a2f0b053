//! What is wrong with the content of a file, by field and value.
//!
//! serde stops at a line and a column. Only after it has refused a document do we read that
//! document again as plain JSON and ask each field for itself, so that the hot path pays nothing.

use serde::Deserialize;
use serde_json::Value;

/// Why the content of a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Not what the file must hold at all; for JSON with line and column.
    #[error("{0}")]
    Content(String),
    /// A field that must be there is not.
    #[error("{0}: missing")]
    Missing(String),
    /// A field that cannot be so.
    #[error("{field} {value}: {reason}")]
    Field {
        /// Its path, such as `blocks[1].cidr`.
        field: String,
        /// Its value, as JSON; a long one is cut.
        value: String,
        /// The rule it breaks.
        reason: String,
    },
}

/// Characters of a value that an error message shows.
const LONGEST_VALUE: usize = 120;

impl Fault {
    /// A fault of the field at `path`.
    pub(crate) fn field(path: impl Into<String>, value: &Value, reason: impl ToString) -> Self {
        Fault::Field {
            field: path.into(),
            value: value.to_string().chars().take(LONGEST_VALUE).collect(),
            reason: reason.to_string(),
        }
    }
}

/// Parses `bytes`; what cannot be parsed is blamed on the first of `fields` that is at fault.
pub(crate) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], fields: Fields) -> Result<T, Fault> {
    if bytes.trim_ascii().is_empty() {
        return Err(Fault::Empty);
    }
    // Checked once, not string by string.
    let parsed = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    parsed.map_err(|error| {
        let document = serde_json::from_slice(bytes).unwrap_or_default();
        blame(&document, fields, "").unwrap_or_else(|| Fault::Content(error.to_string()))
    })
}

/// The fields of an object, in the order they are blamed.
pub(crate) type Fields = &'static [Field];

/// One field of an object, for the sake of error messages.
pub(crate) struct Field {
    name: &'static str,
    check: Check,
    items: Fields,
}

type Check = fn(&Value) -> Result<(), serde_json::Error>;

/// A field that must parse as `T`. An absent one is tried as `null`, which only an `Option` takes.
pub(crate) const fn field<T: for<'de> Deserialize<'de>>(name: &'static str) -> Field {
    Field {
        name,
        check: |value| T::deserialize(value).map(drop),
        items: &[],
    }
}

/// A field that must be a list of objects with these fields.
pub(crate) const fn list(name: &'static str, items: Fields) -> Field {
    Field {
        items,
        ..field::<Vec<Value>>(name)
    }
}

fn blame(value: &Value, fields: Fields, prefix: &str) -> Option<Fault> {
    let object = value.as_object()?;
    fields.iter().find_map(|field| {
        let path = format!("{prefix}{}", field.name);
        let Some(value) = object.get(field.name) else {
            return (field.check)(&Value::Null)
                .is_err()
                .then_some(Fault::Missing(path));
        };
        if let Err(error) = (field.check)(value) {
            return Some(Fault::field(path, value, error));
        }
        if field.items.is_empty() {
            return None;
        }
        let mut items = value.as_array()?.iter().enumerate();
        items.find_map(|(index, item)| blame_item(item, field.items, &format!("{path}[{index}]")))
    })
}

fn blame_item(item: &Value, fields: Fields, path: &str) -> Option<Fault> {
    if item.is_object() {
        blame(item, fields, &format!("{path}."))
    } else {
        Some(Fault::field(path, item, "must be an object"))
    }
}
