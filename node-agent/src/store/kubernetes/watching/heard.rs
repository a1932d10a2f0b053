//! What is asked of an API server about a selection of objects, and what is heard. Values only.

use std::time::Duration;

/// What is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A watch that begins with all objects, for so many seconds.
    Stream {
        /// How long the server is to keep it up.
        seconds: u32,
    },
    /// A list, or a page of one.
    Page {
        /// Where the page before has ended.
        after: Option<String>,
        /// The most objects in it.
        limit: Option<u32>,
    },
    /// Every change since a version.
    Watch {
        /// The version.
        version: String,
        /// How long the server is to keep it up.
        seconds: u32,
    },
}

/// An object of a list or of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<T> {
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// What is kept of it.
    pub object: T,
}

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<T> {
    /// The server has taken up the watch.
    Accepted,
    /// There is such an object: it was listed, is new, or has changed.
    Object(Item<T>),
    /// It is gone, or has left the selection.
    Deleted {
        /// `metadata.name`.
        name: Box<str>,
        /// The version of the deletion.
        version: String,
    },
    /// Every change up to this version has been told.
    Bookmark {
        /// The version.
        version: String,
    },
    /// All objects there were have been told.
    AllListed {
        /// The version of that.
        version: String,
    },
    /// A page of a list.
    Page {
        /// What it holds.
        items: Vec<Item<T>>,
        /// The version of the list.
        version: String,
        /// Where the next page begins; `None` if this was the last.
        more: Option<String>,
    },
    /// The answer has ended in good order.
    Ended,
    /// It has not.
    Trouble(Trouble),
}

/// Why an answer did not come, or broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What follows from it.
    pub why: Why,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
    /// For the eye.
    pub text: String,
}

impl Trouble {
    /// A trouble after which nobody said when to ask again.
    pub fn new(why: Why, text: impl Into<String>) -> Self {
        Trouble {
            why,
            retry_after: None,
            text: text.into(),
        }
    }
}

/// What follows from a trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The version is too old or too new for this server: list again.
    Expired,
    /// The server cannot begin a watch with all objects: list in pages.
    NoStreaming,
    /// We may not ask that.
    Denied,
    /// The server has only just started, from whatever store: list again.
    Starting,
    /// Nobody answered: go on where it broke off, unless that lasts.
    Unreached,
    /// Anything else: go on where it broke off.
    Broken,
}

/// What a selection of objects says of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It is so now.
    Is {
        /// Its name.
        name: Box<str>,
        /// Its version, zero if that is no number.
        version: u64,
        /// What is kept of it.
        object: T,
    },
    /// It is in the selection no more.
    Gone {
        /// Its name.
        name: Box<str>,
        /// The version it was last heard in.
        version: u64,
    },
}
