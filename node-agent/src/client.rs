//! Asks a running agent over its unix socket.

use crate::run_dir;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// The longest a question may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// More than the routes of any cluster.
const LARGEST: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no agent answers on {}: {source}; is it running?", socket.display())]
    NoAgent {
        /// The socket asked.
        socket: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It listens, and does not answer.
    #[error("the agent on {} has not answered within {DEADLINE:?}", .0.display())]
    Timeout(PathBuf),
    /// It finds fault with what it was given, or lacks what it would take to answer.
    #[error("{0}")]
    Refused(String),
    /// It answered something else.
    #[error("the agent on {} answered {path} with {answer}", socket.display())]
    Answer {
        /// The socket asked.
        socket: PathBuf,
        /// The document asked for.
        path: String,
        /// What came instead.
        answer: String,
    },
}

/// The document at `path`, such as `/v1/status` or `/v1/rib?prefix=fd00::/8`, of the agent with that run directory.
///
/// # Errors
/// Nobody answers, not in time, or not with 200: [`ClientError::Refused`] where it says why.
pub async fn get(run_dir: &Path, path: &str) -> Result<Bytes, ClientError> {
    let question = Question {
        method: Method::GET,
        path: path.to_owned(),
        body: String::new(),
    };
    in_time(run_dir, question).await
}

/// What the agent with that run directory answers to `body`.
///
/// # Errors
/// As [`get`].
pub async fn post(run_dir: &Path, path: &str, body: String) -> Result<Bytes, ClientError> {
    let question = Question {
        method: Method::POST,
        path: path.to_owned(),
        body,
    };
    in_time(run_dir, question).await
}

struct Question {
    method: Method,
    path: String,
    body: String,
}

async fn in_time(run_dir: &Path, question: Question) -> Result<Bytes, ClientError> {
    let socket = run_dir::socket(run_dir);
    let asked = tokio::time::timeout(DEADLINE, ask(&socket, question)).await;
    asked.map_err(|_| ClientError::Timeout(socket.clone()))?
}

async fn ask(socket: &Path, question: Question) -> Result<Bytes, ClientError> {
    let Question { method, path, body } = question;
    let answer = |answer: String| ClientError::Answer {
        socket: socket.to_owned(),
        path: path.clone(),
        answer,
    };
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| ClientError::NoAgent {
            socket: socket.to_owned(),
            source,
        })?;
    let broken = |error: hyper::Error| answer(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // It ends with the answer, or with this process.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(&path)
        .header(hyper::header::HOST, "localhost")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| answer(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| answer(error.to_string()))?.to_bytes();
    match status {
        StatusCode::OK => Ok(body),
        StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::BAD_REQUEST
        | StatusCode::SERVICE_UNAVAILABLE => Err(ClientError::Refused(fault(&body))),
        _ => {
            let text = String::from_utf8_lossy(&body);
            Err(answer(format!("{status}: {text}")))
        }
    }
}

/// The agent's sentence about what it refuses.
fn fault(body: &[u8]) -> String {
    let document: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let sentence = document.as_ref().and_then(|d| d["error"].as_str());
    match sentence {
        Some(sentence) => sentence.to_owned(),
        None => String::from_utf8_lossy(body).into_owned(),
    }
}
