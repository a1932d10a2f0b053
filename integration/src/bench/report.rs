//! The figures of rounds, as a table or as JSON.

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::Write;
use std::time::Duration;

/// What stands above the numbers.
const HEADS: [&str; 7] = [
    "MIN",
    "MEDIAN",
    "MAX",
    "/GINGHAM",
    "/BEST PEER",
    "/FLOOR",
    "TARGET",
];

/// How to print a report.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What is measured; in the order of a report.
pub trait Figure: Copy + Ord {
    /// What it is, and its unit.
    fn describe(self) -> (&'static str, &'static str);

    /// What ours is to reach; said, not judged.
    fn target(self) -> Option<&'static str> {
        None
    }
}

/// Who is measured; in the order of a report.
pub trait Rival: Copy + Ord + Display {
    /// Whether it is the one the others are compared with.
    fn is_ours(self) -> bool;

    /// Whether it is one to be ahead of: neither ours nor a floor.
    fn is_peer(self) -> bool;
}

/// The figures of one run; one that could not be taken is absent.
pub type Sample<F> = BTreeMap<F, f64>;

/// The rounds of each rival in each case; none where it was left out.
pub type Samples<C, R, F> = BTreeMap<(C, R), Vec<Sample<F>>>;

/// Everything that was measured, and how.
#[derive(Debug)]
pub struct Report<C, R, F> {
    /// Name and value of what else must be known to repeat it.
    pub conditions: Vec<(&'static str, String)>,
    /// What a case says, as in `100x10 (clients x prefixes of each)`.
    pub cases: &'static str,
    /// What came of it.
    pub samples: Samples<C, R, F>,
}

/// The least, the middle and the most of the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
    /// How many rounds these are of.
    rounds: usize,
}

/// One figure of all rivals in one case.
struct Row<C, R, F> {
    case: C,
    figure: F,
    /// `None`: not measured, or not in time.
    cells: Vec<(R, Option<Spread>)>,
}

impl<C: Copy + Ord + Display, R: Rival, F: Figure> Report<C, R, F> {
    /// Prints it to the standard output.
    ///
    /// # Errors
    /// Nobody reads.
    pub fn print(&self, output: Output) -> Result<()> {
        match output {
            Output::Table => self.print_table(),
            Output::Json => self.print_json(),
        }
    }

    fn print_table(&self) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        for (name, value) in &self.conditions {
            writeln!(stdout, "{name}: {value}")?;
        }
        let mut case = None;
        for row in self.rows() {
            if case.replace(row.case) != Some(row.case) {
                writeln!(stdout, "\n{} ({})", row.case, self.cases)?;
                writeln!(stdout, "{}", line(["FIGURE", "UNIT", "WHO"], HEADS))?;
            }
            for line in row.lines() {
                writeln!(stdout, "{line}")?;
            }
        }
        Ok(())
    }

    fn print_json(&self) -> Result<()> {
        let conditions = self.conditions.iter();
        let conditions: BTreeMap<_, _> = conditions.map(|(name, value)| (*name, value)).collect();
        let figures: Vec<Value> = self.rows().iter().flat_map(Row::json).collect();
        let report = json!({"version": 1, "conditions": conditions, "figures": figures});
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", serde_json::to_string_pretty(&report)?)?;
        Ok(())
    }

    fn rows(&self) -> Vec<Row<C, R, F>> {
        let mut cases: Vec<C> = self.samples.keys().map(|(case, _)| *case).collect();
        cases.dedup();
        let rows = cases.into_iter().flat_map(|case| {
            let row = move |figure| Row {
                case,
                figure,
                cells: self.cells(case, figure),
            };
            self.figures(case).into_iter().map(row)
        });
        rows.collect()
    }

    /// What was measured of at least one.
    fn figures(&self, case: C) -> BTreeSet<F> {
        let here = self.samples.iter().filter(|((at, _), _)| *at == case);
        let samples = here.flat_map(|(_, samples)| samples);
        samples.flat_map(Sample::keys).copied().collect()
    }

    fn cells(&self, case: C, figure: F) -> Vec<(R, Option<Spread>)> {
        let here = self.samples.iter().filter(|((at, _), _)| *at == case);
        let cell = |((_, rival), samples): (&(C, R), &Vec<Sample<F>>)| {
            let values = samples.iter().filter_map(|sample| sample.get(&figure));
            (*rival, Spread::of(values.copied().collect()))
        };
        here.map(cell).collect()
    }
}

impl<C: Display, R: Rival, F: Figure> Row<C, R, F> {
    fn ours(&self) -> Option<f64> {
        self.median(|rival| rival.is_ours())
    }

    fn floor(&self) -> Option<f64> {
        self.median(|rival| !rival.is_ours() && !rival.is_peer())
    }

