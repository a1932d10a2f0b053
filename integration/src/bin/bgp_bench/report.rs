//! The figures, as a table or as JSON.

use crate::metric::{Metric, Sample};
use crate::rival::Rival;
use crate::size::Size;
use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// What stands above the numbers.
const HEADS: [&str; 5] = ["MIN", "MEDIAN", "MAX", "/GINGHAM", "/BEST PEER"];

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

/// Everything that was measured, and how.
pub(crate) struct Report {
    /// Name and value of what else must be known to repeat it.
    pub(crate) conditions: Vec<(&'static str, String)>,
    /// The rounds of each rival at each size; none where it was left out.
    pub(crate) samples: BTreeMap<(Size, Rival), Vec<Sample>>,
}

/// The least, the middle and the most of the rounds.
#[derive(Clone, Copy)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
    /// How many rounds these are of.
    rounds: usize,
}

/// One figure of all rivals at one size.
struct Row {
    size: Size,
    metric: Metric,
    /// `None`: not measured, or not in time.
    cells: Vec<(Rival, Option<Spread>)>,
}

impl Report {
    pub(crate) fn print(&self, output: Output) -> Result<()> {
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
        let mut size = None;
        for row in self.rows() {
            if size.replace(row.size) != Some(row.size) {
                writeln!(stdout, "\n{} (clients x prefixes of each)", row.size)?;
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

    fn rows(&self) -> Vec<Row> {
        let mut sizes: Vec<Size> = self.samples.keys().map(|(size, _)| *size).collect();
        sizes.dedup();
        let rows = sizes.into_iter().flat_map(|size| {
            let row = move |metric| Row {
                size,
                metric,
                cells: self.cells(size, metric),
            };
            self.metrics(size).into_iter().map(row)
        });
        rows.collect()
    }

    /// What was measured of at least one.
    fn metrics(&self, size: Size) -> BTreeSet<Metric> {
        let at_size = self.samples.iter().filter(|((at, _), _)| *at == size);
        let samples = at_size.flat_map(|(_, samples)| samples);
        samples.flat_map(Sample::keys).copied().collect()
    }

    fn cells(&self, size: Size, metric: Metric) -> Vec<(Rival, Option<Spread>)> {
        let at_size = self.samples.iter().filter(|((at, _), _)| *at == size);
        let cell = |((_, rival), samples): (&(Size, Rival), &Vec<Sample>)| {
            let values = samples.iter().filter_map(|sample| sample.get(&metric));
            (*rival, Spread::of(values.copied().collect()))
        };
        at_size.map(cell).collect()
    }
}

impl Row {
    fn ours(&self) -> Option<f64> {
        let mut cells = self.cells.iter();
        let (_, spread) = cells.find(|(rival, _)| *rival == Rival::Gingham)?;
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
        let (mut what, unit) = self.metric.describe();
        let mut lines = Vec::new();
        for (rival, spread) in &self.cells {
            let numbers = match spread {
                None => ["-", "", "", "", ""].map(str::to_owned),
                Some(spread) => [
                    number(spread.least),
                    number(spread.median),
                    number(spread.most),
                    ratio(spread.median, self.ours()),
                    ratio(spread.median, self.best_peer()),
                ],
            };
            let words = numbers.each_ref().map(String::as_str);
            lines.push(line([what, unit, &rival.to_string()], words));
            what = "";
        }
        lines
    }

    fn json(&self) -> Vec<Value> {
        let (what, unit) = self.metric.describe();
        let figure = |(rival, spread): &(Rival, Option<Spread>)| {
            json!({
                "size": self.size.to_string(),
                "figure": what,
                "unit": unit,
                "who": rival.to_string(),
                "min": spread.map(|spread| spread.least),
                "median": spread.map(|spread| spread.median),
                "max": spread.map(|spread| spread.most),
                "rounds": spread.map_or(0, |spread| spread.rounds),
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

fn line([what, unit, who]: [&str; 3], [min, median, max, ours, best]: [&str; 5]) -> String {
    let line =
        format!("{what:34} {unit:4} {who:8} {min:>9} {median:>9} {max:>9} {ours:>9} {best:>11}");
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

    #[test]
    fn the_middle_of_an_odd_number_is_one_of_them() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.0, 3.0));
        assert!(Spread::of(Vec::new()).is_none());
    }

    #[test]
    fn the_floor_is_no_peer() {
        let size = Size {
            clients: 3,
            each: 9,
        };
        let sample = |value| vec![Sample::from([(Metric::FloodWall, value)])];
        let report = Report {
            conditions: Vec::new(),
            samples: BTreeMap::from([
                ((size, Rival::Gingham), sample(1.0)),
                ((size, Rival::Bird), sample(4.0)),
                ((size, Rival::Frr), sample(3.0)),
                ((size, Rival::Floor), sample(0.5)),
            ]),
        };
        let rows = report.rows();
        let flood = rows.iter().find(|row| row.metric == Metric::FloodWall);
        let flood = flood.unwrap();
        assert_eq!((flood.ours(), flood.best_peer()), (Some(1.0), Some(3.0)));
        assert_eq!(ratio(4.0, flood.ours()), "4.00");
    }
}
