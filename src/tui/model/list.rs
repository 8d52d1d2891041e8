//! What of the rows the list shows, in which order and folded how; the selection that stays where it is.
//!
//! Refusals on purpose are folded by server from the third on, since a busy mail exchanger refuses all day, unless
//! the filter asks for them. The selection is a name, not a place: rows may come and go around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashSet;

use super::causes;
use super::filter::Filter;
use super::order::{Fold, Sort, ordered};
use super::row::{Key, Row, Subject};
use super::store::Store;
use crate::base::Timestamp;
use crate::present::title;

/// Refusals of one server from which on they are folded.
const FOLDED_FROM: usize = 3;

/// Several rows in one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name for good.
    pub name: String,
    /// What it says.
    pub title: String,
    /// Rows that failed.
    pub failed: usize,
    /// Rows that were degraded.
    pub degraded: usize,
    /// All rows.
    pub all: usize,
    /// First and latest start.
    pub span: (Timestamp, Timestamp),
    /// Its rows are shown.
    pub open: bool,
    /// It holds refusals on purpose.
    pub policy: bool,
}

/// A line of the list.
#[derive(Clone, Debug)]
pub enum Line {
    /// One row; `true` when it stands below a group.
    Row(Arc<Row>, bool),
    /// Several.
    Group(Group),
}

/// What names a line for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineName {
    /// A row.
    Row(Key),
    /// A group.
    Group(String),
}

impl Line {
    /// Its name.
    pub fn name(&self) -> LineName {
        match self {
            Line::Row(row, _) => LineName::Row(row.key),
            Line::Group(group) => LineName::Group(group.name.clone()),
        }
    }

    fn is_named(&self, name: &LineName) -> bool {
        match (self, name) {
            (Line::Row(row, _), LineName::Row(key)) => row.key == *key,
            (Line::Group(group), LineName::Group(name)) => group.name == *name,
            _ => false,
        }
    }
}

/// The list.
#[derive(Debug, Default)]
pub struct List {
    /// What is shown.
    pub filter: Filter,
    /// Only what failed or was degraded.
    pub only_bad: bool,
    /// Healthy look-ups too, and what a probe opened only to measure beside.
    pub lookups: bool,
    /// How rows are folded.
    pub fold: Fold,
    /// How rows are ordered.
    pub sort: Sort,
    /// The other way round.
    pub reverse: bool,
    /// The selection stays at the end.
    pub follow: bool,
    /// While the view is frozen: rows that arrived from this one on are not shown.
    pub until: Option<u64>,
    /// What is shown, in order.
    pub lines: Vec<Line>,
    /// Rows that are kept and not shown because of filter and toggles.
    pub hidden: usize,
    /// The first line on screen.
    pub offset: usize,
    cursor: usize,
    selected: Option<LineName>,
    opened: HashSet<String>,
    /// The user has chosen a row or moved. Until then the selection is the latest death, since that is what one wants to know.
    chosen: bool,
    dirty: bool,
    urgent: bool,
    /// Filter and toggles that rows were asked for last, and how often these changed.
    asked: (String, bool, bool),
    question: u64,
}

impl List {
    /// An empty list that follows what comes.
    pub fn new() -> List {
        List {
            follow: true,
            ..List::default()
        }
    }

    /// Everything has to be looked at again.
    pub fn touch(&mut self) {
        self.dirty = true;
    }

    /// The user wants something else shown: that is looked at before the next key counts.
    pub fn ask(&mut self) {
        self.dirty = true;
        self.urgent = true;
    }

    /// Whether what is shown is not what the user asked for.
    pub fn is_asked(&self) -> bool {
        self.urgent
    }

    /// Whether [`List::rebuild`] has something to do.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether the row may be shown at all.
    pub fn wants(&self, row: &Row) -> bool {
        if self.only_bad && !row.is_bad() {
            return false;
        }
        let beside = match &row.subject {
            Subject::Lookup(record) => record.outcome == "healthy",
            Subject::Connection(_) => row.is_control(),
        };
        if beside && !self.lookups && self.filter.is_empty() {
            return false;
        }
        self.filter.fits(row)
    }

    /// The same, asked once for what was asked when everything was looked at last.
    fn passes(&self, row: &Row) -> bool {
        row.passed.answer(self.question, || self.wants(row))
    }

    /// A row that is new: appended where that is all there is to do, else everything is looked at later.
    pub fn push(&mut self, row: &Arc<Row>) {
        let plain = self.fold == Fold::None && self.sort == Sort::Arrival && !self.reverse;
        if self.dirty || !plain || row.is_policy() {
            self.dirty = true;
        } else if self.passes(row) {
            self.lines.push(Line::Row(Arc::clone(row), false));
            self.arrived();
        } else {
            self.hidden = self.hidden.saturating_add(1);
        }
    }

