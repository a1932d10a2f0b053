//! What the API server was asked, by its own account: the audit log.

use super::Api;
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use std::fs;

/// A request that was answered; of a watch also its beginning.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// `ResponseStarted` of a watch, `ResponseComplete` of everything.
    pub stage: String,
    /// Who asked: `username`, `groups`, `extra`.
    pub user: Value,
    /// What was asked for: `resource`, `name`, `namespace`, `subresource`; null of other paths.
    #[serde(default)]
    pub object_ref: Value,
    /// How it went: `code`.
    #[serde(default)]
    pub response_status: Value,
}

impl Entry {
    /// Who asked.
    pub fn user(&self) -> &str {
        self.user["username"].as_str().unwrap_or_default()
    }

    /// The kind that was asked for, such as `nodes`.
    pub fn resource(&self) -> &str {
        self.object_ref["resource"].as_str().unwrap_or_default()
    }

    /// The HTTP status of the answer.
    pub fn code(&self) -> u64 {
        self.response_status["code"].as_u64().unwrap_or_default()
    }

    /// Whether it was meant to change something.
    pub fn writes(&self) -> bool {
        !matches!(&*self.verb, "get" | "list" | "watch" | "head" | "options")
    }
}

impl Api {
    /// The entries of the audit log so far, the harness's own requests left out.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn audit(&self) -> Result<Vec<Entry>> {
        let path = self.server.path("audit.log");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        // Whole lines only: the last may still be written.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let entries = text[..whole].lines().map(serde_json::from_str::<Entry>);
        let entries: Vec<Entry> = entries.collect::<Result<_, _>>().context("the audit log")?;
        let own = |entry: &Entry| matches!(entry.user(), "admin" | "system:apiserver");
        Ok(entries.into_iter().filter(|entry| !own(entry)).collect())
    }
}
