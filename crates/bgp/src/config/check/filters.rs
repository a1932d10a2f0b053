//! Filters.

use super::faults::{name, reserved, zero};
use super::{at, item, under};
use crate::config::{ConfigError, ConfigFault};
use crate::policy::{Action, Filter, FilterName, PrefixRange, Rule, Verdict};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn faults(
    filters: &BTreeMap<FilterName, Filter>,
) -> impl Iterator<Item = ConfigError> + '_ {
    filters.iter().flat_map(|(filter, rules)| {
        let named = at(format!("filters[{}]", filter.0), name(&filter.0));
        let path = format!("filters[{}]", filter.0);
        named.into_iter().chain(under(path, filter_faults(rules)))
    })
}

fn filter_faults(filter: &Filter) -> impl Iterator<Item = ConfigError> + '_ {
    let mut seen = BTreeSet::new();
    filter
        .rules
        .iter()
        .enumerate()
        .flat_map(move |(index, rule)| {
            let duplicate = !rule.name.is_empty() && !seen.insert(rule.name.as_str());
            let named = rule.name.is_empty().then_some(ConfigFault::EmptyName);
            let twice = duplicate.then(|| ConfigFault::DuplicateName(rule.name.clone()));
            let name = at("name", named.or(twice));
            let faults = name.into_iter().chain(rule_faults(rule));
            under(item("rules", index, &rule.name), faults)
        })
}

fn rule_faults(rule: &Rule) -> impl Iterator<Item = ConfigError> + '_ {
    let idle = rule.then == Verdict::Reject && !rule.actions.is_empty();
    let idle = idle.then_some(ConfigFault::ActionsOfReject(rule.actions.len()));
    let actions = rule.actions.iter().enumerate();
    rule.prefixes
        .iter()
        .flat_map(|range| under(format!("prefixes[{}]", range.prefix), range_faults(range)))
        .chain(at("actions", idle))
        .chain(
            actions.flat_map(|(index, action)| {
                under(format!("actions[{index}]"), action_faults(action))
            }),
        )
}

fn range_faults(range: &PrefixRange) -> impl Iterator<Item = ConfigError> {
    let (own, most) = (range.prefix.length(), range.prefix.family().bits());
    let outside = |length: Option<u8>, least: u8| {
        let length = length.filter(|length| !(least..=most).contains(length))?;
        Some(ConfigFault::PrefixLength {
            length,
            least,
            most,
        })
    };
    let least = range.min_length.unwrap_or(own).max(own);
    let fields = [
        at("minLength", outside(range.min_length, own)),
        at("maxLength", outside(range.max_length, least)),
    ];
    fields.into_iter().flatten()
}

fn action_faults(action: &Action) -> impl Iterator<Item = ConfigError> {
    let fields = match *action {
        Action::Prepend { asn, count } => [
            at("prepend.asn", reserved(asn)),
            at("prepend.count", zero(count)),
        ],
        _ => [None, None],
    };
    fields.into_iter().flatten()
}
