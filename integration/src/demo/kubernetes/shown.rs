//! What programs print, shortened for people.

/// A table without the columns from `column` on.
pub(super) fn before(table: &str, column: &str) -> String {
    let header = table.lines().next().unwrap_or_default();
    let width = header.find(column).unwrap_or(header.len());
    let cut = |line: &str| line.chars().take(width).collect::<String>();
    let lines: Vec<String> = table.lines().map(cut).collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

/// The first lines, and `...` if there are more.
pub(super) fn first(text: &str, count: usize) -> String {
    let mut lines: Vec<&str> = text.lines().take(count).collect();
    if text.lines().count() > count {
        lines.push("...");
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_end_where_the_header_says() {
        let table = "NAME   AGE   OS\nz1w1   5s    Debian\n";
        assert_eq!(before(table, "OS"), "NAME   AGE\nz1w1   5s");
    }

    #[test]
    fn what_is_left_out_is_seen() {
        assert_eq!(first("a\nb\nc\n", 2), "a\nb\n...");
        assert_eq!(first("a\nb\n", 2), "a\nb");
    }
}
