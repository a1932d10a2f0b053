//! The figures, as a table or as JSON.

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;
use std::io::Write;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

/// One figure.
#[derive(Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// What is to be reached; said, not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'static str>,
}

impl Figure {
    pub(crate) fn new(name: &str, value: f64, unit: &'static str) -> Self {
        Figure {
            name: name.to_owned(),
            value,
            unit,
            target: None,
        }
    }

    pub(crate) fn target(self, target: &'static str) -> Self {
        Figure {
            target: Some(target),
            ..self
        }
    }
}

pub(crate) fn print(figures: &[Figure], output: Output) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    if let Output::Json = output {
        let report = json!({"version": 1, "figures": figures});
        writeln!(stdout, "{}", serde_json::to_string_pretty(&report)?)?;
        return Ok(());
    }
    writeln!(
        stdout,
        "{:54} {:>10} {:6} TARGET",
        "FIGURE", "VALUE", "UNIT"
    )?;
    for figure in figures {
        let Figure {
            name,
            value,
            unit,
            target,
        } = figure;
        let target = target.unwrap_or("-");
        writeln!(stdout, "{name:54} {value:10.2} {unit:6} {target}")?;
    }
    Ok(())
}
