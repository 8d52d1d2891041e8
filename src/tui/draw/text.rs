//! Text that fits: cut and padded by columns of the terminal, and calm.
//!
//! Foreign text comes here escaped (no control, no bidirectional and no invisible character). What is left to do is what
//! only a grid of cells makes dangerous: characters of which terminals disagree how wide they are, and marks that
//! stack on others. They are replaced, so that no text can move or cover its neighbour.

use unicode_width::UnicodeWidthChar;

/// What stands for a character that is not shown.
pub const REPLACED: char = '\u{fffd}';

/// How many columns a character takes, when every terminal agrees; `None` when it must not reach one.
pub fn agreed_width(c: char) -> Option<usize> {
    let code = c as u32;
    let settled = match code {
        0x20..=0x7e => return Some(1),
        // Latin, Greek, Cyrillic, Armenian, Hebrew and Arabic letters are left out where marks or direction come in.
        0xa1..=0xac | 0xae..=0x2ff | 0x370..=0x482 | 0x48a..=0x58f => true,
        // Georgian, Latin additional, Greek extended; general punctuation that is no control.
        0x10a0..=0x10ff | 0x1e00..=0x1fff | 0x2010..=0x2027 | 0x2030..=0x205e => true,
        // Superscripts, currency, letter-like, numbers, arrows, mathematics, technical, boxes, blocks, shapes.
        0x2070..=0x209c | 0x20a0..=0x20c0 | 0x2100..=0x23ff | 0x2460..=0x25ff => true,
        // Of symbols and dingbats: the marks that mxray draws with.
        0x2713 | 0x2717 => true,
        // Japanese, Chinese, Korean, full width forms: two columns since terminals know them.
        0x3001..=0x3029 | 0x3030..=0x303e | 0x3041..=0x3096 | 0x309b..=0x30ff => true,
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7a3 | 0xff01..=0xff60 | 0xffe0..=0xffe6 => {
            true
        }
        0xfffd => true,
        _ => false,
    };
    if !settled {
        return None;
    }
    c.width().filter(|width| matches!(width, 1 | 2))
}

/// Every character that must not reach a terminal, replaced.
pub fn calm(text: &str) -> String {
    text.chars()
        .map(|c| match agreed_width(c) {
            Some(_) => c,
            None => REPLACED,
        })
        .collect()
}

/// Columns of a calm text.
pub fn width(text: &str) -> usize {
    text.chars().map(|c| agreed_width(c).unwrap_or(1)).sum()
}

/// At most `columns` of a text; `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    let text = calm(text);
    if width(&text) <= columns {
        return text;
    }
    let mut kept = String::new();
    let mut taken = 1;
    for c in text.chars() {
        taken += agreed_width(c).unwrap_or(1);
        if taken > columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// Exactly `columns` of a text, cut or padded on the right.
pub fn fit(text: &str, columns: usize) -> String {
    let mut text = cut(text, columns);
    let missing = columns.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

/// Exactly `columns` of a text, cut or padded on the left.
pub fn fit_right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let missing = columns.saturating_sub(width(&text));
    format!("{}{text}", " ".repeat(missing))
}

/// Exactly `columns` of a name or an address: cut in the middle, since both ends tell it apart.
pub fn fit_middle(text: &str, columns: usize) -> String {
    let text = calm(text);
    let chars: Vec<char> = text.chars().collect();
    if width(&text) <= columns || columns < 5 || width(&text) != chars.len() {
        return fit(&text, columns);
    }
    let tail = (columns - 1) / 2;
    let head = columns - 1 - tail;
    let begin: String = chars.iter().take(head).collect();
    let end: String = chars.iter().skip(chars.len() - tail).collect();
    format!("{begin}…{end}")
}

#[cfg(test)]
mod tests {
    use super::{calm, cut, fit, fit_middle, fit_right, width};

    #[test]
    fn texts_have_the_width_that_was_asked_for() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(fit_right("ab", 4), "  ab");
        assert_eq!(fit_middle("mail.example.net:25", 11), "mail.…et:25");
        assert_eq!(width(&fit("日本語", 5)), 5);
        assert_eq!(cut("abc", 0), "");
    }

    #[test]
    fn what_terminals_disagree_about_is_replaced() {
        // A combining mark, an emoji, a zero-width joiner, a right-to-left letter, a variation selector.
        for c in [
            '\u{301}',
            '\u{1f512}',
            '\u{200d}',
            '\u{5d0}',
            '\u{fe0f}',
            '\u{1b}',
        ] {
            assert_eq!(calm(&c.to_string()), "\u{fffd}", "{c:?}");
        }
        assert_eq!(calm("héllo ✓ ─ 日本"), "héllo ✓ ─ 日本");
    }
}
