//! A structural schema, as far as the laws look into it.

use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Clone, Copy)]
pub(crate) struct Schema<'a>(&'a Value);

impl<'a> Schema<'a> {
    /// That of the only version.
    pub(crate) fn of(definition: &'a Value) -> Self {
        Schema(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    }

    fn properties(self) -> impl Iterator<Item = (&'a String, Schema<'a>)> {
        let properties = self.0["properties"].as_object();
        let properties = properties.into_iter().flatten();
        properties.map(|(name, schema)| (name, Schema(schema)))
    }

    fn below(self, keyword: &str) -> Option<Schema<'a>> {
        self.0.get(keyword).map(Schema)
    }

    /// What an API server would warn of, refuse, or count as costly.
    pub(crate) fn check(self, path: &str, faults: &mut Vec<String>) {
        let has = |keyword: &str| self.0.get(keyword).is_some();
        let list = self.below("items");
        let map = self.below("additionalProperties");
        let fits = match self.0["type"].as_str() {
            Some("object") => map.is_none() || has("maxProperties"),
            Some("array") => list.is_some() && has("maxItems"),
            Some("string") => has("maxLength") || has("enum") || self.0["format"] == "date-time",
            Some("integer") => {
                let format = self.0["format"].as_str();
                // Generations are the API server's own numbers.
                let bounded = has("minimum") && (has("maximum") || path.ends_with("Generation"));
                bounded && matches!(format, Some("int32" | "int64"))
            }
            Some("boolean") => true,
            _ => false,
        };
        if !fits || has("nullable") {
            faults.push(format!("{path}: {}", self.0));
        }
        for (name, schema) in self.properties() {
            schema.check(&format!("{path}.{name}"), faults);
        }
        for schema in list.into_iter().chain(map) {
            schema.check(&format!("{path}[]"), faults);
        }
    }

    /// The paths of all fields below `field`.
    pub(crate) fn fields(self, field: &str, into: &mut BTreeSet<String>) {
        self.property(field).walk(field, None, into);
    }

    /// The paths of the fields `value`, which is the one called `field`, has.
    pub(crate) fn said(self, field: &str, value: &Value, into: &mut BTreeSet<String>) {
        self.property(field).walk(field, Some(value), into);
    }

    fn property(self, name: &str) -> Schema<'a> {
        Schema(&self.0["properties"][name])
    }

    fn walk(self, path: &str, value: Option<&Value>, into: &mut BTreeSet<String>) {
        into.insert(path.to_owned());
        for (name, schema) in self.properties() {
            let path = format!("{path}.{name}");
            match value.map(|value| value.get(name)) {
                None => schema.walk(&path, None, into),
                Some(Some(value)) => schema.walk(&path, Some(value), into),
                Some(None) => {}
            }
        }
        if let Some(items) = self.below("items") {
            let path = format!("{path}[]");
            match value.map(|value| value.as_array().unwrap()) {
                None => items.walk(&path, None, into),
                Some(values) => {
                    for value in values {
                        items.walk(&path, Some(value), into);
                    }
                }
            }
        }
    }

    /// Fills in defaults as the API server does: from the outside to the inside.
    pub(crate) fn fill(self, value: &mut Value) {
        if let Some(fields) = value.as_object_mut() {
            for (name, schema) in self.properties() {
                if let Some(default) = schema.below("default")
                    && !fields.contains_key(name)
                {
                    fields.insert(name.clone(), default.0.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    schema.fill(value);
                }
            }
        }
        if let (Some(items), Some(values)) = (self.below("items"), value.as_array_mut()) {
            values.iter_mut().for_each(|value| items.fill(value));
        }
    }
}
