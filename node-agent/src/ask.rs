//! Questions to the BGP speaker: each has its deadline, and there may be no speaker to ask.

use gingham_bgp::speaker::report::{PeerReport, PrefixReport};
use gingham_bgp::speaker::{CommandError, Handle};
use gingham_model::{Family, Prefix};
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::watch;

/// The longest an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(2);

/// The speaker of this node, while there is one.
pub type Speaker = watch::Receiver<Option<Handle>>;

/// Why the speaker says nothing.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// None runs.
    #[error("no BGP speaker runs on this node")]
    NoSpeaker,
    /// It is not in time.
    #[error("the BGP speaker has not answered within {DEADLINE:?}")]
    Late,
    /// It refuses, or has ended.
    #[error(transparent)]
    Refused(#[from] CommandError),
}

/// The speaker's answer.
///
/// # Errors
/// Why there is none.
pub async fn ask<T, F>(speaker: &Speaker, question: impl FnOnce(Handle) -> F) -> Result<T, NoAnswer>
where
    F: Future<Output = Result<T, CommandError>>,
{
    let handle = speaker.borrow().clone().ok_or(NoAnswer::NoSpeaker)?;
    let answer = tokio::time::timeout(DEADLINE, question(handle)).await;
    Ok(answer.map_err(|_| NoAnswer::Late)??)
}

/// Every neighbour, by name.
///
/// # Errors
/// As [`ask`].
pub async fn peers(speaker: &Speaker) -> Result<Vec<PeerReport>, NoAnswer> {
    ask(speaker, |handle| async move { handle.peers().await }).await
}

/// Every path to one prefix, or to all.
///
/// # Errors
/// As [`ask`].
pub async fn rib(speaker: &Speaker, prefix: Option<Prefix>) -> Result<Vec<PrefixReport>, NoAnswer> {
    ask(speaker, |handle| async move { handle.rib(prefix).await }).await
}

/// Every path to every prefix that holds the address, the shortest prefix first. Asked for length by
/// length: the whole RIB may be long.
///
/// # Errors
/// As [`ask`].
pub async fn paths_around(
    speaker: &Speaker,
    address: IpAddr,
) -> Result<Vec<PrefixReport>, NoAnswer> {
    let lengths = 0..=Family::of(address).bits();
    let around = lengths.filter_map(move |length| Prefix::containing(address, length).ok());
    ask(speaker, |handle| async move {
        let mut reports = Vec::new();
        for prefix in around {
            reports.extend(handle.rib(Some(prefix)).await?);
        }
        Ok(reports)
    })
    .await
}
