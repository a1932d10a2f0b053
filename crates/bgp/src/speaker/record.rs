//! Every event, handed to whoever keeps it to replay later (see [`crate::session::record`]).

use crate::Moment;
use crate::session::Event;
use crate::session::record::Entry;
use std::fmt;

/// Who is handed events.
pub struct Recorder(Box<dyn FnMut(&Entry) + Send>);

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Hands every event to `keep`, which must not take long.
    pub fn new(keep: impl FnMut(&Entry) + Send + 'static) -> Self {
        Recorder(Box::new(keep))
    }

    pub(super) fn note(&mut self, at: Moment, peer: &str, event: &Event) {
        (self.0)(&Entry {
            at,
            peer: peer.to_owned(),
            event: event.clone(),
        });
    }
}
