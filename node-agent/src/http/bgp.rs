//! What the BGP speaker is asked for, and what leans on its answers.

use super::query::Fields;
use super::{Served, known, sentence, trouble};
use crate::ask::{self, NoAnswer};
use crate::explain::{self, Explained, Kernel};
use crate::sample::{self, Fabric, Flavour, Router};
use crate::status::{Paths, Peers, Rib, RibLine, Sessions, Status, VERSION};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gingham_bgp::session;
use gingham_bgp::speaker::report::{PeerReport, PrefixReport};
use gingham_model::Prefix;
use std::net::IpAddr;

/// An answer, or why there is none.
type Answer<T> = Result<T, Response>;

/// Every neighbour.
pub(super) async fn peers(State(served): State<Served>) -> Answer<Json<Peers>> {
    let peers = ask::peers(&served.speaker).await;
    let peers = peers.map_err(|error| silent(&served, &error))?;
    let version = VERSION;
    Ok(Json(Peers { version, peers }))
}

/// All prefixes in short, or every path to one.
pub(super) async fn rib(
    State(served): State<Served>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let fields = Fields::of(query, &["prefix"]).map_err(refused)?;
    let prefix: Option<Prefix> = fields.get("prefix").map_err(refused)?;
    let reports = ask::rib(&served.speaker, prefix).await;
    let reports = reports.map_err(|error| silent(&served, &error))?;
    let version = VERSION;
    let Some(prefix) = prefix else {
        let prefixes = reports.iter().map(RibLine::of).collect();
        return Ok(Json(Rib { version, prefixes }).into_response());
    };
    let paths = reports.into_iter().flat_map(|report| report.paths);
    let paths = paths.collect();
    let report = PrefixReport { prefix, paths };
    Ok(Json(Paths { version, report }).into_response())
}

/// Where a packet to an address goes, and why.
pub(super) async fn explain(
    State(served): State<Served>,
    RawQuery(query): RawQuery,
) -> Answer<Json<Explained>> {
    let fields = Fields::of(query, &["ip"]).map_err(refused)?;
    let address: Option<IpAddr> = fields.get("ip").map_err(refused)?;
    let address = address.ok_or_else(|| refused("ip: is not given".to_owned()))?;
    // Without a speaker everything else can be said all the same.
    let paths = ask::paths_around(&served.speaker, address).await;
    let paths = paths.map_err(|error| error.to_string());
    let known = known(&served);
    let explained = move || {
        Kernel::read(address).map(|kernel| {
            explain::explain(&explain::Inputs {
                address,
                me: &known.me,
                cluster: &known.cluster,
                seen: known.seen.as_deref(),
                kernel: &kernel,
                paths: &paths,
            })
        })
    };
    match tokio::task::spawn_blocking(explained).await {
        Ok(Ok(explained)) => Ok(Json(explained)),
        Ok(Err(error)) => Err(trouble(&error)),
        Err(error) => Err(trouble(&error)),
    }
}

/// A sample of a configuration for somebody else's router.
pub(super) async fn sample(
    State(served): State<Served>,
    RawQuery(query): RawQuery,
) -> Answer<String> {
    let fields = Fields::of(query, &["for", "flavour"]).map_err(refused)?;
    let flavour: Option<Flavour> = fields.get("flavour").map_err(refused)?;
    let router: Option<Router> = fields.get("for").map_err(refused)?;
    let Router::Core = router.ok_or_else(|| refused("for: is not given".to_owned()))?;
    let known = known(&served);
    let fabric = Fabric::of(&known.cluster, &known.me);
    let fabric = fabric.map_err(|why| sentence(StatusCode::SERVICE_UNAVAILABLE, &why))?;
    Ok(sample::core(flavour.unwrap_or_default(), &fabric))
}

/// Adds to a status how the sessions stand, where a speaker says it.
pub(super) async fn with_sessions(served: &Served, mut status: Status) -> Status {
    if let Ok(peers) = ask::peers(&served.speaker).await {
        let up = |peer: &&PeerReport| peer.state == session::State::Established;
        status.bgp.sessions = Some(Sessions {
            established: peers.iter().filter(up).count(),
            all: peers.len(),
        });
    }
    status
}

/// Why the speaker says nothing, with what is known of the reasons.
fn silent(served: &Served, error: &NoAnswer) -> Response {
    let mut text = error.to_string();
    if let NoAnswer::NoSpeaker = error {
        for notice in &known(served).bgp.notices {
            text.push_str("; ");
            text.push_str(notice);
        }
    }
    sentence(StatusCode::SERVICE_UNAVAILABLE, &text)
}

fn refused(wrong: String) -> Response {
    sentence(StatusCode::BAD_REQUEST, &wrong)
}
