//! Requests to the API server as somebody, one after another or many at once; every function blocks.

use super::kinds;
use anyhow::{Context, Result, bail};
use http::{Method, Request, header};
use kube::Config;
use kube::client::Body;
use kube::config::AuthInfo;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// Who owns the fields the harness applies.
const MANAGER: &str = "lab";
/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(60);
/// Requests in flight when there are many objects.
const AT_ONCE: usize = 16;

/// Somebody who asks the API server. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    runtime: Handle,
    inner: kube::Client,
}

/// What the API server said to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// The object, list or Status; a string if it is no JSON.
    pub body: Value,
}

/// What is asked of the API server, before it is known of whom.
#[derive(Clone, Debug)]
pub struct Question {
    /// The method, `GET` and so on.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Of which kind the body is; empty without one.
    pub content: &'static str,
    /// The body.
    pub body: Value,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Answer {
    /// The body of an answer that is none of refusal.
    ///
    /// # Errors
    /// The API server refused: its code and message.
    pub fn ok(self) -> Result<Value> {
        match self.code {
            200..300 => Ok(self.body),
            code => {
                let said = self.body["message"].as_str().map(str::to_owned);
                bail!("{code}: {}", said.unwrap_or_else(|| self.body.to_string()))
            }
        }
    }
}

impl Question {
    /// A question without a body.
    pub fn get(path: impl Into<String>) -> Self {
        Question {
            method: Method::GET,
            path: path.into(),
            content: "",
            body: Value::Null,
        }
    }

    /// A question with a JSON body.
    pub fn with(method: Method, path: impl Into<String>, body: Value) -> Self {
        Question {
            method,
            path: path.into(),
            content: "application/json",
            body,
        }
    }

    fn patch(path: String, content: &'static str, body: Value) -> Self {
        Question {
            method: Method::PATCH,
            path,
            content,
            body,
        }
    }
}

impl Client {
    /// Somebody with these credentials, who trusts these authorities.
    pub(super) fn new(
        runtime: &Handle,
        url: &str,
        trusted: Vec<Vec<u8>>,
        credentials: AuthInfo,
    ) -> Result<Self> {
        let mut config = Config::new(url.parse().context("the API server's address")?);
        config.root_cert = Some(trusted);
        config.auth_info = credentials;
        config.connect_timeout = Some(Duration::from_secs(5));
        config.default_retry = false;
        let _inside = runtime.enter();
        let inner = kube::Client::try_from(config).context("a client")?;
        Ok(Client {
            runtime: runtime.clone(),
            inner,
        })
    }

    /// Any request at all.
    ///
    /// # Errors
    /// No answer came; a refusal is an answer.
    pub fn ask(&self, question: Question) -> Result<Answer> {
        self.runtime.block_on(ask(self.inner.clone(), question))
    }

    /// Creates or changes the objects of a YAML text, one after another, so that it says of them what
    /// the text does (server-side apply). Kinds of one's own are waited for.
    ///
    /// # Errors
    /// The object that was refused, and why.
    pub fn apply(&self, text: &str) -> Result<()> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(text).context("the YAML")?;
        objects
            .iter()
            .filter(|object| !object.is_null())
            .try_for_each(|object| {
                self.apply_object(object)?;
                self.settle(object)
            })
    }

    /// Creates or changes one object; its status is left alone.
    ///
    /// # Errors
    /// It was refused.
    pub fn apply_object(&self, object: &Value) -> Result<Value> {
        let question = apply_question(object)?;
        let what = || format!("applying {}", kinds::title(object));
        self.ask(question).and_then(Answer::ok).with_context(what)
    }

    /// Creates or changes many objects, several at a time.
    ///
    /// # Errors
    /// The first that was refused.
    pub fn apply_all(&self, objects: &[Value]) -> Result<()> {
        let questions = objects.iter().map(apply_question);
        self.ask_all(questions.collect::<Result<_>>()?)
    }

    /// Creates many objects that do not exist, several at a time: about 1,000 a second.
    ///
    /// # Errors
    /// The first that was refused.
    pub fn create_all(&self, objects: &[Value]) -> Result<()> {
        let questions = objects.iter().map(create_question);
        self.ask_all(questions.collect::<Result<_>>()?)
    }

    /// Creates an object that does not exist yet.
    ///
    /// # Errors
    /// It was refused.
    pub fn create(&self, object: &Value) -> Result<Value> {
        let what = || format!("creating {}", kinds::title(object));
        let answer = self.ask(create_question(object)?);
        answer.and_then(Answer::ok).with_context(what)
    }

    /// Replaces an object: what the API server has must be of the same `resourceVersion`, if one is
    /// given.
    ///
    /// # Errors
    /// It was refused.
    pub fn replace(&self, object: &Value) -> Result<Value> {
        let path = kinds::path_of(object)?;
        let what = || format!("replacing {}", kinds::title(object));
        let answer = self.ask(Question::with(Method::PUT, path, object.clone()));
        answer.and_then(Answer::ok).with_context(what)
    }

