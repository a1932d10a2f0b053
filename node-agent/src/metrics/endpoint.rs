//! Where the metrics are served: on the node's own address, which its Node object tells, and which
//! may change.

use super::Metrics;
use crate::agent::{AgentError, Shown};
use crate::ask::{self, Speaker};
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long to wait before an address that cannot be had is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The content type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Here.
    At(SocketAddr),
    /// On the first InternalIP of this node's Node object, at this port.
    NodeIp(u16),
}

/// What is served.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) metrics: Metrics,
    pub(crate) shown: watch::Receiver<Shown>,
    pub(crate) speaker: Speaker,
}

/// Serves for ever. An address that cannot be had is said once, and tried again: routing goes on
/// without metrics.
///
/// # Errors
/// Never by itself.
pub(crate) async fn serve(listen: Listen, served: Served) -> Result<(), AgentError> {
    let (mut shown, mut said) = (served.shown.clone(), None);
    loop {
        let address = changed_to(&mut shown, listen, None).await;
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                if said != Some(address) {
                    tracing::warn!(%address, %error, "metrics not served; trying on");
                }
                said = Some(address);
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        tracing::info!(%address, "metrics served");
        said = None;
        let router = Router::new()
            .route("/metrics", get(scrape))
            .with_state(served.clone());
        // Calls that came before a move are answered still, but not waited for: a scraper that says
        // no more must not hold the old address.
        tokio::select! {
            over = axum::serve(listener, router).into_future() => if let Err(error) = over {
                tracing::warn!(%address, %error, "metrics endpoint ended");
                tokio::time::sleep(RETRY).await;
            },
            _ = changed_to(&mut shown, listen, Some(address)) => {}
        }
    }
}

/// Waits until the address to serve on is known, and is another one than `from`.
async fn changed_to(
    shown: &mut watch::Receiver<Shown>,
    listen: Listen,
    from: Option<SocketAddr>,
) -> SocketAddr {
    let address = |shown: &Shown| match listen {
        Listen::At(address) => Some(address),
        Listen::NodeIp(port) => {
            let known = &shown.known;
            let node = known.cluster.node(&known.me)?;
            let ip = node.internal_ips.first()?;
            Some(SocketAddr::new(*ip, port))
        }
    };
    loop {
        let now = address(&shown.borrow_and_update());
        if let Some(now) = now.filter(|now| Some(*now) != from) {
            return now;
        }
        // The loop that shows has ended: so does this task, at the next moment.
        if shown.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn scrape(State(served): State<Served>) -> Response {
    let known = Arc::clone(&served.shown.borrow().known);
    let peers = ask::peers(&served.speaker).await;
    let text = served.metrics.render(&known, peers.ok().as_deref());
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
