//! What happens to the speaker, at random: changes, lost sessions, clients that do not read, blunders,
//! refreshes and reloads.

use crate::client::Ear;
use crate::control::{Control, Job};
use crate::crowd::{Crowd, Leaving};
use crate::layout::{Layout, Role, nlri};
use crate::model::Place;
use crate::random::Random;
use crate::wire::{self, Blunder, Part};
use anyhow::Result;
use gingham_integration::bgp::endpoint::State;
use std::time::{Duration, Instant};

/// What was missed in so long a pause is not made up for.
const LONGEST_DEBT: f64 = 0.1;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// A prefix is announced, changed or withdrawn.
    Flap,
    /// A client ends its session, to dial again.
    Leave,
    /// A sleeper stops reading for a while.
    Nap,
    /// The careless client sends something malformed.
    Blunder,
    /// A client asks for everything again.
    Ask,
    /// The speaker asks a client for everything again.
    BeAsked,
    /// The speaker's settings change.
    Reload,
}

impl Deed {
    const ALL: [Deed; 7] = [
        Deed::Flap,
        Deed::Leave,
        Deed::Nap,
        Deed::Blunder,
        Deed::Ask,
        Deed::BeAsked,
        Deed::Reload,
    ];

    /// How often it happens. Each client leaves about every five minutes and asks every ten.
    fn per_second(self, layout: Layout, flaps: f64) -> f64 {
        let clients = layout.clients as f64;
        match self {
            Deed::Flap => flaps,
            Deed::Leave => (clients / 300.0).max(0.3),
            Deed::Nap => 0.2,
            Deed::Blunder => 1.0,
            Deed::Ask => (clients / 600.0).max(0.2),
            Deed::BeAsked => 0.3,
            Deed::Reload => 0.1,
        }
    }
}

/// What is counted of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// Prefixes announced, changed or withdrawn.
    pub(crate) changes: u64,
    pub(crate) naps: u64,
    pub(crate) blunders: u64,
    pub(crate) refreshes: u64,
    pub(crate) reloads: u64,
}

pub(crate) struct Churn {
    layout: Layout,
    flaps: f64,
    random: Random,
    /// How much of each deed is due.
    debts: [(Deed, f64); Deed::ALL.len()],
    /// When the debts were last counted; `None` after a rest.
    counted: Option<Instant>,
    /// Who sleeps until when.
    naps: Vec<(Instant, usize)>,
    control: Control,
    pub(crate) count: Count,
}

impl Churn {
    pub(crate) fn new(layout: Layout, flaps: f64, (seed, control): (u64, Control)) -> Self {
        Churn {
            layout,
            flaps,
            random: Random::new(seed),
            debts: Deed::ALL.map(|deed| (deed, 0.0)),
            counted: None,
            naps: Vec::new(),
            control,
            count: Count::default(),
        }
    }

    /// Does what is due.
    pub(crate) fn go_on(&mut self, now: Instant, crowd: &mut Crowd) -> Result<()> {
        let since = self.counted.replace(now).unwrap_or(now);
        let passed = now.saturating_duration_since(since).as_secs_f64();
        let passed = passed.min(LONGEST_DEBT);
        for index in 0..self.debts.len() {
            let (deed, debt) = &mut self.debts[index];
            let deed = *deed;
            *debt += passed * deed.per_second(self.layout, self.flaps);
            let due = debt.floor();
            *debt -= due;
            for _ in 0..due as usize {
                self.act(now, deed, crowd)?;
            }
        }
        self.wake(now, crowd)?;
        self.control.open().map(drop)
    }

    /// Ends all naps.
    pub(crate) fn rest(&mut self, crowd: &mut Crowd) -> Result<()> {
        self.counted = None;
        for (_, sleeper) in self.naps.drain(..) {
            crowd.turn_ear(sleeper, Ear::Open)?;
        }
        Ok(())
    }

    /// Whether the control socket has yet to answer.
    pub(crate) fn is_answered(&mut self) -> Result<bool> {
        Ok(self.control.open()? == 0)
    }

    fn wake(&mut self, now: Instant, crowd: &mut Crowd) -> Result<()> {
        let mut awake = self.naps.extract_if(.., |(until, _)| *until <= now);
        awake.try_for_each(|(_, sleeper)| crowd.turn_ear(sleeper, Ear::Open))
    }

