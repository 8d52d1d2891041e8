//! Every word that a scenario can say, asked of the program itself, and every word that one does say.
//!
//! The program answers a key or word that it does not know with those that it does know. Asking at every place that it names gives
//! the whole grammar, so that a property that is added to the lab is asked for here without a list to keep.
//! A key is written `fault.action.reset.ttl`, a value `fault.action=reset`; lists leave no mark.

use std::collections::{BTreeMap, BTreeSet};

use mxray::lab::Scenario;
use toml::{Table, Value};

/// What nobody knows.
const NONSENSE: &str = "?";

/// A step from the document's top to a place in it.
#[derive(Clone)]
enum Step {
    Key(String),
    Entry,
}

/// What the program knows at a place.
enum Known {
    Keys(Vec<String>),
    Words(Vec<String>),
}

/// Everything that a scenario can say.
#[derive(Default)]
pub struct Grammar {
    /// Every key.
    pub keys: BTreeSet<String>,
    /// Where one of several words is chosen: the words, and all keys that choose among these.
    pub choices: BTreeMap<Vec<String>, BTreeSet<String>>,
}

impl Grammar {
    /// Asks for the whole.
    pub fn whole() -> Grammar {
        let mut found = Grammar::default();
        explore(&[], &mut found);
        found
    }

    /// What is never said of it. A word counts as said when any key that chooses among the same words is given it.
    pub fn unsaid(&self, said: &BTreeSet<String>) -> BTreeSet<String> {
        let mut unsaid: BTreeSet<String> = self.keys.difference(said).cloned().collect();
        for (words, keys) in &self.choices {
            for word in words {
                let as_value = |key: &String| join(key, '=', word);
                if !keys.iter().any(|key| said.contains(&as_value(key))) {
                    unsaid.extend(keys.first().map(as_value));
                }
            }
        }
        unsaid
    }
}

fn explore(place: &[Step], found: &mut Grammar) {
    let entry = || [place, &[Step::Entry]].concat();
    let table = || Value::Table(Table::from_iter([(NONSENSE.to_owned(), Value::Integer(1))]));
    let word = || Value::String(NONSENSE.to_owned());
    let asked = [
        (place.to_vec(), table()),
        (place.to_vec(), word()),
        (entry(), table()),
        (entry(), word()),
    ];
    let mut answers = asked
        .into_iter()
        .filter_map(|(at, what)| Some((ask(&at, what)?, at)));
    let Some((known, at)) = answers.next() else {
        return;
    };
    let here = named(place);
    let below = match known {
        Known::Keys(keys) => {
            found
                .keys
                .extend(keys.iter().map(|key| join(&here, '.', key)));
            keys
        }
        Known::Words(words) => {
            let choosing = found.choices.entry(words.clone()).or_default();
            choosing.insert(here);
            words
        }
    };
    for one in below {
        explore(&[&at[..], &[Step::Key(one)]].concat(), found);
    }
}

/// What the program answers to nonsense at a place.
fn ask(place: &[Step], what: Value) -> Option<Known> {
    let document = place.iter().rev().fold(what, |inner, step| match step {
        Step::Key(key) => Value::Table(Table::from_iter([(key.clone(), inner)])),
        Step::Entry => Value::Array(vec![inner]),
    });
    let text = toml::to_string(&document).ok()?;
    let error = Scenario::parse(&text).err()?.to_string();
    let after = |begin: &str| {
        let (_, answer) = error.split_once(&format!("{begin} `{NONSENSE}`, expected"))?;
        let quoted = answer.split('`').skip(1).step_by(2);
        Some(quoted.map(str::to_owned).collect())
    };
    // A word with keys of its own is answered in other words.
    let beside = || {
        let (_, keys) = error.split_once("available keys: ")?;
        Some(keys.trim().split(", ").map(str::to_owned).collect())
    };
    after("unknown field")
        .or_else(beside)
        .map(Known::Keys)
        .or_else(|| after("unknown variant").map(Known::Words))
}

fn named(place: &[Step]) -> String {
    place.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => join(&path, '.', key),
        Step::Entry => path,
    })
}

fn join(path: &str, mark: char, last: &str) -> String {
    match path.is_empty() {
        true => last.to_owned(),
        false => format!("{path}{mark}{last}"),
    }
}

/// Every word that a document says.
pub fn said(table: &Table) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, value) in table {
        note("", key, value, &mut found);
    }
    found
}

fn note(path: &str, key: &str, value: &Value, found: &mut BTreeSet<String>) {
    let here = join(path, '.', key);
    // A word with more to say is written as a key.
    found.insert(join(path, '=', key));
    descend(&here, value, found);
    found.insert(here);
}

fn descend(here: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                note(here, key, value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|one| descend(here, one, found)),
        Value::String(word) => {
            found.insert(join(here, '=', word));
        }
        _ => {}
    }
}
