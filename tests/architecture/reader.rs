//! Reads the sources: words and signs without comments, strings and tests, and what a file names of its own crate.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A word of the source, or a sign of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    Sign(char),
    Number,
    Text,
    Lifetime,
}

pub struct Source {
    /// Below `src/`, with `/`.
    pub name: String,
    pub text: String,
    pub tokens: Vec<(Token, usize)>,
}

impl Source {
    pub fn word(&self, at: usize) -> Option<&str> {
        match self.tokens.get(at) {
            Some((Token::Word(word), _)) => Some(word),
            _ => None,
        }
    }

    pub fn sign(&self, at: usize, sign: char) -> bool {
        matches!(self.tokens.get(at), Some((Token::Sign(found), _)) if *found == sign)
    }

    /// `::` at this place.
    pub fn path_sign(&self, at: usize) -> bool {
        self.sign(at, ':') && self.sign(at + 1, ':')
    }

    pub fn line(&self, at: usize) -> usize {
        self.tokens.get(at).map_or(0, |(_, line)| *line)
    }

    /// The top-level module that the file belongs to.
    pub fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many `super::` lead from the file's module to the crate.
    pub fn depth(&self) -> usize {
        let parts: Vec<&str> = self.name.split('/').collect();
        match parts.last() {
            Some(&"mod.rs") => parts.len() - 1,
            _ => parts.len(),
        }
    }

    /// What the file names of its own crate: the module below the crate, and where.
    pub fn imports(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            if self.word(at) == Some("crate") && self.path_sign(at + 1) {
                self.heads(at + 3, &mut found);
            }
            if self.word(at) == Some("super") && !(at >= 2 && self.path_sign(at - 2)) {
                let mut next = at;
                let mut ups = 0;
                while self.word(next) == Some("super") && self.path_sign(next + 1) {
                    ups += 1;
                    next += 3;
                }
                // A `super` within an inline module counts from there, so this errs towards silence.
                if ups >= self.depth() && ups > 0 {
                    self.heads(next, &mut found);
                }
            }
        }
        found
    }

    /// The names that follow a `crate::`: one, or those of a group.
    pub fn heads(&self, at: usize, found: &mut Vec<(String, usize)>) {
        if let Some(word) = self.word(at) {
            found.push((word.to_owned(), self.line(at)));
            return;
        }
        if !self.sign(at, '{') {
            return;
        }
        let mut depth = 1;
        let mut next = at + 1;
        let mut expected = true;
        while depth > 0 && next < self.tokens.len() {
            if self.sign(next, '{') {
                depth += 1;
            } else if self.sign(next, '}') {
                depth -= 1;
            } else if self.sign(next, ',') {
                expected = depth == 1;
            } else if expected && depth == 1 {
                if let Some(word) = self.word(next) {
                    found.push((word.to_owned(), self.line(next)));
                }
                expected = false;
            }
            next += 1;
        }
    }
}

/// Words and signs, without comments and without what strings hold.
pub fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    let count = |from: usize, to: usize| chars[from..to].iter().filter(|c| **c == '\n').count();
    while at < chars.len() {
        let start = at;
        let begun = line;
        let c = get(at);
        if c.is_whitespace() {
            at += 1;
        } else if c == '/' && get(at + 1) == '/' {
            while at < chars.len() && get(at) != '\n' {
                at += 1;
            }
        } else if c == '/' && get(at + 1) == '*' {
            let mut depth = 0;
            loop {
                if get(at) == '/' && get(at + 1) == '*' {
                    depth += 1;
                    at += 2;
                } else if get(at) == '*' && get(at + 1) == '/' {
                    depth -= 1;
                    at += 2;
                } else {
                    at += 1;
                }
                if depth == 0 || at >= chars.len() {
                    break;
                }
            }
        } else if let Some(end) = string_end(&chars, at) {
            at = end;
            found.push((Token::Text, begun));
        } else if c == '\'' {
            // A character, else a lifetime.
            if get(at + 1) == '\\' {
                at += 3;
                while at < chars.len() && get(at) != '\'' {
                    at += 1;
                }
                at += 1;
                found.push((Token::Text, begun));
            } else if get(at + 2) == '\'' {
                at += 3;
                found.push((Token::Text, begun));
            } else {
                at += 1;
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
                found.push((Token::Lifetime, begun));
            }
        } else if c.is_alphabetic() || c == '_' {
            while get(at).is_alphanumeric() || get(at) == '_' {
                at += 1;
            }
            found.push((Token::Word(chars[start..at].iter().collect()), begun));
        } else if c.is_ascii_digit() {
            while get(at).is_alphanumeric() || get(at) == '_' {
                at += 1;
            }
            found.push((Token::Number, begun));
        } else {
            at += 1;
            found.push((Token::Sign(c), begun));
        }
        line += count(start, at.min(chars.len()));
    }
    found
}

