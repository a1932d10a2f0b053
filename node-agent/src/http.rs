//! The endpoints: what the agent says of itself, on a unix socket and on loopback.

use crate::agent::{AgentError, Shown};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The loop has stopped when it has not turned for so long: longer than any round may take.
const STOPPED: Duration = Duration::from_secs(90);

/// Where the agent answers.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The debug endpoint.
    pub socket: PathBuf,
    /// `/healthz` and `/readyz`.
    pub health: SocketAddr,
    /// The debug endpoint once more.
    pub debug: Option<SocketAddr>,
}

type Source = watch::Receiver<Shown>;

/// Opens every endpoint and serves it on tasks of its own.
///
/// # Errors
/// An address in use or not ours.
pub async fn serve(
    endpoints: &Endpoints,
    shown: &watch::Sender<Shown>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), AgentError>>,
) -> Result<(), AgentError> {
    let path = &endpoints.socket;
    let what = format!("debug endpoint {}", path.display());
    let unix = bind(path).map_err(failed(what.clone()))?;
    let over = axum::serve(unix, debug(shown.subscribe()))
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    tasks.spawn(async move { over.await.map_err(failed(what)) });

    let tcp = [
        ("health", Some(endpoints.health), health(shown.subscribe())),
        ("debug", endpoints.debug, debug(shown.subscribe())),
    ];
    for (name, address, router) in tcp {
        let Some(address) = address else { continue };
        let what = format!("{name} endpoint {address}");
        let listener = TcpListener::bind(address)
            .await
            .map_err(failed(what.clone()))?;
        let over =
            axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tasks.spawn(async move { over.await.map_err(failed(what)) });
    }
    Ok(())
}

fn failed(what: String) -> impl FnOnce(io::Error) -> AgentError {
    move |source| AgentError::Io { what, source }
}

/// A socket only its owner may use, in place of one that a killed agent left. It gets its name when
/// it is ready, so that no client ever meets it half made.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let draft = path.with_extension("sock.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&draft)?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
    fs::rename(&draft, path)?;
    Ok(listener)
}

fn debug(shown: Source) -> Router {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/routes", get(routes));
    with_errors(router).with_state(shown)
}

fn health(shown: Source) -> Router {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz));
    with_errors(router).with_state(shown)
}

/// Errors are JSON too.
fn with_errors(router: Router<Source>) -> Router<Source> {
    router
        .fallback(|| async { error(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async { error(StatusCode::METHOD_NOT_ALLOWED) })
}

fn error(code: StatusCode) -> Response {
    let reason = code.canonical_reason().unwrap_or_default();
    (code, Json(json!({"error": reason}))).into_response()
}

async fn status(State(shown): State<Source>) -> Response {
    let snapshot = shown.borrow().snapshot.clone();
    Json(&snapshot.status).into_response()
}

async fn routes(State(shown): State<Source>) -> Response {
    let snapshot = shown.borrow().snapshot.clone();
    Json(&snapshot.routes).into_response()
}

async fn healthz(State(shown): State<Source>) -> Response {
    let age = shown.borrow().pulse.elapsed();
    let alive = age < STOPPED;
    let body = Json(json!({"alive": alive, "secondsSinceTurn": age.as_secs()}));
    (code(alive), body).into_response()
}

async fn readyz(State(shown): State<Source>) -> Response {
    let snapshot = shown.borrow().snapshot.clone();
    let (ready, reasons) = (snapshot.status.ready, &snapshot.status.reasons);
    let body = Json(json!({"ready": ready, "reasons": reasons}));
    (code(ready), body).into_response()
}

fn code(well: bool) -> StatusCode {
    if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
