//! Making an object exactly so, its status included, whatever it was before.

use super::client::{Answer, Client, Question};
use super::kinds;
use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::Value;

/// How often somebody else may come first.
const TURNS: usize = 20;
/// The object changed between reading and writing it.
const CONFLICT: u16 = 409;

impl Client {
    /// Makes an object exactly so, and returns it as it is then. Its uid is the API server's affair,
    /// and a status it does not name is left alone.
    ///
    /// # Errors
    /// It was refused.
    pub fn put(&self, object: &Value) -> Result<Value> {
        let title = kinds::title(object);
        for _ in 0..TURNS {
            let answer = self
                .put_once(object)
                .with_context(|| format!("writing {title}"))?;
            if answer.code != CONFLICT {
                return answer.ok().with_context(|| format!("writing {title}"));
            }
        }
        bail!("writing {title}: somebody else came first {TURNS} times")
    }

    /// The answer to the last question that was asked.
    fn put_once(&self, object: &Value) -> Result<Answer> {
        let (path, mut wanted) = (kinds::path_of(object)?, object.clone());
        let status = wanted
            .as_object_mut()
            .and_then(|fields| fields.remove("status"));
        let metadata = wanted["metadata"]
            .as_object_mut()
            .context("metadata: no object")?;
        metadata.remove("uid");
        let now = self.ask(Question::get(path.clone()))?;
        let answer = match now.code {
            404 => self.ask(Question::with(
                Method::POST,
                kinds::collection_of(object)?,
                wanted,
            ))?,
            200 => {
                metadata.insert("resourceVersion".into(), version(&now.body));
                self.ask(Question::with(Method::PUT, path.clone(), wanted))?
            }
            _ => return Ok(now),
        };
        match status {
            Some(status) if (200..300).contains(&answer.code) => {
                let mut whole = answer.body;
                whole["status"] = status;
                self.ask(Question::with(Method::PUT, format!("{path}/status"), whole))
            }
            _ => Ok(answer),
        }
    }
}

fn version(object: &Value) -> Value {
    object["metadata"]["resourceVersion"].clone()
}
