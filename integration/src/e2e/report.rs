//! What a run says of each spec: ginkgo's report in JSON, of which this much is read.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Lines of a failed spec's own story that are kept.
const LAST_LINES: usize = 60;

/// How a spec ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The spec.
    pub name: String,
    /// ginkgo's word for it.
    pub state: String,
    /// How long it took.
    pub took: Duration,
    /// Of one that did not pass: why, and the end of its story.
    pub said: String,
}

impl Verdict {
    /// Whether it ran to its end and found everything right.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.state == "passed"
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:.0?}: {}", self.state, self.took, self.name)?;
        if self.said.is_empty() {
            return Ok(());
        }
        write!(f, "\n{}", self.said)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Suite {
    spec_reports: Vec<Report>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    #[serde(default)]
    container_hierarchy_texts: Option<Vec<String>>,
    leaf_node_text: String,
    state: String,
    /// In nanoseconds.
    run_time: u64,
    #[serde(default)]
    failure: Option<Failure>,
    #[serde(default)]
    captured_ginkgo_writer_output: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    message: String,
}

impl Report {
    fn name(&self) -> String {
        let mut texts = self.container_hierarchy_texts.clone().unwrap_or_default();
        texts.push(self.leaf_node_text.clone());
        texts.join(" ")
    }

    fn verdict(self) -> Verdict {
        let said = self.failure.as_ref().map(|failure| {
            let lines: Vec<&str> = self.captured_ginkgo_writer_output.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            format!("{}\n{}", failure.message, last.join("\n"))
        });
        Verdict {
            name: self.name(),
            took: Duration::from_nanos(self.run_time),
            said: said.unwrap_or_default(),
            state: self.state,
        }
    }
}

/// The verdict on each of these specs, in their order.
pub(super) fn verdicts(report: &[u8], names: &[&str]) -> Result<Vec<Verdict>> {
    let suites: Vec<Suite> = serde_json::from_slice(report).context("ginkgo's report")?;
    let reports = suites.into_iter().flat_map(|suite| suite.spec_reports);
    let mut found: BTreeMap<String, Report> =
        reports.map(|report| (report.name(), report)).collect();
    let verdict = |name: &&str| {
        let report = found.remove(*name);
        let report = report.with_context(|| format!("ginkgo's report lacks {name}"));
        report.map(Report::verdict)
    };
    names.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"[{"SuitePath": "x", "SpecReports": [
        {"ContainerHierarchyTexts": null, "LeafNodeType": "BeforeSuite", "LeafNodeText": "", "State": "passed", "RunTime": 1},
        {"ContainerHierarchyTexts": ["[sig-network] A", "b"], "LeafNodeText": "c", "State": "passed", "RunTime": 2000000000},
        {"ContainerHierarchyTexts": ["[sig-network] A"], "LeafNodeText": "d", "State": "failed", "RunTime": 3000000000,
         "Failure": {"Message": "no answer"}, "CapturedGinkgoWriterOutput": "first\nsecond\n"}]}]"#;

    #[test]
    fn every_spec_asked_for_has_its_verdict() {
        let names = ["[sig-network] A d", "[sig-network] A b c"];
        let verdicts = verdicts(REPORT.as_bytes(), &names).unwrap();
        assert_eq!(
            verdicts[0].to_string(),
            "failed in 3s: [sig-network] A d\nno answer\nfirst\nsecond"
        );
        assert!(!verdicts[0].passed() && verdicts[1].passed());
        assert_eq!(verdicts[1].to_string(), "passed in 2s: [sig-network] A b c");
    }

    #[test]
    fn one_that_the_report_lacks_is_named() {
        let error = verdicts(REPORT.as_bytes(), &["[sig-network] gone"]).unwrap_err();
        assert!(error.to_string().contains("[sig-network] gone"), "{error}");
    }
}
