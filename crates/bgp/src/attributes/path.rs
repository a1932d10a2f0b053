//! AS_PATH (RFC 4271 section 5.1.2).

use crate::Asn;
use std::fmt;

/// One segment of a path. Confederation segments are refused on the wire: no confederations here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// AS_SEQUENCE: in this order, the nearest first.
    Sequence(Box<[Asn]>),
    /// AS_SET: in no order. Deprecated (RFC 9774), still met.
    Set(Box<[Asn]>),
}

/// The autonomous systems a path went through; empty inside its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AsPath(pub Box<[Segment]>);

impl AsPath {
    /// A path of one sequence.
    pub fn sequence(numbers: impl IntoIterator<Item = Asn>) -> Self {
        let numbers: Box<[Asn]> = numbers.into_iter().collect();
        if numbers.is_empty() {
            return AsPath::default();
        }
        AsPath(Box::new([Segment::Sequence(numbers)]))
    }

    /// The length best path selection counts: a set counts one (RFC 4271 section 9.1.2.2 a).
    pub fn hops(&self) -> usize {
        let hops = self.0.iter().map(|segment| match segment {
            Segment::Sequence(numbers) => numbers.len(),
            Segment::Set(_) => 1,
        });
        hops.sum()
    }

    /// Every number, in the order of the wire.
    pub fn numbers(&self) -> impl Iterator<Item = Asn> + '_ {
        self.0.iter().flat_map(|segment| match segment {
            Segment::Sequence(numbers) | Segment::Set(numbers) => numbers.iter().copied(),
        })
    }

    /// The neighbouring AS: the first number, if a sequence leads.
    pub fn first(&self) -> Option<Asn> {
        match self.0.first()? {
            Segment::Sequence(numbers) => numbers.first().copied(),
            Segment::Set(_) => None,
        }
    }

    /// The AS the path began in: the last number, if a sequence ends it.
    pub fn origin(&self) -> Option<Asn> {
        match self.0.last()? {
            Segment::Sequence(numbers) => numbers.last().copied(),
            Segment::Set(_) => None,
        }
    }

    /// The path with `asn` in front, `count` times.
    pub fn prepended(&self, asn: Asn, count: usize) -> Self {
        let front = std::iter::repeat_n(asn, count);
        let mut segments = self.0.to_vec();
        match segments.first_mut() {
            // A segment holds at most 255 numbers on the wire.
            Some(Segment::Sequence(numbers)) if numbers.len() + count <= 255 => {
                *numbers = front.chain(numbers.iter().copied()).collect();
            }
            _ if count == 0 => {}
            _ => segments.insert(0, Segment::Sequence(front.collect())),
        }
        AsPath(segments.into_boxed_slice())
    }
}

/// As routers print it: `64512 64513 {64514,64515}`.
impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            let (numbers, between, open, close) = match segment {
                Segment::Sequence(numbers) => (numbers, " ", "", ""),
                Segment::Set(numbers) => (numbers, ",", "{", "}"),
            };
            let list: Vec<String> = numbers.iter().map(Asn::to_string).collect();
            write!(f, "{open}{}{close}", list.join(between))?;
        }
        Ok(())
    }
}
