//! Tells the store what operators should find there, beside the rounds: a store that does not answer
//! holds up nobody.

use super::{AgentError, Shown};
use crate::report::{Ledger, Next, Report, Seat, wanted};
use crate::snapshot::Known;
use crate::store::Store;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Between two looks at what is known.
const LOOK: Duration = Duration::from_secs(1);
/// Between two questions whether this node speaks for all; a third of what the answer is good for.
const LEAD: Duration = Duration::from_secs(20);
/// How long to go on reporting before another look.
const LONGEST: Duration = Duration::from_secs(5);
/// How much later than its reflectors a node tells what they tell too, at most.
const PATIENCE: Duration = Duration::from_secs(300);

/// Reports for as long as the agent runs.
pub(super) async fn report_on<S: Store>(
    store: Arc<S>,
    mut shown: watch::Receiver<Shown>,
) -> Result<(), AgentError> {
    let mut reporter = Reporter::new(store, Instant::now());
    loop {
        let known = Arc::clone(&shown.borrow_and_update().known);
        reporter.lead(&known).await;
        reporter.look(&known);
        let next = reporter.report().await;
        tokio::time::sleep(LOOK).await;
        // The loop shows a pulse every few seconds, so that this is no long sleep.
        let rest = next.map(|next| next.saturating_duration_since(Instant::now()));
        let rest = rest.unwrap_or(LEAD).min(LEAD);
        if let Ok(Err(_)) = tokio::time::timeout(rest, shown.changed()).await {
            return Ok(());
        }
    }
}

struct Reporter<S> {
    store: Arc<S>,
    ledger: Ledger,
    looked: Option<Arc<Known>>,
    seat: Seat,
    /// When to ask again whether this node speaks for all.
    ask: Instant,
    trouble: Option<String>,
    random: RandomState,
}

impl<S: Store> Reporter<S> {
    fn new(store: Arc<S>, now: Instant) -> Self {
        let random = RandomState::new();
        Reporter {
            store,
            ledger: Ledger::new(now),
            looked: None,
            seat: Seat {
                leads: false,
                patience: part(PATIENCE, random.hash_one("patience")),
            },
            ask: now,
            trouble: None,
            random,
        }
    }

    /// Asks whether this node speaks for all: reflectors alone may.
    async fn lead(&mut self, known: &Known) {
        let now = Instant::now();
        let is_reflector = known
            .cluster
            .node(&known.me)
            .is_some_and(|node| node.is_reflector());
        if !is_reflector {
            self.settle(false);
            return;
        }
        if now < self.ask {
            return;
        }
        self.ask = now + LEAD + part(LEAD / 4, self.random.hash_one(now));
        let answer = self.store.lead().await;
        let trouble = answer.as_ref().err().map(ToString::to_string);
        if let Some(error) = trouble.as_ref().filter(|_| trouble != self.trouble) {
            tracing::warn!(%error, "not known who writes conditions");
        }
        self.trouble = trouble;
        self.settle(answer.unwrap_or(false));
    }

    fn settle(&mut self, leads: bool) {
        if leads != self.seat.leads {
            tracing::info!(leads, "writing conditions for all agents");
            self.seat.leads = leads;
            self.looked = None;
        }
    }

    fn look(&mut self, known: &Arc<Known>) {
        let is_old = |looked: &Arc<Known>| Arc::ptr_eq(looked, known);
        if !self.looked.as_ref().is_some_and(is_old) {
            self.ledger.want(wanted(known, self.seat), Instant::now());
            self.looked = Some(Arc::clone(known));
        }
    }

    /// Says what is due, and when something is due again.
    async fn report(&mut self) -> Option<Instant> {
        let until = Instant::now() + LONGEST;
        loop {
            let report = match self.ledger.next(Instant::now()) {
                Next::Say(report) => report,
                Next::Wait(next) => return next,
            };
            let outcome = self.store.report(&report).await;
            let failures = self.ledger.said(&report, &outcome, Instant::now());
            match outcome {
                Err(error) if failures == 1 => tracing::warn!(%error, "not reported"),
                Err(error) => tracing::debug!(%error, failures, "not reported"),
                Ok(()) => said(&report),
            }
            if Instant::now() > until {
                return Some(until);
            }
        }
    }
}

fn said(report: &Report) {
    let mark = report.mark();
    tracing::debug!(about = %mark.about, what = %mark.what, "reported");
}

/// Some part of `whole`.
fn part(whole: Duration, random: u64) -> Duration {
    let most = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % most.max(1))
}
