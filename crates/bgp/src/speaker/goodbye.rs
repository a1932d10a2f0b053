//! The end of a speaker.

use super::connection::LAST_WORDS;
use super::core::Effect;
use super::rim::Speaker;
use crate::PeerId;
use crate::session::{Event, Farewell};
use std::time::Duration;
use tokio::time::timeout;

/// How often connections are looked at that have yet to take what there is.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Speaker {
    /// Says goodbye to everybody and waits until it is written, for six seconds at most. What was to be
    /// told comes before it, unless peers are to notice nothing.
    pub(super) async fn end(mut self, farewell: &Farewell) {
        self.doors.close().await;
        if *farewell != Farewell::Restart {
            self.core.flush();
            // Whoever takes it slower than that hears the goodbye alone.
            let _ = timeout(LAST_WORDS, self.written()).await;
        }
        let now = self.now();
        let peers: Vec<PeerId> = self.core.peers.keys().copied().collect();
        for peer in peers {
            self.core.event(now, peer, &Event::Stop(farewell.clone()));
        }
        for effect in std::mem::take(&mut self.core.effects) {
            if let Effect::Send(..) | Effect::Close(_) = effect {
                self.carry_out_one(effect);
            }
        }
        self.tasks.shutdown().await;
        while self.closing.join_next().await.is_some() {}
    }

    /// Until every connection has taken what there is for it.
    async fn written(&mut self) {
        loop {
            self.pump_all();
            let mut live = self.connections.values();
            if !live.any(|live| live.connection.owes()) {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
