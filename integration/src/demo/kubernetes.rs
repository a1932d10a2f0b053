//! `lab demo-kubernetes`: the story of the chart in a cluster of real kubelets, told on a fleet of its own.
//!
//! ```text
//!  demo-kubernetes ──starts──► tell-kubernetes ──► Fleet, chart, pods, checks
//!        └─ when that has ended, in whatever way: takes away its files and control groups
//! ```
//!
//! Boxes end with the process that made them; files and control groups do not, so somebody else sees to
//! these ([`undertaker`]).

mod agents;
mod cast;
mod install;
mod outside;
mod power;
mod reach;
mod rollout;
mod shown;
mod undertaker;
mod uninstall;

use super::path;
use super::record::Record;
use crate::map;
use anyhow::Result;
use cast::Cast;
use gingham_integration::fleet::chart;
use gingham_integration::topology::Workers;
use gingham_integration::{Fleet, FleetPlan, Progress};
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub(crate) use undertaker::run;

/// Ten times what anything here takes on an idle machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// The node that is looked at.
const WORKER: &str = "z1w1";
/// The node that loses its power.
const FAR: &str = "z2w1";

/// Tells the story. Exit code 1 when a check failed.
pub(crate) fn tell() -> Result<ExitCode> {
    undertaker::end_with_parent()?;
    let progress = Progress::to_stderr();
    let started = Instant::now();
    let mut fleet = Fleet::up(FleetPlan {
        workers: Workers::One,
        images: vec![chart::image(chart::TAG)?],
        progress,
    })?;
    let mut story = Story {
        fleet: &mut fleet,
        record: Record::new(progress),
    };
    let told = story.tell(started.elapsed());
    let mut record = story.record;
    let map = told.unwrap_or_else(|error| {
        record.check("the story comes to its end", Err(error));
        map::draw_claimed(fleet.lab().topology(), &map::Blocks::new(), &[])
    });
    record.check("the cluster leaves nothing behind", take_down(fleet));
    record.show(&map)
}

fn take_down(fleet: Fleet) -> Result<String> {
    let boxes = fleet.lab().boxes().count();
    fleet.down()?;
    Ok(format!(
        "{boxes} boxes ended with all their pods, daemons, links and mounts; control groups and files are gone"
    ))
}

struct Story<'a> {
    fleet: &'a mut Fleet,
    record: Record,
}

impl Story<'_> {
    /// The chapters. An error is one that leaves nothing to tell.
    fn tell(&mut self, up: Duration) -> Result<String> {
        self.install(up)?;
        self.record
            .say("pods: one that asks, one near, one in the other zone; CoreDNS");
        let cast = Cast::run(self.fleet)?;
        let blocks = install::claimed(self.fleet)?;
        let map = map::draw_claimed(self.fleet.lab().topology(), &blocks, &cast.all());
        self.reach(&cast)?;
        self.reach_outside(&cast);
        self.operate(&cast);
        self.restart(&cast);
        self.record
            .say("a node of the other zone loses its power, and comes back");
        let power = power::lost_and_back(self.fleet, &cast);
        self.record
            .check("a node that lost its power runs its pods again", power);
        self.record.say("uninstalling, in two steps");
        let gone = uninstall::leaves_nothing(self.fleet);
        self.record.check(
            "uninstalled in two steps, it leaves nothing on a node",
            gone,
        );
        Ok(map)
    }

    fn install(&mut self, up: Duration) -> Result<()> {
        let (fleet, record) = (&*self.fleet, &mut self.record);
        let stands = install::stands(fleet, up);
        record.check("a cluster stands, and lacks only its network", stands);
        let installed = Instant::now();
        record.check("helm installs the chart", Ok(install::chart(fleet)?));
        record.check("the settings are accepted", Ok(install::settings(fleet)?));
        let ready = install::ready(fleet, installed)?;
        record.check("every node is Ready, and both DaemonSets stand", Ok(ready));
        record.check(
            "every node has claimed a block of its zone in each family",
            install::blocks(fleet),
        );
        record.check(
            "a worker routes to its zone's blocks directly, to the other zone by its core",
            install::routes(fleet),
        );
        Ok(())
    }

    fn reach(&mut self, cast: &Cast) -> Result<()> {
        let (fleet, record) = (&*self.fleet, &mut self.record);
        record.check(
            "pods of one zone see each other's own addresses",
            reach::own_addresses(fleet, &cast.asking, &cast.near),
        );
        record.check(
            "so do pods of different zones",
            reach::own_addresses(fleet, &cast.asking, &cast.far),
        );
        let ends = (fleet.endpoint(&cast.asking)?, fleet.endpoint(&cast.far)?);
        record.check(
            "between zones the way leads over both cores and the backbone",
            path::between_zones(fleet.lab().topology(), ends.0, ends.1),
        );
        record.check(
            "a Service spreads over pods of both zones",
            reach::service(fleet, cast),
        );
        record.check("its name resolves", reach::name(fleet, cast));
        Ok(())
    }

    fn reach_outside(&mut self, cast: &Cast) {
        let (fleet, record) = (&*self.fleet, &mut self.record);
        record.check(
            "a host port leads to its pod, from a pod and from outside",
            outside::host_port(fleet, cast),
        );
        record.check(
            "outside the cluster a pod is seen as its node",
            outside::masqueraded(fleet, cast),
        );
        record.check(
            "a client outside the cluster reaches pods",
            outside::reaches(fleet, cast),
        );
    }

    fn operate(&mut self, cast: &Cast) {
        let (fleet, record) = (&*self.fleet, &mut self.record);
        record.check("an agent says how it is", agents::status(fleet));
        record.check(
            "an agent explains where an address leads",
            agents::explain(fleet, cast),
        );
    }

    fn restart(&mut self, cast: &Cast) {
        let (fleet, record) = (&*self.fleet, &mut self.record);
        record.say("traffic without any event, as a control");
        let control = rollout::control(fleet, cast);
        record.check("undisturbed traffic loses nothing", control);
        record.say("kubectl rollout restart of both DaemonSets under traffic");
        match rollout::restarted(fleet, cast) {
            Ok(restart) => {
                record.check("every agent replaced loses no packet", restart.traffic());
                record.check("and writes no route", restart.silence());
            }
            Err(error) => record.check("every agent can be replaced", Err(error)),
        }
    }
}
