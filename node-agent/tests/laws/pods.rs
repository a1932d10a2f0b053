//! Repairs and the audit, over worlds of which every part may be there, missing or bent.

mod world;

use gingham_agent::pods::{Audit, Datapath, Finding, Repair, SPACING, Step, repairs};
use gingham_ipam::{Leases, Recovered};
use gingham_model::{Change, POD_LINK_GROUP, Route};
use proptest::prelude::*;
use world::{FOREIGN, Kernel, NOW, Pod, any_pods, leases};

/// What disagrees in one look, by an audit that sees nothing else.
fn disagreements(leases: &Leases, datapath: &Datapath, now: u64) -> Vec<Finding> {
    let mut audit = Audit::default();
    audit.observe(leases, datapath, now);
    audit.observe(leases, datapath, now + SPACING)
}

fn concerns(finding: &Finding, pod: &Pod) -> bool {
    match finding {
        Finding::Leaked(lease) | Finding::Abandoned(lease) => lease.host_if == pod.host_if(),
        Finding::Adopt(Recovered { host_if, .. }) => *host_if == pod.host_if(),
        Finding::Orphan { host_if, .. } => *host_if == pod.host_if(),
        Finding::StrayRoute(route) => pod.addresses().map(|a| pod.right(a)).contains(route),
    }
}

proptest! {
    #[test]
    fn a_healthy_world_is_left_alone(count in 0u8..6) {
        let pods: Vec<Pod> = (0..count).map(Pod::healthy).collect();
        let (leases, datapath) = (leases(&pods), Kernel::of(&pods).datapath());
        prop_assert_eq!(repairs(&leases, &datapath), []);
        prop_assert_eq!(disagreements(&leases, &datapath, NOW), []);
    }

    /// But for a foreign route, which is reported again.
    #[test]
    fn what_is_repaired_needs_no_repair(pods in any_pods()) {
        let (leases, mut kernel) = (leases(&pods), Kernel::of(&pods));
        let foreign: Vec<Route> =
            kernel.routes.iter().filter(|route| route.protocol == FOREIGN).cloned().collect();
        let first = repairs(&leases, &kernel.datapath());
        first.iter().for_each(|repair| kernel.mend(repair));
        for Repair { step, .. } in repairs(&leases, &kernel.datapath()) {
            let Step::Route(Change::Add(route)) = &step else {
                return Err(TestCaseError::fail(format!("{step:?}")));
            };
            prop_assert!(foreign.iter().any(|other| other.key == route.key), "{step:?}");
        }
        let kept = kernel.routes.iter().filter(|route| route.protocol == FOREIGN);
        prop_assert_eq!(kept.cloned().collect::<Vec<_>>(), foreign);
    }

    #[test]
    fn only_what_is_held_is_repaired(pods in any_pods()) {
        let (leases, datapath) = (leases(&pods), Kernel::of(&pods).datapath());
        for repair in repairs(&leases, &datapath) {
            let pod = pods.iter().find(|pod| pod.host_if() == repair.host_if).unwrap();
            prop_assert!(matches!(pod.lease, Some(("Held", _))), "{repair}");
            prop_assert_eq!(repair.dev, pod.dev());
        }
    }

    #[test]
    fn an_add_at_work_is_left_alone(pods in any_pods()) {
        let (leases, datapath) = (leases(&pods), Kernel::of(&pods).datapath());
        let findings = disagreements(&leases, &datapath, NOW);
        for pod in pods.iter().filter(|pod| pod.is_young_intent()) {
            let touched: Vec<_> = findings.iter().filter(|f| concerns(f, pod)).collect();
            prop_assert!(touched.is_empty(), "{touched:?}");
        }
    }

    /// Reported is what every look has shown since one that lies long enough back; that and no more.
    #[test]
    fn nothing_is_believed_at_the_first_sight(
        worlds in [any_pods(), any_pods()],
        looks in prop::collection::vec((0usize..2, 0u64..12), 1..20),
    ) {
        let worlds = worlds.map(|pods| (leases(&pods), Kernel::of(&pods).datapath()));
        let (mut audit, mut now, mut history) = (Audit::default(), NOW, Vec::new());
        for (world, wait) in looks {
            now += wait;
            let (leases, datapath) = &worlds[world];
            let odd = disagreements(leases, datapath, now);
            history.push((now, odd.clone()));
            let lasting = |finding: &&Finding| {
                let run = history.iter().rev().take_while(|(_, odd)| odd.contains(finding));
                run.map(|(at, _)| now - at).max() >= Some(SPACING)
            };
            let expected: Vec<&Finding> = odd.iter().filter(lasting).collect();
            let observed = audit.observe(leases, datapath, now);
            prop_assert_eq!(observed.iter().collect::<Vec<_>>(), expected);
            let again = audit.next();
            prop_assert!(again.is_none_or(|at| at > now));
            prop_assert!(again.is_some() || odd.is_empty());
        }
    }

    /// And then only once, and only where no lease is live.
    #[test]
    fn a_fresh_agent_adopts_at_the_first_sight(pods in any_pods()) {
        let (some, none) = (leases(&pods), leases(&[]));
        let datapath = Kernel::of(&pods).datapath();
        let adoptions = |leases| {
            let mut odd = disagreements(leases, &datapath, NOW);
            odd.retain(|finding| matches!(finding, Finding::Adopt(_)));
            odd
        };
        let mut audit = Audit::fresh();
        prop_assert_eq!(audit.observe(&none, &datapath, NOW), adoptions(&none));
        prop_assert_eq!(audit.observe(&none, &datapath, NOW + 1), []);
        let expected = if some.live().is_empty() { adoptions(&some) } else { vec![] };
        prop_assert_eq!(Audit::fresh().observe(&some, &datapath, NOW), expected);
    }
}

