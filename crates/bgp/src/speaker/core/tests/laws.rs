//! Whatever happened to five speakers: once it has been quiet for long enough, each knows what it ought
//! to.

use super::model::{LINKS, Model, NODES, PREFIXES, Strict, yaml};
use super::world::{At, World, config};
use crate::session::{Event, Farewell};
use crate::speaker::peer::Beginning;
use gingham_model::Family;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Announce(At, &'static str),
    Withdraw(At, &'static str),
    Cut([At; 2]),
    Heal([At; 2]),
    Kill(At),
    /// A speaker that was killed starts, with or without its forwarding state.
    Start(At, bool),
    Reset([At; 2]),
    Refresh([At; 2]),
    Configure(At, Strict),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let node = || prop::sample::select(&NODES[..]);
    let link = || prop::sample::select(&LINKS[..]);
    let prefix = || prop::sample::select(&PREFIXES[..]);
    let strict =
        (any::<bool>(), any::<bool>()).prop_map(|(import, export)| Strict { import, export });
    prop_oneof![
        4 => (node(), prefix()).prop_map(|(node, prefix)| Step::Announce(node, prefix)),
        2 => (node(), prefix()).prop_map(|(node, prefix)| Step::Withdraw(node, prefix)),
        1 => link().prop_map(Step::Cut),
        2 => link().prop_map(Step::Heal),
        1 => node().prop_map(Step::Kill),
        3 => (node(), any::<bool>()).prop_map(|(node, kept)| Step::Start(node, kept)),
        1 => link().prop_map(Step::Reset),
        1 => link().prop_map(Step::Refresh),
        2 => (node(), strict).prop_map(|(node, strict)| Step::Configure(node, strict)),
        3 => prop_oneof![0..8u64, 0..200u64].prop_map(Step::Pass),
    ]
}

impl Step {
    /// Who has to be alive for it.
    fn actor(&self) -> Option<At> {
        match self {
            Step::Announce(node, _) | Step::Withdraw(node, _) => Some(*node),
            Step::Kill(node) | Step::Configure(node, _) => Some(*node),
            Step::Reset([node, _]) | Step::Refresh([node, _]) => Some(*node),
            Step::Cut(_) | Step::Heal(_) | Step::Start(..) | Step::Pass(_) => None,
        }
    }
}

/// The speakers, and what they ought to know.
struct Trial {
    world: World,
    model: Model,
}

impl Trial {
    fn new() -> Trial {
        let texts = NODES.map(|node| (node, yaml(node, Strict::default())));
        let texts: Vec<(At, &str)> = texts
            .iter()
            .map(|(node, text)| (*node, text.as_str()))
            .collect();
        Trial {
            world: World::new(&texts),
            model: Model::default(),
        }
    }

    fn step(&mut self, step: &Step) {
        if step.actor().is_some_and(|node| !self.world.runs(node)) {
            return;
        }
        let Trial { world, model } = self;
        match *step {
            Step::Announce(node, prefix) => {
                model.originated.insert((node, prefix));
                world.announce(node, &format!("{{prefix: {prefix}}}"));
            }
            Step::Withdraw(node, prefix) => {
                model.originated.remove(&(node, prefix));
                world.withdraw(node, prefix);
            }
            Step::Cut([one, other]) => {
                model.cut.insert([one, other]);
                world.cut(one, other);
            }
            Step::Heal([one, other]) => {
                model.cut.remove(&[one, other]);
                world.heal(one, other);
            }
            Step::Kill(node) => self.kill(node),
            Step::Start(node, kept) => self.start(node, kept),
            Step::Reset([one, other]) => {
                let reset = Event::Stop(Farewell::Reset(String::new()));
                world.tell(one, &format!("n{other}"), &reset);
            }
            Step::Refresh([one, other]) => world.refresh(one, &format!("n{other}")),
            Step::Configure(node, strict) => {
                model.strict.insert(node, strict);
                let lost = world.lost(node);
                world.configure(node, &yaml(node, strict));
                assert_eq!(
                    world.lost(node),
                    lost,
                    "a filter is no reason to end a session"
                );
            }
            Step::Pass(seconds) => world.run(seconds),
        }
    }

    fn kill(&mut self, node: At) {
        self.model.dead.insert(node);
        let others = |(origin, _): &(At, &str)| *origin != node;
        self.model.originated.retain(others);
        self.world.kill(node);
    }

    fn start(&mut self, node: At, kept: bool) {
        if self.model.dead.remove(&node) {
            let strict = self.model.strict.get(&node).copied().unwrap_or_default();
            let forwarding = kept.then_some(Family::V4).into_iter().collect();
            let config = config(&yaml(node, strict));
            self.world.start(node, config, Beginning { forwarding });
            self.world.settle();
        }
    }

    /// Nobody is waited for after ten minutes.
    fn verify(&mut self) {
        self.world.run(600);
        for node in NODES {
            if !self.world.runs(node) {
                continue;
            }
            assert_eq!(
                self.world.table(node),
                self.model.table(node),
                "node {node}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn after_any_trouble_everybody_knows_what_they_ought_to(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut trial = Trial::new();
        for step in &steps {
            trial.step(step);
        }
        trial.verify();
    }

    /// Where no session is lost, nobody has to wait for it.
    #[test]
    fn quiet_changes_arrive_at_once(steps in prop::collection::vec(step(), 1..30)) {
        let mut trial = Trial::new();
        let harmless = |step: &&Step| matches!(
            step,
            Step::Announce(..) | Step::Withdraw(..) | Step::Refresh(_) | Step::Configure(..)
        );
        for step in steps.iter().filter(harmless) {
            trial.step(step);
            for node in NODES {
                prop_assert_eq!(trial.world.table(node), trial.model.table(node), "node {}", node);
            }
        }
    }
}
