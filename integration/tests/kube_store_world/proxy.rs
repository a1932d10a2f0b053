//! A proxy before a real API server that does to answers what networks, balancers and overloaded
//! servers do.

use super::runtime;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::response::Response;
use gingham_agent::store::kubernetes::Access;
use gingham_integration::kubernetes::Api;
use http_body_util::BodyExt;
use hyper::body::Frame;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What becomes of an answer. Lines are those of a watch; a list that is streamed has one for each
/// object, and one for its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A status instead; in a `Status` object, as an API server would.
    Status(u16),
    /// The same as plain text, with `Retry-After` in seconds.
    Busy(u64),
    /// So many lines, then the event that says 410.
    Expired(usize),
    /// So many lines, then the connection breaks.
    Cut(usize),
    /// So many lines, then the end in good order.
    End(usize),
    /// So many lines, then nothing.
    Stall(usize),
    /// No object of a list, but its end.
    Hollow,
    /// Every line twice.
    Twice,
    /// Of every two lines after the list, the second one first.
    Swapped,
    /// Each line later.
    Slow(Duration),
    /// The request is carried out, and the answer never comes.
    Lost,
}

/// Which requests, which fault, how many times.
struct Rule {
    of: Box<dyn Fn(&str) -> bool + Send>,
    fault: Fault,
    times: usize,
}

#[derive(Clone)]
struct Shared {
    upstream: kube::Client,
    rules: Arc<Mutex<VecDeque<Rule>>>,
    asked: Arc<Mutex<Vec<String>>>,
    cut: tokio::sync::watch::Sender<()>,
}

/// The proxy.
pub(crate) struct Proxy {
    shared: Shared,
    port: u16,
}

impl Proxy {
    /// A proxy before this API server, who asks it as its administrator.
    pub(crate) fn start(api: &Api) -> Self {
        let access = Access {
            kubeconfig: Some(api.admin_kubeconfig().unwrap()),
            ..Access::default()
        };
        let _inside = runtime().enter();
        let shared = Shared {
            upstream: access.client().unwrap(),
            rules: Arc::default(),
            asked: Arc::default(),
            cut: tokio::sync::watch::Sender::new(()),
        };
        let listener = runtime()
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(handle).with_state(shared.clone());
        runtime().spawn(async move { axum::serve(listener, router).await });
        Proxy { shared, port }
    }

    /// A kubeconfig called `name` that leads here, with a token.
    pub(crate) fn kubeconfig(&self, api: &Api, name: &str) -> PathBuf {
        let url = format!("http://127.0.0.1:{}", self.port);
        api.kubeconfig(name, &url, "any").unwrap()
    }

    /// The next `times` answers to requests of which `of` is true are so.
    pub(crate) fn next(
        &self,
        of: impl Fn(&str) -> bool + Send + 'static,
        fault: Fault,
        times: usize,
    ) {
        let rule = Rule {
            of: Box::new(of),
            fault,
            times,
        };
        self.shared.rules.lock().unwrap().push_back(rule);
    }

    /// Whether every fault has happened.
    pub(crate) fn is_done(&self) -> bool {
        self.shared.rules.lock().unwrap().is_empty()
    }

    /// Breaks every connection that waits for changes.
    pub(crate) fn cut(&self) {
        self.shared.cut.send_replace(());
    }

    /// What was asked, method and path with query, since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }
}