#[test]
fn what_is_adopted_is_what_the_kernel_still_tells() {
    let mut pod = Pod::healthy(3);
    let [v4, v6] = pod.addresses();
    let whole = Recovered {
        host_if: "gh3".into(),
        pod: "shop/web-3".into(),
        v4: v4.to_string().parse().ok(),
        v6: v6.to_string().parse().ok(),
        mac: Pod::mac(3),
    };
    let adopted = |kernel: &Kernel| disagreements(&leases(&[]), &kernel.datapath(), NOW);
    let kernel = Kernel::of(&[pod.clone()]);
    assert_eq!(adopted(&kernel), [Finding::Adopt(whole.clone())]);

    let mut routes_gone = kernel.clone();
    routes_gone.routes.clear();
    assert_eq!(adopted(&routes_gone), [Finding::Adopt(whole.clone())]);

    let mut learned = kernel.clone();
    learned
        .neighbours
        .iter_mut()
        .for_each(|n| n.permanent = false);
    assert_eq!(adopted(&learned), [Finding::Adopt(whole.clone())]);

    let mut of_a_container = kernel.clone();
    of_a_container.links[1].alias = Some("c3 eth0".into());
    let nameless = Recovered {
        pod: String::new(),
        ..whole
    };
    assert_eq!(adopted(&of_a_container), [Finding::Adopt(nameless)]);

    let mut unknown = kernel.clone();
    unknown.neighbours.clear();
    assert_eq!(adopted(&unknown), [], "until the pod is heard of");

    pod.end = None;
    assert_eq!(adopted(&Kernel::of(&[pod])), []);
}

#[test]
fn a_link_of_another_group_or_name_is_none_of_ours() {
    let mut kernel = Kernel::default();
    kernel.link(10, "gh0", 0);
    kernel.link(11, "eth1", POD_LINK_GROUP);
    assert_eq!(disagreements(&leases(&[]), &kernel.datapath(), NOW), []);
}

#[test]
fn an_intent_is_looked_at_again_when_it_is_too_old() {
    let pods = [Pod {
        lease: Some(("Intent", NOW)),
        ..Pod::healthy(1)
    }];
    let (leases, datapath) = (leases(&pods), Kernel::of(&pods).datapath());
    let mut audit = Audit::default();
    assert_eq!(audit.observe(&leases, &datapath, NOW), []);
    for (now, next) in [(NOW + 300, NOW + 310), (NOW + 310, NOW + 320)] {
        assert_eq!(audit.next(), Some(now));
        let findings = audit.observe(&leases, &datapath, now);
        assert_eq!(findings.len(), usize::from(now == NOW + 310));
        assert_eq!(audit.next(), Some(next));
    }
}