    /// The object of this kind and name, `NAMESPACE/NAME` in a namespace; `None` if there is none.
    ///
    /// # Errors
    /// It was refused.
    pub fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        let answer = self.ask(Question::get(kinds::path(kind, name)?))?;
        if answer.code == 404 {
            return Ok(None);
        }
        answer
            .ok()
            .map(Some)
            .with_context(|| format!("reading {kind} {name}"))
    }

    /// The objects of this kind; of one in namespaces those of all.
    ///
    /// # Errors
    /// It was refused.
    pub fn list(&self, kind: &str) -> Result<Vec<Value>> {
        let answer = self.ask(Question::get(kinds::collection(kind, "")?))?;
        let mut list = answer.ok().with_context(|| format!("listing {kind}"))?;
        serde_json::from_value(list["items"].take()).with_context(|| format!("listing {kind}"))
    }

    /// Changes what `patch` names and leaves the rest (merge patch).
    ///
    /// # Errors
    /// It was refused, or there is none.
    pub fn patch(&self, kind: &str, name: &str, patch: Value) -> Result<Value> {
        self.merge(kind, name, "", patch)
    }

    /// As [`Client::patch`], for what lies below `status`.
    ///
    /// # Errors
    /// It was refused, or there is none.
    pub fn patch_status(&self, kind: &str, name: &str, status: Value) -> Result<Value> {
        self.merge(kind, name, "/status", json!({ "status": status }))
    }

    fn merge(&self, kind: &str, name: &str, sub: &str, patch: Value) -> Result<Value> {
        let path = format!("{}{sub}", kinds::path(kind, name)?);
        let answer = self.ask(Question::patch(path, "application/merge-patch+json", patch));
        answer
            .and_then(Answer::ok)
            .with_context(|| format!("patching {kind} {name}{sub}"))
    }

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// It was refused.
    pub fn delete(&self, kind: &str, name: &str) -> Result<()> {
        let mut question = Question::get(kinds::path(kind, name)?);
        question.method = Method::DELETE;
        let answer = self.ask(question)?;
        if answer.code == 404 {
            return Ok(());
        }
        answer
            .ok()
            .map(|_| ())
            .with_context(|| format!("deleting {kind} {name}"))
    }

    fn ask_all(&self, questions: Vec<Question>) -> Result<()> {
        self.runtime.block_on(async {
            let mut running = JoinSet::new();
            let mut waiting = questions.into_iter();
            loop {
                while running.len() < AT_ONCE
                    && let Some(question) = waiting.next()
                {
                    let what = format!("{} {}", question.method, question.path);
                    let client = self.inner.clone();
                    running.spawn(async move {
                        let answer = ask(client, question).await.and_then(Answer::ok);
                        answer.map(|_| ()).context(what)
                    });
                }
                match running.join_next().await {
                    Some(done) => done.context("a request")??,
                    None => return Ok(()),
                }
            }
        })
    }

    /// Waits until the API server serves a kind that was just defined.
    fn settle(&self, object: &Value) -> Result<()> {
        if object["kind"] != "CustomResourceDefinition" {
            return Ok(());
        }
        let spec = &object["spec"];
        let (group, plural) = (&spec["group"], &spec["names"]["plural"]);
        let version = &spec["versions"][0]["name"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let path = format!(
            "/apis/{}/{}/{}?limit=1",
            text(group),
            text(version),
            text(plural)
        );
        crate::eventually(&format!("{path} is served"), DEADLINE, || {
            self.ask(Question::get(path.clone()))?.ok().map(|_| ())
        })
    }
}

fn apply_question(object: &Value) -> Result<Question> {
    let path = kinds::path_of(object)?;
    let path = format!("{path}?fieldManager={MANAGER}&force=true");
    Ok(Question::patch(
        path,
        "application/apply-patch+yaml",
        object.clone(),
    ))
}

fn create_question(object: &Value) -> Result<Question> {
    let path = kinds::collection_of(object)?;
    Ok(Question::with(Method::POST, path, object.clone()))
}

async fn ask(client: kube::Client, question: Question) -> Result<Answer> {
    let what = format!("{} {}", question.method, question.path);
    let body = match &question.body {
        Value::Null => Vec::new(),
        value => serde_json::to_vec(value).context("the body")?,
    };
    let mut request = Request::builder()
        .method(question.method)
        .uri(question.path);
    if !question.content.is_empty() {
        request = request.header(header::CONTENT_TYPE, question.content);
    }
    let request = request.body(Body::from(body)).context("the request")?;
    let answered = async {
        let response = client.send(request).await?;
        let code = response.status().as_u16();
        anyhow::Ok((code, response.into_body().collect_bytes().await?))
    };
    let answered = tokio::time::timeout(DEADLINE, answered).await;
    let answered = answered.with_context(|| format!("{what}: no answer within {DEADLINE:?}"))?;
    let (code, bytes) = answered.with_context(|| what.clone())?;
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(Answer { code, body })
}
