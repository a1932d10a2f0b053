use super::*;

const AT_ALL: Outcome = Outcome {
    looked: Looked::AtAll,
    failed: false,
};
const FAILED: Outcome = Outcome {
    failed: true,
    ..AT_ALL
};

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A schedule whose first round is over.
fn at_rest(now: Instant) -> Schedule {
    let mut schedule = Schedule::new(now);
    schedule.begin(now);
    schedule.end(now, AT_ALL, 0);
    schedule
}

#[test]
fn a_burst_of_marks_makes_one_round_that_is_not_put_off() {
    let start = Instant::now();
    assert_eq!(Schedule::new(start).next(), start);
    let mut schedule = at_rest(start);
    for mark in 0..10 {
        schedule.marked(start + milliseconds(mark * 10));
    }
    assert_eq!(schedule.next(), start + SETTLE);
}

#[test]
fn what_bgp_learns_is_answered_at_once_and_leaves_time_for_others() {
    let start = Instant::now();
    let mut schedule = at_rest(start);
    schedule.marked(start);
    schedule.learned(start);
    schedule.learned(start + milliseconds(4));
    assert_eq!(schedule.next(), start + QUIET);
    let (begun, took) = (start + QUIET, milliseconds(80));
    schedule.begin(begun);
    schedule.end(begun + took, AT_ALL, 0);
    schedule.learned(begun + took);
    assert_eq!(schedule.next(), begun + took * 5 / 4);
    schedule.begin(begun + took * 2);
    schedule.end(begun + took * 3, AT_ALL, 0);
    let later = begun + took * 10;
    schedule.learned(later);
    assert_eq!(schedule.next(), later + QUIET);
}

#[test]
fn news_of_the_kernel_are_answered_when_they_pause_and_soon_in_any_case() {
    let start = Instant::now();
    let mut schedule = at_rest(start);
    schedule.heard(start);
    assert_eq!(schedule.next(), start + QUIET);
    schedule.heard(start + milliseconds(3));
    assert_eq!(schedule.next(), start + milliseconds(3) + QUIET);
    for news in 0..100 {
        schedule.heard(start + milliseconds(news));
    }
    assert_eq!(schedule.next(), start + LONGEST_BURST);
}

#[test]
fn a_storm_gets_ever_less_of_our_time_and_calm_ends_it() {
    let mut now = Instant::now();
    let took = milliseconds(40);
    let mut schedule = at_rest(now);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        schedule.heard(now);
        now = schedule.next();
        schedule.begin(now);
        now += took;
        schedule.end(now, AT_ALL, 0);
        schedule.heard(now);
        pauses.push((schedule.next() - now).as_millis());
    }
    assert_eq!(pauses, [10, 20, 40, 80, 80, 80, 80, 80]);
    let calm = schedule.next() + CALM * 2;
    schedule.begin(calm);
    schedule.end(calm + took, AT_ALL, 0);
    schedule.heard(calm + took);
    assert_eq!(schedule.next(), calm + took + took / 4);
}

#[test]
fn what_is_put_off_is_due_once() {
    let now = Instant::now();
    let mut schedule = at_rest(now);
    schedule.put_off(Some(now + milliseconds(700)));
    assert_eq!(schedule.next(), now + milliseconds(700));
    assert_eq!(schedule.begin(now + milliseconds(700)), [Cause::Due]);
    assert_eq!(schedule.begin(now + milliseconds(701)), []);
}

#[test]
fn failures_are_retried_ever_more_slowly_until_one_round_is_well() {
    let now = Instant::now();
    let mut schedule = Schedule::new(now);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        schedule.begin(now);
        schedule.end(now, FAILED, 0);
        pauses.push((schedule.next() - now).as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(schedule.begin(now + FULL), [Cause::Retry, Cause::Timer]);
    schedule.end(now, AT_ALL, 0);
    assert_eq!(schedule.next(), now + FULL);
}

#[test]
fn a_look_at_the_pods_puts_off_nothing() {
    let now = Instant::now();
    let mut schedule = Schedule::new(now);
    schedule.begin(now);
    schedule.end(now, FAILED, 0);
    schedule.marked(now);
    schedule.begin(now);
    let pods = Outcome {
        looked: Looked::AtPods,
        failed: false,
    };
    schedule.end(now + SETTLE, pods, 0);
    assert_eq!(schedule.next(), now + RETRY_FIRST);
}

#[test]
fn agents_drift_apart_but_never_look_too_seldom() {
    let now = Instant::now();
    for jitter in [0, 1, 2_999, 3_000, u64::MAX] {
        let mut schedule = Schedule::new(now);
        schedule.begin(now);
        schedule.end(now, AT_ALL, jitter);
        let pause = schedule.next() - now;
        assert!(pause <= FULL && pause > FULL * 9 / 10, "{pause:?}");
    }
}