/// Where the string that begins here ends: `"…"`, `b"…"`, `c"…"`, `r#"…"#`, `br"…"`.
pub fn string_end(chars: &[char], at: usize) -> Option<usize> {
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let mut next = at;
    if matches!(get(next), 'b' | 'c') && matches!(get(next + 1), '"' | 'r' | '\'') {
        next += 1;
    }
    if get(next) == '\'' && next > at {
        next += if get(next + 1) == '\\' { 2 } else { 1 };
        while next < chars.len() && get(next + 1) != '\'' {
            next += 1;
        }
        return Some(next + 2);
    }
    let raw = get(next) == 'r' && matches!(get(next + 1), '"' | '#');
    next += usize::from(raw);
    let mut hashes = 0;
    while raw && get(next) == '#' {
        hashes += 1;
        next += 1;
    }
    if get(next) != '"' {
        return None;
    }
    next += 1;
    while next < chars.len() {
        match get(next) {
            '\\' if !raw => next += 2,
            '"' if (1..=hashes).all(|n| get(next + n) == '#') => return Some(next + 1 + hashes),
            _ => next += 1,
        }
    }
    Some(chars.len())
}

/// Leaves out what stands under `#[cfg(test)]`; names the modules that lie in files of their own.
pub fn without_tests(tokens: Vec<(Token, usize)>) -> (Vec<(Token, usize)>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let is =
        |at: usize, sign: char| matches!(tokens.get(at), Some((Token::Sign(c), _)) if *c == sign);
    let word = |at: usize| match tokens.get(at) {
        Some((Token::Word(word), _)) => word.as_str(),
        _ => "",
    };
    let mut at = 0;
    while at < tokens.len() {
        let gate = is(at, '#')
            && is(at + 1, '[')
            && word(at + 2) == "cfg"
            && is(at + 3, '(')
            && word(at + 4) == "test"
            && is(at + 5, ')');
        if !gate {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += 7;
        if let Some(place) = (at..tokens.len().min(at + 12)).find(|place| word(*place) == "mod")
            && is(place + 2, ';')
        {
            modules.push(word(place + 1).to_owned());
        }
        // The item ends with its block, or with a semicolon outside of any bracket.
        let (mut braces, mut others) = (0usize, 0usize);
        while at < tokens.len() {
            match &tokens[at].0 {
                Token::Sign('{') => braces += 1,
                Token::Sign('}') => {
                    braces = braces.saturating_sub(1);
                    if braces == 0 && others == 0 {
                        break;
                    }
                }
                Token::Sign('(' | '[') => others += 1,
                Token::Sign(')' | ']') => others = others.saturating_sub(1),
                Token::Sign(';') if braces == 0 && others == 0 => break,
                _ => {}
            }
            at += 1;
        }
        at += 1;
    }
    (kept, modules)
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

pub fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
}

/// The files below `src/` that are no tests.
pub fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    rust_files(&root(), &mut paths);
    assert!(
        paths.len() > 50,
        "the sources are not where they are looked for"
    );
    let mut tests = BTreeSet::new();
    let mut found = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source file");
        let name = path
            .strip_prefix(root())
            .expect("below src")
            .to_string_lossy()
            .replace('\\', "/");
        let (tokens, modules) = without_tests(tokens(&text));
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let folder = match stem.as_str() {
            "mod" | "lib" | "main" => path.parent().map(Path::to_owned).unwrap_or_default(),
            _ => path.with_extension(""),
        };
        for module in modules {
            tests.insert(folder.join(&module).with_extension("rs"));
            tests.insert(folder.join(&module));
        }
        found.push((path, Source { name, text, tokens }));
    }
    found.retain(|(path, _)| !path.ancestors().any(|above| tests.contains(above)));
    found.into_iter().map(|(_, source)| source).collect()
}