async fn handle(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let what = format!("{} {}", parts.method, parts.uri);
    shared.asked.lock().unwrap().push(what.clone());
    let fault = fault(&shared, &what);
    match fault {
        Some(Fault::Status(code)) => return status(code),
        Some(Fault::Busy(seconds)) => {
            let answer = Response::builder()
                .status(429)
                .header("retry-after", seconds);
            return answer.body(Body::from("too many requests")).unwrap();
        }
        _ => {}
    }
    let body = body.collect().await.unwrap().to_bytes();
    let mut forward = http::Request::builder()
        .method(parts.method)
        .uri(parts.uri.path_and_query().unwrap().as_str());
    for name in ["accept", "content-type"] {
        if let Some(value) = parts.headers.get(name) {
            forward = forward.header(name, value);
        }
    }
    let forward = forward
        .body(kube::client::Body::from(body.to_vec()))
        .unwrap();
    let Ok(answer) = shared.upstream.send(forward).await else {
        return status(503);
    };
    if matches!(fault, Some(Fault::Lost)) {
        return std::future::pending().await;
    }
    let (head, body) = answer.into_parts();
    let (sender, receiver) = mpsc::channel(1);
    let mut cut = shared.cut.subscribe();
    cut.mark_unchanged();
    tokio::spawn(async move {
        let broken = sender.clone();
        tokio::select! {
            () = pass_on(body, fault, sender) => {}
            _ = cut.changed() => { let _ = broken.send(Err("cut")).await; }
        }
    });
    let mut response = Response::builder().status(head.status);
    if let Some(value) = head.headers.get("content-type") {
        response = response.header("content-type", value);
    }
    response.body(Body::new(Passed(receiver))).unwrap()
}

fn fault(shared: &Shared, what: &str) -> Option<Fault> {
    let mut rules = shared.rules.lock().unwrap();
    let at = rules.iter().position(|rule| (rule.of)(what))?;
    rules[at].times -= 1;
    let fault = rules[at].fault;
    if rules[at].times == 0 {
        rules.remove(at);
    }
    Some(fault)
}

fn status(code: u16) -> Response {
    let reason = match code {
        410 => "Expired",
        422 => "Invalid",
        403 => "Forbidden",
        _ => "InternalError",
    };
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "as the proxy says", "reason": reason, "code": code,
    });
    let answer = Response::builder().status(code);
    answer.body(Body::from(body.to_string())).unwrap()
}

type Piece = Result<Bytes, &'static str>;

/// Passes an answer on, line by line where there is a fault. Ends with it, or when nobody listens.
async fn pass_on(mut body: kube::client::Body, fault: Option<Fault>, sender: mpsc::Sender<Piece>) {
    let (mut rest, mut line, mut held) = (Vec::new(), 0, None);
    let mut listed = false;
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let Some(fault) = fault else {
            if sender.send(Ok(data)).await.is_err() {
                return;
            }
            continue;
        };
        rest.extend_from_slice(&data);
        while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
            let piece = Bytes::from(rest.drain(..=end).collect::<Vec<u8>>());
            let text = String::from_utf8_lossy(&piece).into_owned();
            let pieces: Vec<Piece> = match fault {
                Fault::Expired(after) | Fault::Cut(after) | Fault::End(after) if line == after => {
                    if let Fault::Expired(_) = fault {
                        let _ = sender.send(Ok(gone())).await;
                    }
                    if let Fault::Cut(_) = fault {
                        let _ = sender.send(Err("cut")).await;
                    }
                    return;
                }
                Fault::Stall(after) if line == after => std::future::pending().await,
                Fault::Hollow if !listed && text.contains("\"ADDED\"") => Vec::new(),
                Fault::Twice => vec![Ok(piece.clone()), Ok(piece)],
                Fault::Swapped if listed => match held.take() {
                    Some(first) => vec![Ok(piece), Ok(first)],
                    None => {
                        held = Some(piece);
                        Vec::new()
                    }
                },
                Fault::Slow(delay) => {
                    tokio::time::sleep(delay).await;
                    vec![Ok(piece)]
                }
                _ => vec![Ok(piece)],
            };
            line += 1;
            listed |= text.contains("k8s.io/initial-events-end");
            for piece in pieces {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        }
    }
    if !rest.is_empty() {
        let _ = sender.send(Ok(rest.into())).await;
    }
}

fn gone() -> Bytes {
    let object = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version", "reason": "Expired", "code": 410,
    });
    let event = serde_json::json!({"type": "ERROR", "object": object});
    format!("{event}\n").into()
}

/// A body that comes out of a channel.
struct Passed(mpsc::Receiver<Piece>);

impl HttpBody for Passed {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
