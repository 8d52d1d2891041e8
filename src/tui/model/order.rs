//! By what the list is ordered, and by what it is folded.

use std::cmp::Ordering;

use super::row::Row;

/// What rows are folded by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fold {
    /// Not at all, but for policy.
    #[default]
    None,
    /// By server name and port.
    Server,
    /// By client address.
    Client,
    /// By root cause.
    Cause,
}

impl Fold {
    /// The next one.
    pub fn next(self) -> Fold {
        match self {
            Fold::None => Fold::Server,
            Fold::Server => Fold::Client,
            Fold::Client => Fold::Cause,
            Fold::Cause => Fold::None,
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Fold::None => "not folded",
            Fold::Server => "folded by server",
            Fold::Client => "folded by client",
            Fold::Cause => "folded by cause",
        }
    }
}

/// What rows are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As they were judged: new ones at the end.
    #[default]
    Arrival,
    /// By their first frame.
    Started,
    /// By how long they took.
    Length,
    /// By client.
    Client,
    /// By server.
    Server,
    /// By outcome, the worst first, then code.
    Verdict,
}

impl Sort {
    /// The next one.
    pub fn next(self) -> Sort {
        match self {
            Sort::Arrival => Sort::Started,
            Sort::Started => Sort::Length,
            Sort::Length => Sort::Client,
            Sort::Client => Sort::Server,
            Sort::Server => Sort::Verdict,
            Sort::Verdict => Sort::Arrival,
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Arrival => "as judged",
            Sort::Started => "by start",
            Sort::Length => "by length",
            Sort::Client => "by client",
            Sort::Server => "by server",
            Sort::Verdict => "by verdict",
        }
    }
}

/// Which of two rows stands first.
pub(super) fn ordered(sort: Sort, a: &Row, b: &Row) -> Ordering {
    let first = match sort {
        Sort::Arrival => Ordering::Equal,
        Sort::Started => a.started().cmp(&b.started()),
        Sort::Length => {
            let length = |row: &Row| row.ended().since(row.started());
            length(b).cmp(&length(a))
        }
        Sort::Client => a.client_ip().cmp(b.client_ip()),
        Sort::Server => a
            .name()
            .cmp(&b.name())
            .then_with(|| a.server_ip().cmp(b.server_ip()))
            .then(a.port().cmp(&b.port())),
        Sort::Verdict => {
            let rank = |row: &Row| match row.outcome() {
                "failed" => 0,
                "degraded" => 1,
                "incomplete" => 2,
                _ => 3,
            };
            rank(a)
                .cmp(&rank(b))
                .then(a.verdict().code.cmp(b.verdict().code))
        }
    };
    first.then(a.arrived.cmp(&b.arrived))
}
