//! The endpoints: what the agent says of itself, on a unix socket and on loopback.

mod bgp;
mod query;

use crate::agent::{AgentError, Shown};
use crate::ask::Speaker;
use crate::cluster::Cluster;
use crate::rehearsal;
use crate::routes::guard::Mass;
use crate::snapshot::Known;
use crate::status::{Confirmed, VERSION};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot, watch};
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

/// What the endpoints answer from.
#[derive(Clone, Debug)]
pub struct Served {
    /// What is known.
    pub shown: watch::Receiver<Shown>,
    /// What only the loop can do.
    pub questions: mpsc::Sender<Asked>,
    /// What only the BGP speaker knows.
    pub speaker: Speaker,
}

/// What only the loop can do, and where it says what came of it.
#[derive(Debug)]
pub enum Asked {
    /// The removals that are held are meant. Answers with the mass removal that was held, if any.
    ConfirmRemovals(oneshot::Sender<Option<Mass>>),
}

/// Opens every endpoint and serves it on tasks of its own.
///
/// # Errors
/// An address in use or not ours.
pub async fn serve(
    endpoints: &Endpoints,
    served: &Served,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), AgentError>>,
) -> Result<(), AgentError> {
    let path = &endpoints.socket;
    let what = format!("debug endpoint {}", path.display());
    let unix = bind(path).map_err(failed(what.clone()))?;
    let over = axum::serve(unix, debug(served.clone()))
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    tasks.spawn(async move { over.await.map_err(failed(what)) });

    let tcp = [
        ("health", Some(endpoints.health), health(served.clone())),
        ("debug", endpoints.debug, debug(served.clone())),
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

fn debug(served: Served) -> Router {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/routes", get(routes))
        .route("/v1/diff", get(diff))
        .route("/v1/peers", get(bgp::peers))
        .route("/v1/rib", get(bgp::rib))
        .route("/v1/explain", get(bgp::explain))
        .route("/v1/sample", get(bgp::sample))
        .route("/v1/plan", post(plan))
        .route("/v1/confirm-removals", post(confirm_removals));
    with_errors(router).with_state(served)
}

fn health(served: Served) -> Router {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz));
    with_errors(router).with_state(served)
}

/// Errors are JSON too.
fn with_errors(router: Router<Served>) -> Router<Served> {
    router
        .fallback(|| async { error(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async { error(StatusCode::METHOD_NOT_ALLOWED) })
}

fn error(code: StatusCode) -> Response {
    sentence(code, code.canonical_reason().unwrap_or_default())
}

/// An error in words.
fn sentence(code: StatusCode, text: &str) -> Response {
    (code, Json(json!({"error": text}))).into_response()
}

fn known(served: &Served) -> Arc<Known> {
    Arc::clone(&served.shown.borrow().known)
}

async fn status(State(served): State<Served>) -> Response {
    let status = known(&served).status();
    Json(bgp::with_sessions(&served, status).await).into_response()
}

async fn routes(State(served): State<Served>) -> Response {
    Json(known(&served).routes()).into_response()
}

async fn diff(State(served): State<Served>) -> Response {
    let known = known(&served);
    let cluster = Arc::clone(&known.cluster);
    rehearse(known, cluster).await
}

/// The body is YAML: objects that take the place of those of the same names.
async fn plan(State(served): State<Served>, objects: String) -> Response {
    let known = known(&served);
    match rehearsal::with_objects(&known.cluster, &objects) {
        Ok(cluster) => rehearse(known, Arc::new(cluster)).await,
        Err(refused) => sentence(StatusCode::UNPROCESSABLE_ENTITY, &refused.join("; ")),
    }
}

async fn rehearse(known: Arc<Known>, cluster: Arc<Cluster>) -> Response {
    let rehearsed = move || rehearsal::rehearsal(&known, &cluster);
    match tokio::task::spawn_blocking(rehearsed).await {
        Ok(Ok(rehearsal)) => Json(rehearsal).into_response(),
        Ok(Err(error)) => trouble(&error),
        Err(error) => trouble(&error),
    }
}

async fn confirm_removals(State(served): State<Served>) -> Response {
    let (answer, answered) = oneshot::channel();
    let asked = served.questions.send(Asked::ConfirmRemovals(answer));
    match (asked.await, answered.await) {
        (Ok(()), Ok(held)) => {
            let confirmed = held.map(|mass| mass.routes).unwrap_or_default();
            let version = VERSION;
            Json(Confirmed { version, confirmed }).into_response()
        }
        _ => sentence(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping"),
    }
}

fn trouble(error: &dyn std::error::Error) -> Response {
    sentence(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
}

async fn healthz(State(served): State<Served>) -> Response {
    let age = served.shown.borrow().pulse.elapsed();
    let alive = age < STOPPED;
    let body = Json(json!({"alive": alive, "secondsSinceTurn": age.as_secs()}));
    (code(alive), body).into_response()
}

async fn readyz(State(served): State<Served>) -> Response {
    let reasons = known(&served).reasons();
    let ready = reasons.is_empty();
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
