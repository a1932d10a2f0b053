//! Text to object and back: YAML in the shape of Kubernetes, refused by field and value.
//!
//! A text is first read as a plain value and then as a type, so that an error has the path of its
//! field, and so that a rewrite keeps the fields this version does not know.

mod node;
mod peer;

use crate::config::{RoutingConfig, Spec};
use crate::objects::{Kind, Object};
use gingham_model::{Block, Pool, PoolName, PoolSpec};
use peer::{FilterSpec, PeerSpec};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_path_to_error::{Path, Segment, Track};

/// Why a text is no object of its kind: field, value, rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

/// An object, and the fields of its `spec` this version does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The object.
    pub object: Object,
    /// Paths such as `spec.reflectors`.
    pub unknown: Vec<String>,
}

/// Reads the object of `kind` called `name`.
///
/// # Errors
/// Text that is no YAML, another kind or name, a field that is missing or does not hold.
pub fn parse(kind: Kind, name: &str, text: &str) -> Result<Parsed, Invalid> {
    checked_object(kind, name, &value(text)?)
}

/// Reads the objects of a text of one or several documents, each with its kind and name.
///
/// # Errors
/// Of each document that is no object of ours: what it calls itself, and why not. Of a text that is
/// no YAML: that alone.
pub fn documents(text: &str) -> Vec<Result<Parsed, (String, Invalid)>> {
    let values: Vec<Value> = match serde_saphyr::from_multiple(text) {
        Ok(values) => values,
        Err(error) => {
            let why = Invalid(format!("no YAML: {}", one_line(&error.to_string())));
            return vec![Err((String::new(), why))];
        }
    };
    values.iter().map(of_value).collect()
}

/// Reads an object of ours that says itself which it is.
///
/// # Errors
/// What it calls itself, and why it is none.
pub fn of_value(value: &Value) -> Result<Parsed, (String, Invalid)> {
    let field = |path: &str| at_keys(value, path).and_then(Value::as_str);
    let (kind, name) = (field("kind"), field("metadata.name"));
    let object = || {
        let mut kinds = Kind::ALL.into_iter();
        let kind = kinds.find(|k| Some(k.to_string().as_str()) == kind);
        let kind = kind.ok_or_else(|| {
            let all = Kind::ALL.map(|kind| kind.to_string()).join(", ");
            Invalid(format!("kind: must be one of {all}"))
        })?;
        let name = name.ok_or_else(|| Invalid("metadata.name: is missing".into()))?;
        checked_object(kind, name, value)
    };
    let called = || format!("{} {}", kind.unwrap_or("?"), name.unwrap_or("?"));
    object().map_err(|why| (called(), why))
}

fn checked_object(kind: Kind, name: &str, value: &Value) -> Result<Parsed, Invalid> {
    expect(value, "apiVersion", kind.api_version())?;
    expect(value, "kind", &kind.to_string())?;
    expect(value, "metadata.name", name)?;
    let mut unknown = Vec::new();
    let object = match kind {
        Kind::Node => Object::Node(node::node(typed(value, &mut Vec::new())?)?),
        Kind::ZonePool => {
            let spec: PoolSpec = spec(value, &mut unknown)?;
            let name: PoolName = checked("metadata.name", name.parse())?;
            if name.is_node_pod_cidrs() {
                return Err(Invalid(format!(
                    "metadata.name: {name} is kept for the podCIDRs of Nodes"
                )));
            }
            Object::Pool(Pool::new(name, spec).map_err(|error| Invalid(error.to_string()))?)
        }
        Kind::Block => Object::Block(block(spec(value, &mut unknown)?, name)?),
        Kind::RoutingConfig => {
            let spec: Spec = spec(value, &mut unknown)?;
            Object::Config(RoutingConfig::try_from(spec).map_err(Invalid)?)
        }
        Kind::BgpPeer => {
            let spec: PeerSpec = spec(value, &mut unknown)?;
            let name = checked("metadata.name", name.parse())?;
            Object::Peer(spec.check(name).map_err(Invalid)?)
        }
        Kind::RouteFilter => {
            let spec: FilterSpec = spec(value, &mut unknown)?;
            let name = checked("metadata.name", name.parse())?;
            Object::Filter(spec.check(name).map_err(Invalid)?)
        }
    };
    Ok(Parsed { object, unknown })
}

