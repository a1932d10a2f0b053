//! The query of a request.

use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// The fields of a query.
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Those of `known` names that are given.
    ///
    /// # Errors
    /// A field of another name.
    pub(super) fn of(query: Option<String>, known: &[&str]) -> Result<Self, String> {
        let query = query.unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match known.contains(&name) {
                true => Ok((name.to_owned(), value)),
                false => Err(format!("{name:?}: there is no such field")),
            }
        });
        fields.collect::<Result<_, _>>().map(Fields)
    }

    /// A field as what it must be.
    ///
    /// # Errors
    /// Field, value and rule.
    pub(super) fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, String> {
        let text = self.0.get(name);
        let value = text.map(|text| {
            text.parse()
                .map_err(|error| format!("{name}={text}: {error}"))
        });
        value.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gingham_model::Prefix;

    fn prefix(query: &str) -> Result<Option<Prefix>, String> {
        Fields::of(Some(query.to_owned()), &["prefix"])?.get("prefix")
    }

    #[test]
    fn a_query_is_read_as_it_was_meant() {
        let meant = Some("fd00::/8".parse().unwrap());
        for query in [
            "prefix=fd00::/8",
            "prefix=fd00%3A%3A%2F8",
            "&prefix=fd00::/8&",
        ] {
            assert_eq!(prefix(query), Ok(meant), "{query}");
        }
        assert_eq!(prefix(""), Ok(None));
    }

    #[test]
    fn a_bad_query_names_field_and_value() {
        let wrong = prefix("prefix=10.0.0.1/8").unwrap_err();
        assert_eq!(
            wrong,
            "prefix=10.0.0.1/8: prefix 10.0.0.1/8: has bits set behind its length; 10.0.0.0/8 is meant?"
        );
        let wrong = prefix("prefx=10.0.0.0/8").unwrap_err();
        assert_eq!(wrong, "\"prefx\": there is no such field");
    }
}
