//! The custom resources as the API server knows them: schemas, admission rules in CEL, columns.
//!
//! These types exist for what an API server checks and prints. Objects are read by `manifest` alone;
//! a law holds that both say the same, and whatever CEL can see is refused here before any agent has
//! to. A number is signed: API servers warn of unsigned formats.

#![allow(
    unreachable_pub,
    reason = "deriving KubeSchema copies each type into a function"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "columns have a type and a priority each"
)]

pub mod bgp_peer;
pub mod block;
pub mod route_filter;
pub mod routing_config;
pub mod scalar;
pub mod selector;
pub mod status;
pub mod zone_pool;

pub use bgp_peer::BGPPeer;
pub use block::Block;
pub use route_filter::RouteFilter;
pub use routing_config::RoutingConfig;
pub use zone_pool::ZonePool;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// Every definition, in the order of every listing.
///
/// # Errors
/// What the writer says; never for the definitions of this crate.
pub fn definitions() -> Result<Vec<Value>, serde_json::Error> {
    let all = [
        ZonePool::crd(),
        Block::crd(),
        RoutingConfig::crd(),
        BGPPeer::crd(),
        RouteFilter::crd(),
    ];
    all.into_iter().map(definition).collect()
}

fn definition(crd: CustomResourceDefinition) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(crd)?;
    plain(&mut value);
    Ok(value)
}

/// A field that says nothing is absent, never null: rules then need to ask only one thing. And whole
/// numbers are written as such.
fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("nullable");
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            // Ranges end at 2^32, far below where a float loses whole numbers.
            #[expect(clippy::cast_possible_truncation, reason = "bounded by the schemas")]
            if let (Some(whole), false) = (whole, number.is_i64()) {
                *value = json!(whole as i64);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Every definition as a YAML document.
///
/// # Errors
/// What the writers say; never for the definitions of this crate.
pub fn yaml() -> anyhow::Result<String> {
    let mut text = String::new();
    for definition in definitions()? {
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&definition)?);
    }
    Ok(text)
}

/// Every definition as one JSON list.
///
/// # Errors
/// What the writer says; never for the definitions of this crate.
pub fn json() -> Result<String, serde_json::Error> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": definitions()?});
    Ok(serde_json::to_string_pretty(&list)? + "\n")
}
