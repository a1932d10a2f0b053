//! One request about a selection of objects, and its answer, line by line.

use super::heard::{Ask, Heard, Item, Trouble, Why};
use super::union::Selector;
use crate::store::kubernetes::client::{DEADLINE, in_full, plain};
use http_body_util::{BodyExt, Limited};
use hyper::{Request, Response, StatusCode, header};
use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::client::Body;
use kube::core::Status;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The annotation of the bookmark that ends the objects a watch began with.
const INITIAL_END: &str = "k8s.io/initial-events-end";
/// The longest line: an API server takes no object of more than a few MiB.
const LONGEST_LINE: usize = 8 << 20;
/// The longest error that is read.
const LONGEST_ERROR: usize = 64 << 10;
/// The most octets kept ready for the next line.
const READY: usize = 64 << 10;

/// What objects are asked for, and how they are read.
#[derive(Debug)]
pub(super) struct Resource<T> {
    /// The path of the list, without selectors.
    pub(super) path: &'static str,
    /// Whether all of them is wanted, or their metadata alone.
    pub(super) extent: Extent,
    /// What is kept of an object.
    pub(super) read: fn(Value) -> Result<Item<T>, String>,
}

impl<T> Clone for Resource<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Resource<T> {}

/// How much of an object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Whole,
    Metadata,
}

/// Asks, and tells all that is heard. Ends with the answer, or when nobody listens.
pub(super) async fn carry_out<T>(
    client: Client,
    (resource, selector): (Resource<T>, &Selector),
    ask: Ask,
    tell: impl AsyncFn(Heard<T>) -> bool,
) {
    let what = match &ask {
        Ask::Page { .. } => "list",
        Ask::Stream { .. } | Ask::Watch { .. } => "watch",
    };
    let trouble = match talk(client, (resource, selector), &ask, &tell).await {
        Ok(()) => return,
        Err(trouble) => trouble,
    };
    let text = format!("{what}: {}", trouble.text);
    tell(Heard::Trouble(Trouble { text, ..trouble })).await;
}

async fn talk<T>(
    client: Client,
    (resource, selector): (Resource<T>, &Selector),
    ask: &Ask,
    tell: &impl AsyncFn(Heard<T>) -> bool,
) -> Result<(), Trouble> {
    let request = request(resource, selector, ask).map_err(|error| broken(&error))?;
    let answer = client.send(request.map(Body::from)).await;
    let answer = answer.map_err(|error| Trouble::new(Why::Unreached, plain(&error)))?;
    if !answer.status().is_success() {
        return Err(refusal(answer, ask).await);
    }
    if let Ask::Page { .. } = ask {
        let body = answer.into_body().collect();
        let limit = || Trouble::new(Why::Broken, format!("no answer within {DEADLINE:?}"));
        let body = tokio::time::timeout(DEADLINE, body).await;
        let body = body.map_err(|_| limit())?;
        let body = body.map_err(|error| broken(&error))?.to_bytes();
        tell(page(resource, &body)?).await;
        return Ok(());
    }
    if !tell(Heard::Accepted).await {
        return Ok(());
    }
    let mut body = answer.into_body();
    let mut lines = Lines::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        lines.push(&data);
        while let Some(line) = lines.next() {
            let heard = line_of_watch(resource, line)?;
            if !tell(heard).await {
                return Ok(());
            }
        }
        lines.check()?;
    }
    tell(Heard::Ended).await;
    Ok(())
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Trouble {
    Trouble::new(Why::Broken, in_full(error))
}

fn garbled(why: impl std::fmt::Display) -> Trouble {
    Trouble::new(Why::Broken, format!("the answer cannot be read: {why}"))
}

fn request<T>(
    resource: Resource<T>,
    selector: &Selector,
    ask: &Ask,
) -> Result<Request<Vec<u8>>, kube::core::request::Error> {
    let request = kube::core::Request::new(resource.path);
    let metadata = resource.extent == Extent::Metadata;
    let watch = |seconds: u32| WatchParams {
        label_selector: selector.labels.clone(),
        field_selector: selector.fields.clone(),
        ..WatchParams::default().timeout(seconds)
    };
    let (params, version) = match ask {
        Ask::Page { after, limit } => {
            let params = ListParams {
                label_selector: selector.labels.clone(),
                field_selector: selector.fields.clone(),
                limit: *limit,
                continue_token: after.clone(),
                ..ListParams::default()
            };
            return if metadata {
                request.list_metadata(&params)
            } else {
                request.list(&params)
            };
        }
        // Without a version: as it is now, not as some server's memory has it.
        Ask::Stream { seconds } => (watch(*seconds).initial_events(), ""),
        Ask::Watch { version, seconds } => (watch(*seconds), version.as_str()),
    };
    if metadata {
        request.watch_metadata(&params, version)
    } else {
        request.watch(&params, version)
    }
}

/// Why the server refused.
async fn refusal(answer: Response<Body>, ask: &Ask) -> Trouble {
    let code = answer.status();
    let wait = answer.headers().get(header::RETRY_AFTER);
    let wait = wait.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(answer.into_body(), LONGEST_ERROR).collect();
    let body = tokio::time::timeout(DEADLINE, body).await;
    let body = body.ok().and_then(Result::ok);
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let status: Option<Status> = serde_json::from_slice(&body).ok();
    let text = match &status {
        Some(status) => status.message.clone(),
        None => String::from_utf8_lossy(&body).trim().to_owned(),
    };
    let mut trouble = of_status(code, status.as_ref(), text);
    let invalid = matches!(
        code,
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST
    );
    if invalid && matches!(ask, Ask::Stream { .. }) {
        trouble.why = Why::NoStreaming;
    }
    let wait = wait.map(Duration::from_secs);
    trouble.retry_after = wait.or(trouble.retry_after);
    trouble
}

