//! The LabelSelector of Kubernetes, with what makes one readable.

use super::scalar::{LABEL_KEY, LabelKey, LabelValue};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Demands on labels, all of which must be met. Without any, everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// The label of this key has this value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new(format!("self.all(k, k.matches('{LABEL_KEY}'))"))
        .message("matchLabels: each key must be a label key, such as topology.kubernetes.io/zone"))]
    pub match_labels: BTreeMap<String, LabelValue>,
    /// More demands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub match_expressions: Vec<LabelExpression>,
}

/// A demand on the label of one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)")
        .message("values must be given with operator In or NotIn, and must not with Exists or DoesNotExist")
        .field_path(".values")
)]
pub struct LabelExpression {
    /// The key.
    pub key: LabelKey,
    /// What is demanded.
    pub operator: LabelOperator,
    /// For In one of these, for NotIn none of these; an object without the label has none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub values: Vec<LabelValue>,
}

/// What is demanded of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// It has one of the values.
    In,
    /// It has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}
