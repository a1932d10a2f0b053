//! AS_PATH (RFC 4271 section 5.1.2).

use crate::Asn;
use std::fmt;

/// The autonomous systems a path went through, the nearest first; empty inside its own. One sequence:
/// sets are neither taken nor sent (RFC 9774), and there are no confederations here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AsPath(Box<[Asn]>);

impl AsPath {
    /// A path through these, the nearest first.
    pub fn sequence(numbers: impl IntoIterator<Item = Asn>) -> Self {
        AsPath(numbers.into_iter().collect())
    }

    /// The length best path selection counts (RFC 4271 section 9.1.2.2 a).
    pub fn hops(&self) -> usize {
        self.0.len()
    }

    /// Every number, the nearest first.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = Asn> + '_ {
        self.0.iter().copied()
    }

    /// The neighbouring AS.
    pub fn first(&self) -> Option<Asn> {
        self.0.first().copied()
    }

    /// The AS the path began in.
    pub fn origin(&self) -> Option<Asn> {
        self.0.last().copied()
    }

    /// The path with `asn` in front, `count` times.
    pub fn prepended(&self, asn: Asn, count: usize) -> Self {
        let front = std::iter::repeat_n(asn, count);
        AsPath(front.chain(self.numbers()).collect())
    }
}

/// As routers print it: `64512 64513`.
impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(Asn::to_string).collect();
        f.write_str(&numbers.join(" "))
    }
}
