//! What goes out as JSON, and what of the outside is quoted in a message.

use serde::Serialize;
use std::borrow::Cow;

/// Characters of a foreign value that a message repeats: enough to recognise it. A configuration
/// may hold hundreds of KiB of pod annotations, and a message ends in an event of the API server.
const EXCERPT: usize = 160;

/// A document of ours as one line of JSON.
pub(crate) fn json(document: &impl Serialize) -> String {
    match serde_json::to_string(document) {
        Ok(text) => text,
        Err(error) => unreachable!("documents hold only text, numbers and lists: {error}"),
    }
}

/// The beginning of `text`, with `...` behind it when something is cut off.
pub(crate) fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = "ä".repeat(EXCERPT + 1);
        assert_eq!(excerpt(&long), format!("{}...", "ä".repeat(EXCERPT)));
        let fits = "ä".repeat(EXCERPT);
        assert_eq!(excerpt(&fits), fits);
    }
}