    /// Looks at all rows again.
    pub fn rebuild(&mut self, store: &Store) {
        self.dirty = false;
        self.urgent = false;
        let asked = (self.filter.text(), self.only_bad, self.lookups);
        let (text, only_bad, lookups) = &self.asked;
        if asked != (text.as_str(), *only_bad, *lookups) {
            self.asked = (asked.0.to_owned(), asked.1, asked.2);
            self.question = self.question.saturating_add(1);
        }
        let mut rows: Vec<Arc<Row>> = store
            .all()
            .filter(|row| self.until.is_none_or(|until| row.arrived < until) && self.passes(row))
            .cloned()
            .collect();
        self.hidden = store.len().saturating_sub(rows.len());
        let (sort, reverse) = (self.sort, self.reverse);
        rows.sort_unstable_by(|a, b| {
            let order = ordered(sort, a, b);
            if reverse { order.reverse() } else { order }
        });
        self.lines = match self.fold {
            Fold::None => self.unfolded(rows),
            fold => self.folded(fold, rows),
        };
        self.settle();
    }

    fn unfolded(&self, rows: Vec<Arc<Row>>) -> Vec<Line> {
        if self.filter.asks_for_policy() {
            return rows.into_iter().map(|row| Line::Row(row, false)).collect();
        }
        let mut refused: BTreeMap<String, Vec<Arc<Row>>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.is_policy()) {
            refused
                .entry(row.server_group())
                .or_default()
                .push(Arc::clone(row));
        }
        refused.retain(|_, rows| rows.len() >= FOLDED_FROM);
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let server = if row.is_policy() {
                row.server_group()
            } else {
                String::new()
            };
            match refused.get(&server) {
                // The group stands where its latest row would.
                Some(rows) => {
                    if rows.last().is_some_and(|last| last.key == row.key) {
                        let name = format!("policy {server}");
                        let title = format!("refused on purpose by {server}");
                        self.group(&mut lines, name, title, rows, true);
                    }
                }
                None => lines.push(Line::Row(row, false)),
            }
        }
        lines
    }

    fn folded(&self, fold: Fold, rows: Vec<Arc<Row>>) -> Vec<Line> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut groups: Vec<(String, String, Vec<Arc<Row>>)> = Vec::new();
        for row in rows {
            let (name, title) = match fold {
                Fold::Client => (row.client_ip().to_owned(), row.client_ip().to_owned()),
                Fold::Cause if row.is_bad() => {
                    let (code, place) = causes::place(&row);
                    let said = format!("{code}  {} – {}", row.target(), title(code));
                    (format!("{code} {place}"), said)
                }
                Fold::Cause => (row.state().to_owned(), row.state().to_owned()),
                _ => (row.server_group(), row.server_group()),
            };
            let place = *places.entry(name.clone()).or_insert_with(|| {
                groups.push((name, title, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, _, rows)) = groups.get_mut(place) {
                rows.push(row);
            }
        }
        // What is worst stands first.
        let harm = |rows: &[Arc<Row>], outcome| {
            let those =
                |row: &&Arc<Row>| row.outcome() == outcome && row.is_bad() && !row.is_policy();
            rows.iter().filter(those).count()
        };
        groups.sort_by_key(|(_, _, rows)| {
            std::cmp::Reverse((harm(rows, "failed"), harm(rows, "degraded")))
        });
        let mut lines = Vec::new();
        for (name, title, rows) in groups {
            self.group(&mut lines, name, title, &rows, false);
        }
        lines
    }

    fn group(
        &self,
        lines: &mut Vec<Line>,
        name: String,
        title: String,
        rows: &[Arc<Row>],
        policy: bool,
    ) {
        let open = self.opened.contains(&name);
        let starts = || rows.iter().map(|row| row.started());
        let bad = |outcome| {
            let those = |row: &&Arc<Row>| row.is_bad() && row.outcome() == outcome;
            rows.iter().filter(those).count()
        };
        lines.push(Line::Group(Group {
            name,
            title,
            failed: bad("failed"),
            degraded: bad("degraded"),
            all: rows.len(),
            span: (
                starts().min().unwrap_or_default(),
                starts().max().unwrap_or_default(),
            ),
            open,
            policy,
        }));
        if open {
            lines.extend(rows.iter().map(|row| Line::Row(Arc::clone(row), true)));
        }
    }

    /// A row came at the end.
    fn arrived(&mut self) {
        let last = self.lines.len().saturating_sub(1);
        let deadly = |at: usize| self.lines.get(at).is_some_and(|line| self.is_death(line));
        if self.follow && !self.chosen && !deadly(last) && deadly(self.cursor) {
            return;
        }
        match self.follow {
            true => {
                self.cursor = last;
                self.remember();
            }
            false => self.settle(),
        }
    }

    /// Puts the cursor back on what was selected.
    fn settle(&mut self) {
        if self.follow {
            let last = self.lines.len().saturating_sub(1);
            let death = || self.lines.iter().rposition(|line| self.is_death(line));
            self.cursor = match self.chosen {
                true => last,
                false => death().unwrap_or(last),
            };
            self.remember();
            return;
        }
        let before = self.cursor;
        let here =
            |name: &LineName, at: usize| self.lines.get(at).is_some_and(|line| line.is_named(name));
        match &self.selected {
            Some(name) if here(name, before) => {}
            Some(name) => {
                match self.lines.iter().position(|line| line.is_named(name)) {
                    Some(place) => self.cursor = place,
                    None => self.cursor = before.min(self.lines.len().saturating_sub(1)),
                }
                // The row stays on its line of the screen.
                let moved = self.cursor as isize - before as isize;
                self.offset = self.offset.saturating_add_signed(moved);
            }
            None => self.cursor = before.min(self.lines.len().saturating_sub(1)),
        }
        if self.selected.is_none() {
            self.remember();
        }
    }

    fn remember(&mut self) {
        self.selected = self.lines.get(self.cursor).map(Line::name);
    }

    /// The selected line's place.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// The selected line.
    pub fn current(&self) -> Option<&Line> {
        self.lines.get(self.cursor)
    }

    /// The selected row.
    pub fn row(&self) -> Option<&Arc<Row>> {
        match self.current() {
            Some(Line::Row(row, _)) => Some(row),
            _ => None,
        }
    }

    /// Moves by lines and ends following; at the end it begins to follow again.
    pub fn step(&mut self, by: isize) {
        let last = self.lines.len().saturating_sub(1);
        self.select(self.cursor.saturating_add_signed(by).min(last));
        self.follow = by > 0 && self.cursor == last && self.sort == Sort::Arrival;
    }

    /// Everything will be told anew: a selection that the user did not choose is found anew as well.
    pub fn begin_again(&mut self) {
        self.follow |= !self.chosen;
        self.dirty = true;
    }

    /// Selects a row, unless the user has chosen one.
    pub fn offer(&mut self, key: Key) {
        let name = LineName::Row(key);
        if !self.chosen
            && let Some(place) = self.lines.iter().position(|line| line.is_named(&name))
        {
            self.follow = false;
            self.cursor = place;
            self.remember();
        }
    }

    /// Selects a line by its place.
    pub fn select(&mut self, place: usize) {
        self.chosen = true;
        self.follow = false;
        self.cursor = place.min(self.lines.len().saturating_sub(1));
        self.remember();
    }

    /// Begins to follow what comes.
    pub fn follow_tail(&mut self) {
        self.chosen = true;
        self.follow = true;
        self.settle();
    }

    /// Folds in the next way, and begins at the top: there is what is worst. What is folded no more is followed again.
    pub fn fold_anew(&mut self) {
        self.fold = self.fold.next();
        self.follow = self.fold == Fold::None;
        (self.cursor, self.offset, self.selected) = (0, 0, None);
        self.ask();
    }

    /// Opens or closes the selected group; `false` when it is none.
    pub fn toggle_group(&mut self) -> bool {
        let Some(Line::Group(group)) = self.current() else {
            return false;
        };
        let name = group.name.clone();
        if !self.opened.remove(&name) {
            self.opened.insert(name);
        }
        self.follow = false;
        self.dirty = true;
        true
    }

    /// Whether a line is one that somebody has to look into; refusals on purpose are only when they were asked for.
    fn is_death(&self, line: &Line) -> bool {
        let asked = self.filter.asks_for_policy();
        match line {
            Line::Row(row, _) => row.is_bad() && (asked || !row.is_policy()),
            Line::Group(group) => {
                group.failed + group.degraded > 0 && !group.open && (asked || !group.policy)
            }
        }
    }

    /// The next death in that direction; refusals on purpose are passed over unless they were asked for.
    pub fn next_death(&mut self, forwards: bool) -> bool {
        let deadly = |at: &usize| self.lines.get(*at).is_some_and(|line| self.is_death(line));
        let found = if forwards {
            let from = self.cursor.saturating_add(1);
            (from..self.lines.len()).find(deadly)
        } else {
            (0..self.cursor).rev().find(deadly)
        };
        if let Some(place) = found {
            self.select(place);
        }
        found.is_some()
    }

    /// Keeps the cursor on a screen of `height` lines.
    pub fn scroll(&mut self, height: usize) {
        let height = height.max(1);
        let last = self.lines.len().saturating_sub(height);
        if self.follow && !self.chosen {
            // What comes is seen to come; the selection may be above it.
            self.offset = last;
            return;
        }
        if self.cursor < self.offset {
            self.offset = self.cursor;
        } else if self.cursor >= self.offset.saturating_add(height) {
            self.offset = self.cursor.saturating_sub(height.saturating_sub(1));
        }
        self.offset = self.offset.min(last);
    }
}