    fn median(&self, is_meant: impl Fn(R) -> bool) -> Option<f64> {
        let mut cells = self.cells.iter();
        let (_, spread) = cells.find(|(rival, _)| is_meant(*rival))?;
        spread.map(|spread| spread.median)
    }

    /// The least of those we are to be ahead of.
    fn best_peer(&self) -> Option<f64> {
        let peers = self.cells.iter().filter(|(rival, _)| rival.is_peer());
        let medians = peers.filter_map(|(_, spread)| Some((*spread)?.median));
        medians.min_by(f64::total_cmp)
    }

    /// Only the first names the figure.
    fn lines(&self) -> Vec<String> {
        let (mut what, unit) = self.figure.describe();
        let mut lines = Vec::new();
        for (rival, spread) in &self.cells {
            let mut words = match spread {
                None => ["-", "", "", "", "", "", ""].map(str::to_owned),
                Some(spread) => [
                    number(spread.least),
                    number(spread.median),
                    number(spread.most),
                    ratio(spread.median, self.ours()),
                    ratio(spread.median, self.best_peer()),
                    ratio(spread.median, self.floor()),
                    String::new(),
                ],
            };
            if let Some(target) = self.figure.target().filter(|_| rival.is_ours()) {
                words[6] = target.to_owned();
            }
            let words = words.each_ref().map(String::as_str);
            lines.push(line([what, unit, &rival.to_string()], words));
            what = "";
        }
        lines
    }

    fn json(&self) -> Vec<Value> {
        let (what, unit) = self.figure.describe();
        let figure = |(rival, spread): &(R, Option<Spread>)| {
            json!({
                "size": self.case.to_string(),
                "figure": what,
                "unit": unit,
                "who": rival.to_string(),
                "min": spread.map(|spread| spread.least),
                "median": spread.map(|spread| spread.median),
                "max": spread.map(|spread| spread.most),
                "rounds": spread.map_or(0, |spread| spread.rounds),
                "target": self.figure.target().filter(|_| rival.is_ours()),
            })
        };
        self.cells.iter().map(figure).collect()
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Spread {
            least: *values.first()?,
            median: *values.get(values.len() / 2)?,
            most: *values.last()?,
            rounds: values.len(),
        })
    }
}

/// A duration as reports give it.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn line(
    [what, unit, who]: [&str; 3],
    [min, median, max, ours, best, floor, target]: [&str; 7],
) -> String {
    let line = format!(
        "{what:38} {unit:4} {who:8} {min:>9} {median:>9} {max:>9} {ours:>9} {best:>11} {floor:>7} {target}"
    );
    line.trim_end().to_owned()
}

/// With as many digits as say something.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 1000.0 {
        return format!("{value:.0}");
    }
    format!("{value:.2}")
}

/// How often `other` fits into it.
fn ratio(value: f64, other: Option<f64>) -> String {
    match other {
        Some(other) if other > 0.0 => format!("{:.2}", value / other),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Who {
        Gingham,
        Bird,
        Frr,
        Floor,
    }

    impl Display for Who {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl Rival for Who {
        fn is_ours(self) -> bool {
            self == Who::Gingham
        }

        fn is_peer(self) -> bool {
            matches!(self, Who::Bird | Who::Frr)
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct Flood;

    impl Figure for Flood {
        fn describe(self) -> (&'static str, &'static str) {
            ("flood", "ms")
        }

        fn target(self) -> Option<&'static str> {
            Some("at most the best peer")
        }
    }

    #[test]
    fn the_middle_of_an_odd_number_is_one_of_them() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.0, 3.0));
        assert!(Spread::of(Vec::new()).is_none());
    }

    #[test]
    fn the_floor_is_no_peer() {
        let sample = |value| vec![Sample::from([(Flood, value)])];
        let report = Report {
            conditions: Vec::new(),
            cases: "prefixes",
            samples: BTreeMap::from([
                ((9, Who::Gingham), sample(1.0)),
                ((9, Who::Bird), sample(4.0)),
                ((9, Who::Frr), sample(3.0)),
                ((9, Who::Floor), sample(0.5)),
            ]),
        };
        let rows = report.rows();
        let [flood] = &rows[..] else {
            panic!("{} rows", rows.len());
        };
        assert_eq!((flood.ours(), flood.best_peer()), (Some(1.0), Some(3.0)));
        assert_eq!(flood.floor(), Some(0.5));
        assert_eq!(ratio(4.0, flood.ours()), "4.00");
        let lines = flood.lines();
        assert!(lines[0].ends_with("at most the best peer"), "{}", lines[0]);
        assert!(!lines[1].contains("at most"), "{}", lines[1]);
    }
}
