//! Checks: what was looked at, how it came out, and on what evidence.

use anyhow::Result;
use std::fmt;

/// One thing checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What should hold, as a statement.
    pub name: String,
    /// Whether it does: the evidence, or what was seen instead.
    pub outcome: Result<String, String>,
}

/// The checks so far, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    /// Adds a check. An error is a failed check, not the end of the others.
    pub fn record(&mut self, name: &str, outcome: Result<String>) -> &Check {
        let check = Check {
            name: name.to_owned(),
            outcome: outcome.map_err(|error| format!("{error:#}")),
        };
        self.checks.push(check);
        &self.checks[self.checks.len() - 1]
    }

    /// Number of checks that failed.
    pub fn failed(&self) -> usize {
        self.checks
            .iter()
            .filter(|check| check.outcome.is_err())
            .count()
    }

    /// Number of checks.
    pub fn total(&self) -> usize {
        self.checks.len()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, evidence) = match &self.outcome {
            Ok(evidence) => ("ok", evidence),
            Err(seen) => ("FAILED", seen),
        };
        write!(f, "{mark:<6}  {}", self.name)?;
        evidence
            .lines()
            .try_for_each(|line| write!(f, "\n          {line}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checks
            .iter()
            .try_for_each(|check| writeln!(f, "{check}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn a_failed_check_stands_out() {
        let mut report = Report::default();
        report.record("a holds", Ok("seen".to_owned()));
        report.record("b holds", Err(anyhow!("3 lost\nof 5")));
        assert_eq!(report.failed(), 1);
        assert_eq!(
            report.to_string(),
            "ok      a holds\n          seen\nFAILED  b holds\n          3 lost\n          of 5\n"
        );
    }
}
