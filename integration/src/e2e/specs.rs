//! The list of specs: under each heading those it speaks of, one a line.

use super::GROUP;
use anyhow::{Result, bail, ensure};
use std::collections::BTreeSet;

/// A spec, and whether it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its whole name.
    pub name: String,
    /// Where it belongs.
    pub place: Place,
}

/// Whether a spec is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In every run of the tests.
    Quick,
    /// In a run of all tests.
    Long,
    /// Never, for this reason.
    LeftOut(String),
}

const HEADING: &str = "== ";

pub(super) fn parse(text: &str) -> Result<Vec<Spec>> {
    let mut specs = Vec::new();
    let mut names = BTreeSet::new();
    let mut place = None;
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        if let Some(words) = line.strip_prefix(HEADING) {
            place = Some(heading(words, number)?);
            continue;
        }
        ensure!(
            line.starts_with(GROUP),
            "line {number}: neither heading nor spec: {line}"
        );
        ensure!(names.insert(line), "line {number}: named before: {line}");
        let Some(place) = place.clone() else {
            bail!("line {number}: under no heading: {line}");
        };
        specs.push(Spec {
            name: line.to_owned(),
            place,
        });
    }
    Ok(specs)
}

fn heading(words: &str, number: usize) -> Result<Place> {
    match words.split_once(": ") {
        Some(("left out", reason)) => Ok(Place::LeftOut(reason.to_owned())),
        None if words == "quick" => Ok(Place::Quick),
        None if words == "long" => Ok(Place::Long),
        _ => bail!("line {number}: heading {words}: quick, long or left out: REASON"),
    }
}

/// A regular expression that fits these names and no others, though some begin like others.
pub(super) fn pattern(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
    format!("({})$", names.join("|"))
}

fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, character| {
        if !character.is_alphanumeric() && character != ' ' {
            text.push('\\');
        }
        text.push(character);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_spec_belongs_to_the_heading_above_it() {
        let text = "# A list.\n\n== quick\n[sig-network] a\n== left out: no such thing: here\n[sig-network] b\n== long\n[sig-network] c\n";
        let places: Vec<Place> = parse(text)
            .unwrap()
            .into_iter()
            .map(|spec| spec.place)
            .collect();
        assert_eq!(
            places,
            [
                Place::Quick,
                Place::LeftOut("no such thing: here".into()),
                Place::Long
            ]
        );
    }

    #[test]
    fn a_line_that_is_no_good_is_told_by_number() {
        assert!(refused("[sig-network] a").starts_with("line 1: under no heading"));
        assert!(refused("== quick\nanything").starts_with("line 2: neither"));
        assert!(
            refused("== quick\n[sig-network] a\n[sig-network] a")
                .starts_with("line 3: named before")
        );
        assert!(refused("== slow").starts_with("line 1: heading slow"));
        assert!(refused("== left out").starts_with("line 1: heading left out"));
    }

    #[test]
    fn a_pattern_takes_no_character_for_another_and_ends_with_the_name() {
        assert_eq!(
            pattern(&["[sig-network] a.b", "[sig-network] c"]),
            r"(\[sig\-network\] a\.b|\[sig\-network\] c)$"
        );
    }
}
