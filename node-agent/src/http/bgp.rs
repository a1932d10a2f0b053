//! What the BGP speaker is asked for, and what leans on its answers.

use super::{Served, known, sentence};
use crate::ask::{self, NoAnswer, ask};
use crate::explain::{self, Explained, Kernel};
use crate::sample::{self, Fabric, Flavour};
use crate::status::{Paths, Peers, Rib, RibLine, Sessions, Status, VERSION};
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gingham_bgp::session;
use gingham_model::Prefix;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

/// An answer, or why there is none.
type Answer<T> = Result<Json<T>, Response>;

/// Every neighbour.
pub(super) async fn peers(State(served): State<Served>) -> Answer<Peers> {
    let peers = ask(
        &served.speaker,
        |handle| async move { handle.peers().await },
    )
    .await;
    let peers = peers.map_err(|error| silent(&served, &error))?;
    let version = VERSION;
    Ok(Json(Peers { version, peers }))
}

/// All prefixes in short, or every path to one.
pub(super) async fn rib(State(served): State<Served>, RawQuery(query): RawQuery) -> Response {
    let prefix: Option<Prefix> = match Fields::of(query, &["prefix"]).and_then(|f| f.get("prefix"))
    {
        Ok(prefix) => prefix,
        Err(wrong) => return refused(&wrong),
    };
    let reports = ask(
        &served.speaker,
        |handle| async move { handle.rib(prefix).await },
    )
    .await;
    let reports = match reports {
        Ok(reports) => reports,
        Err(error) => return silent(&served, &error),
    };
    let version = VERSION;
    let Some(prefix) = prefix else {
        let prefixes = reports.iter().map(RibLine::of).collect();
        return Json(Rib { version, prefixes }).into_response();
    };
    let paths = reports
        .into_iter()
        .flat_map(|report| report.paths)
        .collect();
    let report = gingham_bgp::speaker::report::PrefixReport { prefix, paths };
    Json(Paths { version, report }).into_response()
}

/// Where a packet to an address goes, and why.
pub(super) async fn explain(
    State(served): State<Served>,
    RawQuery(query): RawQuery,
) -> Answer<Explained> {
    let address: Option<IpAddr> = Fields::of(query, &["ip"])
        .and_then(|fields| fields.get("ip"))
        .map_err(|wrong| refused(&wrong))?;
    let address = address.ok_or_else(|| refused("ip: is not given"))?;
    // Without a speaker everything else can be said all the same.
    let paths = ask::paths_around(&served.speaker, address).await;
    let paths = paths.map_err(|error| error.to_string());
    let known = known(&served);
    let explained = tokio::task::spawn_blocking(move || {
        let kernel = Kernel::read(address)?;
        Ok(explain::explain(&explain::Inputs {
            address,
            me: &known.me,
            cluster: &known.cluster,
            seen: known.seen.as_deref(),
            kernel: &kernel,
            paths: &paths,
        }))
    });
    let explained: Result<Explained, gingham_netlink::Error> =
        explained.await.map_err(|error| super::trouble(&error))?;
    explained.map(Json).map_err(|error| super::trouble(&error))
}

/// A sample of a configuration for somebody else's router.
pub(super) async fn sample(
    State(served): State<Served>,
    RawQuery(query): RawQuery,
) -> Result<String, Response> {
    let fields = Fields::of(query, &["for", "flavour"]).map_err(|wrong| refused(&wrong))?;
    let flavour: Option<Flavour> = fields.get("flavour").map_err(|wrong| refused(&wrong))?;
    match fields.0.get("for").map(String::as_str) {
        Some("core") => {}
        other => {
            let other = other.unwrap_or_default();
            return Err(refused(&format!("for {other:?}: only core is known")));
        }
    }
    let known = known(&served);
    let fabric = Fabric::of(&known.cluster, &known.me);
    let fabric = fabric.map_err(|why| sentence(StatusCode::SERVICE_UNAVAILABLE, &why))?;
    Ok(sample::core(flavour.unwrap_or_default(), &fabric))
}

/// Adds to a status how the sessions stand, where a speaker says it.
pub(super) async fn with_sessions(served: &Served, mut status: Status) -> Status {
    let peers = ask(
        &served.speaker,
        |handle| async move { handle.peers().await },
    )
    .await;
    status.bgp.sessions = peers.ok().map(|peers| Sessions {
        established: peers
            .iter()
            .filter(|peer| peer.state == session::State::Established)
            .count(),
        all: peers.len(),
    });
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

fn refused(wrong: &str) -> Response {
    sentence(StatusCode::BAD_REQUEST, wrong)
}

/// The fields of a query.
struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Those of `known` names that are given.
    ///
    /// # Errors
    /// A field of another name.
    fn of(query: Option<String>, known: &[&str]) -> Result<Self, String> {
        let query = query.unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match known.contains(&name) {
                true => Ok((name.to_owned(), value)),
                false => Err(format!("{name:?}: there is no such field")),
            }
        });
        fields.collect::<Result<_, _>>().map(Fields)
    }

    /// A field as what it must be.
    ///
    /// # Errors
    /// Field, value and rule.
    fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, String> {
        let text = self.0.get(name);
        let value = text.map(|text| {
            text.parse()
                .map_err(|error| format!("{name}={text}: {error}"))
        });
        value.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(query: &str) -> Result<Option<Prefix>, String> {
        Fields::of(Some(query.to_owned()), &["prefix"])?.get("prefix")
    }

    #[test]
    fn a_query_is_read_as_it_was_meant() {
        let meant = Some("fd00::/8".parse().unwrap());
        for query in [
            "prefix=fd00::/8",
            "prefix=fd00%3A%3A%2F8",
            "&prefix=fd00::/8&",
        ] {
            assert_eq!(prefix(query), Ok(meant), "{query}");
        }
        assert_eq!(prefix(""), Ok(None));
    }

    #[test]
    fn a_bad_query_names_field_and_value() {
        let wrong = prefix("prefix=10.0.0.1/8").unwrap_err();
        assert_eq!(
            wrong,
            "prefix=10.0.0.1/8: prefix 10.0.0.1/8: has bits set behind its length; 10.0.0.0/8 is meant?"
        );
        let wrong = prefix("prefx=10.0.0.0/8").unwrap_err();
        assert_eq!(wrong, "\"prefx\": there is no such field");
    }
}
