//! A code's page, taken apart into what faces lay out.

use crate::diagnosis::Code;

/// A page of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The cause in a few words.
    pub title: &'static str,
    /// What stands before the first heading.
    pub opening: Vec<&'static str>,
    /// Headings, and the lines below each.
    pub sections: Vec<(&'static str, Vec<&'static str>)>,
}

/// The page of a code.
pub fn page(code: Code) -> Page {
    let mut lines = code.page().lines();
    let title = lines.next().map(title_of).unwrap_or_default();
    let mut page = Page {
        title,
        opening: Vec::new(),
        sections: Vec::new(),
    };
    for line in lines {
        match line.strip_prefix("## ") {
            Some(heading) => page.sections.push((heading, Vec::new())),
            None => match page.sections.last_mut() {
                Some((_, lines)) => lines.push(line),
                None => page.opening.push(line),
            },
        }
    }
    trim(&mut page.opening);
    for (_, lines) in &mut page.sections {
        trim(lines);
    }
    page
}

fn trim(lines: &mut Vec<&'static str>) {
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    let blank = lines
        .iter()
        .take_while(|line| line.trim().is_empty())
        .count();
    lines.drain(..blank);
}

/// `# tcp.dropped – SYN packets vanish` as `SYN packets vanish`.
fn title_of(line: &'static str) -> &'static str {
    line.split_once(" – ")
        .map_or(line, |(_, title)| title)
        .trim()
}

/// The title of a code's page; the code itself when there is no such code.
pub fn title(code: &'static str) -> &'static str {
    Code::ALL
        .iter()
        .find(|known| known.name() == code)
        .and_then(|known| known.page().lines().next())
        .map_or(code, title_of)
}

#[cfg(test)]
mod tests {
    use super::{page, title};
    use crate::diagnosis::Code;

    #[test]
    fn every_page_has_a_title_and_fits_80_columns() {
        for code in Code::ALL {
            let page = page(*code);
            assert!(
                !page.title.is_empty() && !page.title.starts_with('#'),
                "{code:?}"
            );
            assert!(page.sections.len() >= 3, "{code:?}");
            for line in page.sections.iter().flat_map(|(_, lines)| lines) {
                assert!(super::super::columns(line) <= 80, "{code:?}: {line}");
            }
        }
        assert_eq!(title("tcp.dropped"), "SYN packets vanish");
    }
}
