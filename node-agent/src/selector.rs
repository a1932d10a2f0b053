//! Which objects are meant, by their labels: the LabelSelector of Kubernetes. Pure.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Demands on labels, all of which must be met. Without any, everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct LabelSelector(Vec<Demand>);

/// What is demanded of the label of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Demand {
    key: String,
    value: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// One of these.
    In(BTreeSet<String>),
    /// None of these; an object without the label has none of them.
    NotIn(BTreeSet<String>),
    /// Any.
    Exists,
    /// No such label.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether an object with these labels is meant.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|Demand { key, value }| {
            let label = labels.get(key);
            match value {
                Wanted::In(values) => label.is_some_and(|label| values.contains(label)),
                Wanted::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
                Wanted::Exists => label.is_some(),
                Wanted::DoesNotExist => label.is_none(),
            }
        })
    }
}

/// As `kubectl --selector` takes it.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(everything)");
        }
        for (index, demand) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            demand.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Demand { key, value } = self;
        let listed = |values: &BTreeSet<String>| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            values.join(",")
        };
        match value {
            Wanted::In(values) if values.len() == 1 => write!(f, "{key}={}", listed(values)),
            Wanted::In(values) => write!(f, "{key} in ({})", listed(values)),
            Wanted::NotIn(values) => write!(f, "{key} notin ({})", listed(values)),
            Wanted::Exists => f.write_str(key),
            Wanted::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

/// As it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Text {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    match_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    match_expressions: Vec<Expression>,
}

