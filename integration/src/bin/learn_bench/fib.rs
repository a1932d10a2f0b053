//! The kernel's routes to the prefixes of the bench, followed by what it tells of each change.

use crate::told::Hops;
use crate::watch::{Route, Watch};
use anyhow::{Result, ensure};

/// What the kernel has, and what it is to have.
pub(crate) struct Fib {
    watch: Watch,
    have: Vec<Hops>,
    want: Vec<Hops>,
    /// How many prefixes differ.
    wrong: usize,
    /// The most that ever differed since that was forgotten.
    worst: usize,
    /// How many changes the kernel told.
    writes: u64,
}

impl Fib {
    /// Follows the routes of the calling thread's namespace, where there are none yet.
    pub(crate) fn open(prefixes: usize) -> Result<Self> {
        Ok(Fib {
            watch: Watch::open()?,
            have: vec![Hops::NONE; prefixes],
            want: vec![Hops::NONE; prefixes],
            wrong: 0,
            worst: 0,
            writes: 0,
        })
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Sets what the kernel is to have from now on.
    pub(crate) fn aim(&mut self, want: Vec<Hops>) {
        let both = self.have.iter().zip(&want);
        self.wrong = both.filter(|(have, want)| have != want).count();
        self.want = want;
    }

    /// How many prefixes differ from what they are to be.
    pub(crate) fn wrong(&self) -> usize {
        self.wrong
    }

    /// The most that differed since [`Fib::forget_worst`].
    pub(crate) fn worst(&self) -> usize {
        self.worst
    }

    pub(crate) fn forget_worst(&mut self) {
        self.worst = self.wrong;
    }

    /// How many changes the kernel told up to now.
    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    /// Takes in what the kernel has told.
    pub(crate) fn follow(&mut self) -> Result<()> {
        while let Some(routes) = self.watch.receive()? {
            for Route { prefix, hops } in routes {
                let place = self.have.get_mut(prefix).zip(self.want.get(prefix));
                let Some((have, want)) = place else {
                    continue;
                };
                self.writes += 1;
                self.wrong = self.wrong + usize::from(hops != *want) - usize::from(*have != *want);
                self.worst = self.worst.max(self.wrong);
                *have = hops;
            }
        }
        Ok(())
    }

    /// Whether the kernel, asked for all its routes, has exactly those it is to have.
    pub(crate) fn check(&self) -> Result<()> {
        let mut seen = vec![Hops::NONE; self.want.len()];
        for Route { prefix, hops } in Watch::dump()? {
            let place = seen.get_mut(prefix);
            let free = place.filter(|place| **place == Hops::NONE);
            *free.ok_or_else(|| anyhow::anyhow!("prefix {prefix}: one route too many"))? = hops;
        }
        let mut both = seen.iter().zip(&self.want);
        let wrong = both.position(|(seen, want)| seen != want);
        ensure!(wrong.is_none(), "prefix {wrong:?}: a wrong route");
        Ok(())
    }
}