/// The text of a Block object. What `present` holds beyond the fields of ours is kept.
///
/// # Errors
/// Never for a Block that came from [`parse`] or from a claim; what the writer says otherwise.
pub fn render(block: &Block, present: Option<&str>) -> Result<String, Invalid> {
    let mut object = match present {
        Some(text) => value(text)?,
        None => json!({}),
    };
    merge(&mut object, manifest(Object::Block(block.clone())));
    serde_saphyr::to_string(&object).map_err(|error| Invalid(error.to_string()))
}

/// The object as [`parse`] reads it, with no more in it than what is known of it.
pub fn manifest(object: Object) -> Value {
    let (kind, name) = (object.kind(), object.name());
    let spec = match object {
        Object::Node(node) => return node::manifest(&node),
        Object::Pool(pool) => json!(pool.spec),
        Object::Block(block) => json!(block),
        Object::Config(config) => config.spec(),
        Object::Peer(peer) => json!(PeerSpec::of(peer)),
        Object::Filter(filter) => json!(FilterSpec::of(filter)),
    };
    json!({
        "apiVersion": kind.api_version(),
        "kind": kind.to_string(),
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// RFC 7396, without its removals.
pub(crate) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

pub(crate) fn value(text: &str) -> Result<Value, Invalid> {
    let value: Value = serde_saphyr::from_str(text)
        .map_err(|error| Invalid(format!("no YAML: {}", one_line(&error.to_string()))))?;
    match value {
        Value::Object(_) => Ok(value),
        Value::Null => Err(Invalid("is empty".into())),
        other => Err(Invalid(format!("must be an object, is {other}"))),
    }
}

/// The first line of a message: the YAML reader draws the text below it.
fn one_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

/// `path` is one or two keys.
fn expect(object: &Value, path: &str, wanted: &str) -> Result<(), Invalid> {
    match at_keys(object, path) {
        Some(Value::String(text)) if text == wanted => Ok(()),
        Some(other) => Err(Invalid(format!("{path}: must be {wanted}, is {other}"))),
        None => Err(Invalid(format!("{path}: is missing, must be {wanted}"))),
    }
}

fn at_keys<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(object, |value, key| value.get(key))
}

#[derive(Deserialize)]
struct WithSpec<S> {
    spec: S,
}

fn spec<S: DeserializeOwned>(object: &Value, unknown: &mut Vec<String>) -> Result<S, Invalid> {
    let WithSpec { spec } = typed(object, unknown)?;
    // The API server fills metadata and status with what is no concern of ours.
    unknown.retain(|path| path.starts_with("spec."));
    Ok(spec)
}

fn typed<T: DeserializeOwned>(object: &Value, unknown: &mut Vec<String>) -> Result<T, Invalid> {
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(object, &mut track);
    // A step into what may be absent is written as a question mark.
    let plain = |path: serde_ignored::Path<'_>| path.to_string().replace(".?", "");
    let read = serde_ignored::deserialize(tracked, |path| unknown.push(plain(path)));
    read.map_err(|error: serde_json::Error| {
        let (path, error) = (track.path(), error.to_string());
        // Some types say only what they want, not what they were given.
        match at(object, &path).map(Value::to_string) {
            Some(value) if !error.contains(value.trim_matches('"')) => {
                Invalid(format!("{path} {value}: {error}"))
            }
            _ => Invalid(format!("{path}: {error}")),
        }
    })
}

/// The text or number at `path`.
fn at<'a>(object: &'a Value, path: &Path) -> Option<&'a Value> {
    let found = path
        .iter()
        .try_fold(object, |value, segment| match segment {
            Segment::Map { key } => value.get(key),
            Segment::Seq { index } => value.get(index),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
    found.filter(|value| !value.is_object() && !value.is_array())
}

fn checked<T, E: std::fmt::Display>(field: &str, value: Result<T, E>) -> Result<T, Invalid> {
    value.map_err(|error| Invalid(format!("{field}: {error}")))
}

fn block(block: Block, name: &str) -> Result<Block, Invalid> {
    let wanted = Block::object_name(block.cidr);
    if wanted != name {
        let cidr = block.cidr;
        return Err(Invalid(format!(
            "metadata.name: {name} must be {wanted} for spec.cidr {cidr}"
        )));
    }
    Ok(block)
}