    fn act(&mut self, now: Instant, deed: Deed, crowd: &mut Crowd) -> Result<()> {
        match deed {
            Deed::Flap => self.flap(now, crowd),
            Deed::Leave => self.leave(now, crowd),
            Deed::Nap => self.nap(now, crowd),
            Deed::Blunder => self.blunder(now, crowd),
            Deed::Ask => self.ask(now, crowd),
            Deed::BeAsked => {
                let anyone = self.random.below(self.layout.clients);
                self.count.refreshes += 1;
                self.control.ask(Job::Refresh(anyone))
            }
            Deed::Reload => {
                crowd.model.variant.number += 1;
                self.count.reloads += 1;
                self.control.ask(Job::Reload(crowd.model.variant))
            }
        }
    }

    /// A client that is away changes its mind all the same: it says so when it is back.
    fn flap(&mut self, now: Instant, crowd: &mut Crowd) -> Result<()> {
        let Some(place) = crowd.model.any(&mut self.random) else {
            return Ok(());
        };
        if crowd.state(place.owner) == State::Up {
            self.count.changes += 1;
        }
        let withdraws = self.random.below(3) == 0;
        if withdraws && crowd.model.said(place).is_some() {
            crowd.model.say(place, None);
            return speak(now, place, crowd);
        }
        let preference = self.random.one_of(&[100, 200]).unwrap_or(100);
        let route = crowd.model.fresh(place, preference);
        crowd.model.say(place, Some(route));
        speak(now, place, crowd)
    }

    fn leave(&mut self, now: Instant, crowd: &mut Crowd) -> Result<()> {
        let client = self.random.below(self.layout.clients);
        if !self.layout.role(client).redials() || crowd.state(client) != State::Up {
            return Ok(());
        }
        let leavings = [Leaving::Said, Leaving::Silent];
        let leaving = self.random.one_of(&leavings).unwrap_or(Leaving::Silent);
        let pause = self.random.below(5_000) as u64;
        crowd.leave(now, client, (leaving, Duration::from_millis(pause)))
    }

    fn nap(&mut self, now: Instant, crowd: &mut Crowd) -> Result<()> {
        let awake: Vec<_> = crowd
            .clients()
            .filter(|(_, client)| client.role() == Role::Sleeper)
            .filter(|(_, client)| client.state() == State::Up && client.ear == Ear::Open)
            .map(|(number, _)| number)
            .collect();
        let Some(sleeper) = self.random.one_of(&awake) else {
            return Ok(());
        };
        let nap = Duration::from_millis(1_000 + self.random.below(29_000) as u64);
        self.naps.push((now + nap, sleeper));
        self.count.naps += 1;
        crowd.turn_ear(sleeper, Ear::Shut)
    }

    fn blunder(&mut self, now: Instant, crowd: &mut Crowd) -> Result<()> {
        let careless = crowd.clients();
        let careless = careless
            .filter(|(_, client)| client.role() == Role::Careless && client.state() == State::Up);
        let Some(careless) = careless.map(|(number, _)| number).next() else {
            return Ok(());
        };
        let own: Vec<_> = self.layout.of_client(careless).collect();
        let prefix = self.random.one_of(&own);
        let Some(place) = prefix.and_then(|prefix| crowd.model.of(careless, prefix)) else {
            return Ok(());
        };
        let Some(blunder) = self.random.one_of(&Blunder::ALL) else {
            return Ok(());
        };
        let route = crowd.model.fresh(place, 100);
        let remains = Some(route).filter(|_| blunder.keeps_prefix());
        crowd.model.say(place, remains);
        self.count.blunders += 1;
        let message = wire::blunder(blunder, route, nlri(place.prefix));
        crowd.send(now, careless, &message)
    }

    fn ask(&mut self, now: Instant, crowd: &mut Crowd) -> Result<()> {
        let client = self.random.below(self.layout.clients);
        if crowd.state(client) != State::Up {
            return Ok(());
        }
        self.count.refreshes += 1;
        crowd.send(now, client, &wire::refresh(Part::Request))
    }
}

/// Has the owner say what the model has, if it is there.
pub(crate) fn speak(now: Instant, place: Place, crowd: &mut Crowd) -> Result<()> {
    if crowd.state(place.owner) != State::Up {
        return Ok(());
    }
    let message = match crowd.model.said(place) {
        Some(route) => wire::announce(route, nlri(place.prefix)),
        None => wire::withdraw(nlri(place.prefix)),
    };
    crowd.send(now, place.owner, &message)
}
