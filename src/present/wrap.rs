//! Lines of a given width, broken between words.

/// How many columns a text takes. Every character that comes here is printable; each counts as one.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text into lines of at most `width` columns. A word that is longer than that stands alone and
/// whole: an address or a filter that is cut in two is of no use; a no-break space keeps words together and
/// becomes a plain one. Never empty.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut taken: usize = 0;
    for word in text.split_ascii_whitespace() {
        let needed = columns(word);
        if taken > 0 && taken.saturating_add(1).saturating_add(needed) > width {
            lines.push(std::mem::take(&mut line));
            taken = 0;
        }
        if taken > 0 {
            line.push(' ');
            taken = taken.saturating_add(1);
        }
        line.push_str(&word.replace('\u{a0}', " "));
        taken = taken.saturating_add(needed);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn words_are_kept_whole() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcdefgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
