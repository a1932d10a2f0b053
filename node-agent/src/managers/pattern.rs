//! Shell patterns as `fnmatch(3)` has them: `*`, `?` and `[...]`. Pure.

/// Whether `pattern` matches all of `text`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    from(&pattern, &text)
}

fn from(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=text.len()).any(|skip| from(rest, &text[skip..])),
        (['?', rest @ ..], [_, tail @ ..]) => from(rest, tail),
        (['[', rest @ ..], [first, tail @ ..]) => match class(rest, *first) {
            Some((true, rest)) => from(rest, tail),
            Some((false, _)) => false,
            // Without an end it stands for itself.
            None => *first == '[' && from(rest, tail),
        },
        ([letter, rest @ ..], [first, tail @ ..]) => letter == first && from(rest, tail),
        _ => false,
    }
}

/// Whether `letter` is in the class that begins after `[`, and what follows the class.
fn class(pattern: &[char], letter: char) -> Option<(bool, &[char])> {
    let (negated, members) = match pattern {
        ['!' | '^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // A `]` in the first place is a member.
    let end = members.iter().skip(1).position(|c| *c == ']')? + 1;
    let (members, rest) = (&members[..end], &members[end + 1..]);
    let mut left = members;
    let mut found = false;
    while let [first, tail @ ..] = left {
        left = match tail {
            ['-', last, after @ ..] => {
                found |= (*first..=*last).contains(&letter);
                after
            }
            _ => {
                found |= *first == letter;
                tail
            }
        };
    }
    Some((found != negated, rest))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_the_shell() {
        for (pattern, text, expected) in [
            ("gh*", "gh0123456789ab", true),
            ("*", "", true),
            ("*ab", "gh0123456789ab", true),
            ("gh?", "gh0123456789ab", false),
            ("gh[0-9a-f]*", "gh0123456789ab", true),
            ("[!g]*", "gh0", false),
            ("[^v]*", "gh0", true),
            ("[]g]h", "gh", true),
            ("[g", "[g", true),
            ("gh", "gh0", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
