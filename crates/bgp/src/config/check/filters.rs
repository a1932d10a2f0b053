//! Filters.

use super::faults::{name, reserved, twice, zero};
use super::{at, item, under};
use crate::config::{ConfigError, ConfigFault};
use crate::policy::{Action, Filter, FilterName, PrefixRange, Rule, Verdict};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn faults(
    filters: &BTreeMap<FilterName, Filter>,
) -> impl Iterator<Item = ConfigError> + '_ {
    filters.iter().flat_map(|(filter, rules)| {
        let path = format!("filters[{}]", filter.0);
        let named = at(path.as_str(), name(&filter.0));
        named.into_iter().chain(under(path, filter_faults(rules)))
    })
}

fn filter_faults(filter: &Filter) -> Vec<ConfigError> {
    let mut errors = check_rules("rules", &filter.rules);
    if let Some(next) = &filter.next {
        errors.extend(under("next".to_owned(), filter_faults(next)));
    }
    errors
}

/// What [`Config::check`](crate::config::Config::check) would say of these rules: every field that
/// stands in the way, by its path below `list`, such as `rules[martians].prefixes[10.0.0.0/8].minLength`.
pub fn check_rules(list: &str, rules: &[Rule]) -> Vec<ConfigError> {
    let mut seen = BTreeSet::new();
    let mut errors = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let path = item(list, index, &rule.name);
        let name = at("name", rule_name(&rule.name, &mut seen));
        errors.extend(under(path, name.into_iter().chain(rule_faults(rule))));
    }
    errors
}

/// Reasons of refusals, for people to read: any text, but one rule's.
fn rule_name<'a>(name: &'a str, seen: &mut BTreeSet<&'a str>) -> Option<ConfigFault> {
    let empty = name.is_empty().then_some(ConfigFault::EmptyName);
    empty.or_else(|| {
        twice(name, seen, |name| {
            ConfigFault::DuplicateName(name.to_owned())
        })
    })
}

fn rule_faults(rule: &Rule) -> impl Iterator<Item = ConfigError> + '_ {
    let idle = rule.then == Verdict::Reject && !rule.actions.is_empty();
    let idle = idle.then_some(ConfigFault::ActionsOfReject(rule.actions.len()));
    let prefixes = rule.prefixes.iter().flat_map(|range| {
        let path = format!("prefixes[{}]", range.prefix);
        under(path, range_faults(range))
    });
    let actions = rule.actions.iter().enumerate().flat_map(|(index, action)| {
        let path = format!("actions[{index}]");
        under(path, action_faults(action))
    });
    prefixes.chain(at("actions", idle)).chain(actions)
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