fn of_status(code: StatusCode, status: Option<&Status>, text: String) -> Trouble {
    let reason = status.map_or("", |status| status.reason.as_str());
    let details = status.and_then(|status| status.details.as_ref());
    let ahead = details.is_some_and(|details| {
        let mut causes = details.causes.iter();
        causes.any(|cause| cause.reason == "ResourceVersionTooLarge")
    });
    let why = match code {
        StatusCode::GONE => Why::Expired,
        _ if ahead || matches!(reason, "Expired" | "Gone") => Why::Expired,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Why::Denied,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS if is_starting(&text) => {
            Why::Starting
        }
        // Of somebody before the API server, who does not reach it.
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Why::Unreached,
        StatusCode::GATEWAY_TIMEOUT => Why::Unreached,
        _ => Why::Broken,
    };
    let seconds = details.map_or(0, |details| details.retry_after_seconds);
    Trouble {
        why,
        retry_after: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
        text: format!("{code}: {text}"),
    }
}

/// Whether an API server says that it is not ready yet, or reads its store from the beginning: no reason
/// but these words tells it; both are kube-apiserver 1.36.3's.
fn is_starting(text: &str) -> bool {
    const WORDS: [&str; 2] = [
        "before all known HTTP paths have been installed",
        "storage is (re)initializing",
    ];
    WORDS.iter().any(|words| text.contains(words))
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    resource_version: String,
    #[serde(default, rename = "continue")]
    more: String,
}

fn page<T>(resource: Resource<T>, body: &[u8]) -> Result<Heard<T>, Trouble> {
    let Page { metadata, items } = serde_json::from_slice(body).map_err(garbled)?;
    let items = items.unwrap_or_default().into_iter();
    let items: Result<_, String> = items.map(resource.read).collect();
    Ok(Heard::Page {
        items: items.map_err(garbled)?,
        version: metadata.resource_version,
        more: Some(metadata.more).filter(|more| !more.is_empty()),
    })
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

fn line_of_watch<T>(resource: Resource<T>, line: &[u8]) -> Result<Heard<T>, Trouble> {
    let Line { kind, object } = serde_json::from_slice(line).map_err(garbled)?;
    match kind.as_str() {
        "ADDED" | "MODIFIED" => (resource.read)(object).map(Heard::Object).map_err(garbled),
        "DELETED" => Ok(Heard::Deleted {
            name: name(&object).map_err(garbled)?,
            version: version(&object).map_err(garbled)?,
        }),
        "BOOKMARK" => {
            let version = version(&object).map_err(garbled)?;
            let end = &object["metadata"]["annotations"][INITIAL_END];
            Ok(if end == "true" {
                Heard::AllListed { version }
            } else {
                Heard::Bookmark { version }
            })
        }
        "ERROR" => {
            let status: Status = serde_json::from_value(object).map_err(garbled)?;
            let code = StatusCode::from_u16(status.code);
            let code = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let text = status.message.clone();
            Err(of_status(code, Some(&status), text))
        }
        other => Err(garbled(format!("an event of type {other:?}"))),
    }
}

/// The `metadata.name` of an object.
pub(super) fn name(object: &Value) -> Result<Box<str>, String> {
    let name = object["metadata"]["name"].as_str();
    Ok(name.ok_or("an object without metadata.name")?.into())
}

/// Its `metadata.resourceVersion`.
pub(super) fn version(object: &Value) -> Result<String, String> {
    let version = object["metadata"]["resourceVersion"].as_str();
    Ok(version
        .ok_or("an object without metadata.resourceVersion")?
        .into())
}

/// Octets as they come, lines as they were sent.
#[derive(Default)]
struct Lines {
    octets: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no end of a line.
    seen: usize,
}

impl Lines {
    fn push(&mut self, data: &[u8]) {
        self.octets.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        if self.octets.is_empty() && self.octets.capacity() > READY {
            self.octets = Vec::new();
        }
        self.octets.extend_from_slice(data);
    }

    fn next(&mut self) -> Option<&[u8]> {
        loop {
            let rest = &self.octets[self.seen..];
            let Some(length) = rest.iter().position(|octet| *octet == b'\n') else {
                self.seen = self.octets.len();
                return None;
            };
            let (start, end) = (self.start, self.seen + length);
            (self.start, self.seen) = (end + 1, end + 1);
            if !self.octets[start..end].trim_ascii().is_empty() {
                return Some(&self.octets[start..end]);
            }
        }
    }

    fn check(&self) -> Result<(), Trouble> {
        let length = self.octets.len() - self.start;
        if length > LONGEST_LINE {
            return Err(garbled(format!(
                "a line of more than {LONGEST_LINE} octets"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let sent = b"one\n\ntwo\nthree\nrest";
        for size in 1..sent.len() {
            let (mut lines, mut whole) = (Lines::default(), Vec::new());
            for piece in sent.chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next() {
                    whole.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            assert_eq!(whole, ["one", "two", "three"], "in pieces of {size}");
        }
    }

    #[test]
    fn a_server_that_starts_is_known_by_its_words() {
        let why = |code, text: &str| of_status(code, None, text.to_owned()).why;
        let (busy, away) = (
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        );
        let paths = "the request has been made before all known HTTP paths have been installed, please try again";
        assert_eq!(why(away, paths), Why::Starting);
        assert_eq!(why(busy, "storage is (re)initializing"), Why::Starting);
        assert_eq!(why(busy, "too many requests"), Why::Broken);
        assert_eq!(why(away, "no endpoints"), Why::Unreached);
    }
}