#[derive(Serialize, Deserialize)]
struct Expression {
    key: String,
    operator: Operator,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    values: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl TryFrom<Text> for LabelSelector {
    type Error = String;

    /// # Errors
    /// The first field that does not hold, by its path below the selector, with its value.
    fn try_from(text: Text) -> Result<Self, String> {
        let mut demands = Vec::new();
        for (key, value) in text.match_labels {
            is_key("matchLabels", &key)?;
            is_value(&format!("matchLabels.{key}"), &value)?;
            let value = Wanted::In([value].into());
            demands.push(Demand { key, value });
        }
        for (index, expression) in text.match_expressions.into_iter().enumerate() {
            let field = format!("matchExpressions[{index}]");
            demands.push(demand(&field, expression)?);
        }
        Ok(LabelSelector(demands))
    }
}

fn demand(field: &str, expression: Expression) -> Result<Demand, String> {
    let Expression {
        key,
        operator,
        values,
    } = expression;
    is_key(&format!("{field}.key"), &key)?;
    for value in &values {
        is_value(&format!("{field}.values"), value)?;
    }
    let value = match (operator, values.is_empty()) {
        (Operator::In, false) => Wanted::In(values),
        (Operator::NotIn, false) => Wanted::NotIn(values),
        (Operator::Exists, true) => Wanted::Exists,
        (Operator::DoesNotExist, true) => Wanted::DoesNotExist,
        (Operator::In | Operator::NotIn, true) => {
            return Err(format!(
                "{field}.values: must not be empty with {operator:?}"
            ));
        }
        (Operator::Exists | Operator::DoesNotExist, false) => {
            return Err(format!(
                "{field}.values: must be empty with {operator:?}, are {values:?}"
            ));
        }
    };
    Ok(Demand { key, value })
}

/// A qualified name: up to 63 letters, digits, `-`, `_` or `.`, and before it, if anything, a DNS
/// name of up to 253 and a slash.
fn is_key(field: &str, key: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let prefixed = prefix.is_none_or(|prefix| !prefix.is_empty() && prefix.len() <= 253);
    if prefixed && !name.is_empty() && is_label(name) && prefix.is_none_or(is_plain) {
        Ok(())
    } else {
        Err(format!("{field}: {key:?} is no label key"))
    }
}

fn is_value(field: &str, value: &str) -> Result<(), String> {
    if value.is_empty() || is_label(value) {
        Ok(())
    } else {
        Err(format!("{field}: {value:?} is no label value"))
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_plain(text)
}

/// Letters, digits, `-`, `_` and `.`, the first and last a letter or digit.
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.chars().all(inner) && text.starts_with(edge) && text.ends_with(edge)
}

impl From<LabelSelector> for Text {
    fn from(selector: LabelSelector) -> Text {
        let expressions = selector.0.into_iter().map(|Demand { key, value }| {
            let (operator, values) = match value {
                Wanted::In(values) => (Operator::In, values),
                Wanted::NotIn(values) => (Operator::NotIn, values),
                Wanted::Exists => (Operator::Exists, BTreeSet::new()),
                Wanted::DoesNotExist => (Operator::DoesNotExist, BTreeSet::new()),
            };
            Expression {
                key,
                operator,
                values,
            }
        });
        Text {
            match_labels: BTreeMap::new(),
            match_expressions: expressions.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn selector(text: Value) -> LabelSelector {
        serde_json::from_value(text).unwrap()
    }

    fn refusal(text: Value) -> String {
        let read: Result<LabelSelector, _> = serde_json::from_value(text);
        read.unwrap_err().to_string()
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn every_demand_must_be_met() {
        let rack = |operator: &str, values: &[&str]| {
            let one = json!({"key": "rack", "operator": operator, "values": values});
            selector(json!({"matchLabels": {"role": "core"}, "matchExpressions": [one]}))
        };
        let all = [
            rack("In", &["r1", "r2"]),
            rack("NotIn", &["r1", "r2"]),
            rack("Exists", &[]),
            rack("DoesNotExist", &[]),
        ];
        let selected = |labels: &BTreeMap<String, String>| {
            let each = all.iter();
            each.map(|one| one.selects(labels)).collect::<Vec<bool>>()
        };
        let within = labels(&[("role", "core"), ("rack", "r1")]);
        assert_eq!(selected(&within), [true, false, true, false]);
        let outside = labels(&[("role", "core"), ("rack", "r3")]);
        assert_eq!(selected(&outside), [false, true, true, false]);
        let without = labels(&[("role", "core")]);
        assert_eq!(selected(&without), [false, true, false, true]);
        let other = labels(&[("role", "leaf"), ("rack", "r1")]);
        assert_eq!(selected(&other), [false; 4]);
    }

    #[test]
    fn without_demands_everything_is_selected() {
        assert!(selector(json!({})).selects(&labels(&[])));
        assert!(selector(json!({"matchLabels": {"a/b": ""}})).selects(&labels(&[("a/b", "")])));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let one = |key: &str, operator: &str, values: &[&str]| {
            refusal(json!({"matchExpressions":
                [{"key": key, "operator": operator, "values": values}]}))
        };
        assert_eq!(
            one("rack", "In", &[]),
            "matchExpressions[0].values: must not be empty with In"
        );
        assert_eq!(
            one("rack", "Exists", &["r1"]),
            "matchExpressions[0].values: must be empty with Exists, are {\"r1\"}"
        );
        assert_eq!(
            one("/rack", "Exists", &[]),
            "matchExpressions[0].key: \"/rack\" is no label key"
        );
        assert_eq!(
            one("rack", "In", &["-1"]),
            "matchExpressions[0].values: \"-1\" is no label value"
        );
        assert!(one("rack", "Near", &[]).contains("unknown variant `Near`"));
        for key in ["", "a b", "a/b/c", "a/", &"a".repeat(64)] {
            let refused = refusal(json!({"matchLabels": {key: "x"}}));
            assert_eq!(refused, format!("matchLabels: {key:?} is no label key"));
        }
    }

    #[test]
    fn a_selector_survives_being_written() {
        let before = selector(json!({
            "matchLabels": {"example.org/role": "core"},
            "matchExpressions": [
                {"key": "rack", "operator": "NotIn", "values": ["r1", "r2"]},
                {"key": "old", "operator": "DoesNotExist"},
            ],
        }));
        assert_eq!(selector(serde_json::to_value(&before).unwrap()), before);
    }
}
