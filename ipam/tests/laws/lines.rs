//! A lease changed by its line alone comes out as if all had been read.

use crate::builders::{BOOT, active, boot, key, no_pods, request};
use gingham_ipam::{LeaseError, LeaseStore, Request, StoreError, Supply};
use gingham_model::Family;
use proptest::prelude::*;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

/// What happens to one of a few pods.
#[derive(Clone, Copy, Debug)]
enum Step {
    Reserve,
    Confirm,
    Release,
}

/// Two stores, of which one changes lines.
struct Pair {
    _dirs: [TempDir; 2],
    by_line: LeaseStore,
    whole: LeaseStore,
}

impl Pair {
    fn new() -> Self {
        let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [by_line, whole] = dirs.each_ref().map(|dir| LeaseStore::new(dir.path()));
        Pair {
            _dirs: dirs,
            by_line,
            whole,
        }
    }

    /// The same in both; they must agree about how it went.
    fn take(&self, step: Step, pod: &str, now: u64) {
        let (by_line, whole) = match step {
            Step::Reserve => (
                self.reserve(&self.by_line, pod, now),
                self.reserve(&self.whole, pod, now),
            ),
            Step::Confirm => {
                let by_line =
                    (self.by_line).confirm(&boot(), DEADLINE, &no_pods(), (&key(pod), now));
                let whole = self.whole.update(&boot(), DEADLINE, &no_pods(), |leases| {
                    leases.confirm(&key(pod), now)
                });
                (by_line, whole)
            }
            Step::Release => {
                let Request { key, host_if, .. } = request(pod);
                let of = (&key, host_if.as_str(), now);
                let by_line = self.by_line.release(&boot(), DEADLINE, &no_pods(), of);
                let whole = self.whole.update(&boot(), DEADLINE, &no_pods(), |leases| {
                    leases.release(&key, &host_if, now);
                    Ok::<(), StoreError>(())
                });
                (
                    by_line.map_err(LeaseError::from),
                    whole.map_err(LeaseError::from),
                )
            }
        };
        let words = |outcome: Result<(), LeaseError>| outcome.map_err(|error| error.to_string());
        assert_eq!(words(by_line), words(whole), "{step:?} of {pod:?}");
    }

    fn reserve(&self, store: &LeaseStore, pod: &str, now: u64) -> Result<(), LeaseError> {
        let blocks = [active("10.64.0.0/29"), active("fd00:10::/125")];
        let supply = Supply {
            blocks: &blocks,
            families: &Family::ALL,
            cooldown: 3,
        };
        store.update(&boot(), DEADLINE, &no_pods(), |leases| {
            leases.reserve(request(pod), &supply, now).map(drop)
        })
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Reserve),
        Just(Step::Confirm),
        Just(Step::Release)
    ]
}

proptest! {
    #[test]
    fn a_line_changed_is_as_good_as_all_read(
        // Of a name that is the beginning of another, and of names that JSON writes otherwise.
        steps in prop::collection::vec((step(), prop::sample::select(&["1", "12", "2", "\"\\", "ä\n"][..])), 1..40)
    ) {
        let pair = Pair::new();
        for (now, (step, pod)) in (7..).zip(steps) {
            pair.take(step, pod, now);
            let files = [&pair.by_line, &pair.whole].map(|store| fs::read_to_string(store.path()).ok());
            prop_assert_eq!(&files[0], &files[1]);
        }
    }
}

#[test]
fn what_is_not_in_our_form_is_read_as_a_whole() {
    let line = r#"{"network":"gingham","containerId":"1","ifname":"eth0","pod":"a/b","v4":"10.64.0.1","mac":"02:67:00:00:00:01","hostIf":"gh1","state":"Intent","since":7}"#;
    let head = format!(r#"{{"version":1,"bootId":"{BOOT}","cursors":{{}},"leases":["#);
    for file in [
        format!("{head}{line}]}}"),
        format!("{head}\n  {line}]}}\n"),
        format!(
            "{head}\n{}]}}\n",
            line.replace(r#","ifname":"eth0""#, "")
                .replace("}", r#","ifname":"eth0"}"#)
        ),
        format!(" {head}\n{line}]}}\n"),
    ] {
        let pair = Pair::new();
        fs::write(pair.by_line.path(), &file).unwrap();
        pair.by_line
            .confirm(&boot(), DEADLINE, &no_pods(), (&key(1), 9))
            .unwrap();
        assert_eq!(
            pair.by_line.read(&boot()).unwrap().live()[0].since,
            9,
            "{file}"
        );
    }
}

#[test]
fn fields_of_a_later_release_stay() {
    let pair = Pair::new();
    pair.take(Step::Reserve, "1", 7);
    let file = fs::read_to_string(pair.by_line.path()).unwrap();
    let later = file.replace(r#""since":7"#, r#""since":7,"policy":{"a":[]}"#);
    fs::write(pair.by_line.path(), later).unwrap();
    for step in [Step::Confirm, Step::Release] {
        pair.take(step, "1", 8);
        let file = fs::read_to_string(pair.by_line.path()).unwrap();
        assert!(file.contains(r#""policy":{"a":[]}"#), "{file}");
    }
}
