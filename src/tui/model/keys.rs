//! What keys do. The one place that knows; the help lists the same.

use std::sync::Arc;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::ask::{Ask, Edited, edit};
use super::detail::{Detail, Tab};
use super::filter::Filter;
use super::row::Row;
use super::wishes::{told, wireshark};
use super::{Effect, Model, Screen};
use crate::base::SECOND;
use crate::present;
use crate::tui::draw;
use crate::tui::event::{Control, Speed};

impl Model {
    pub(super) fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return vec![Effect::Quit],
            KeyCode::Char('z') if control => return vec![Effect::Suspend],
            KeyCode::Char('l') if control => return vec![Effect::Redraw],
            _ => {}
        }
        if self.ask.is_some() {
            return self.asked(key);
        }
        if self.help.is_some() {
            return self.helped(key);
        }
        if let Some(effects) = self.everywhere(key) {
            return effects;
        }
        match &self.screen {
            Screen::List => self.in_list(key),
            Screen::Detail(_) => self.in_detail(key),
            Screen::Overview { .. } => self.in_overview(key),
        }
    }

    /// Keys that do the same on every screen.
    fn everywhere(&mut self, key: KeyEvent) -> Option<Vec<Effect>> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return None;
        }
        let effects = match key.code {
            KeyCode::Char('?') | KeyCode::F(1) => {
                self.help = Some(0);
                Vec::new()
            }
            KeyCode::Char(' ') => self.freeze(),
            KeyCode::Char('.') => self.replay(Control::Step),
            KeyCode::Char('+' | '=') => self.speed(Speed::faster),
            KeyCode::Char('-') => self.speed(Speed::slower),
            KeyCode::Char('[') => self.seek(-10 * SECOND),
            KeyCode::Char(']') => self.seek(10 * SECOND),
            KeyCode::Char('{') => self.seek_death(false),
            KeyCode::Char('}') => self.seek_death(true),
            KeyCode::Char('w') => self.save(),
            KeyCode::Char('y') => self.copy(wireshark),
            KeyCode::Char('Y') => self.copy(told),
            KeyCode::Char('r') => {
                if self.allowed.report {
                    vec![Effect::Report]
                } else {
                    self.say("no reports here: start with --save-dir FOLDER");
                    Vec::new()
                }
            }
            KeyCode::Char('p') => self.probe(),
            KeyCode::Char('m') => {
                self.mouse = !self.mouse;
                self.say(if self.mouse {
                    "the mouse selects rows; m gives it back to the terminal"
                } else {
                    "the mouse is the terminal's: select and copy text with it; m takes it again"
                });
                vec![Effect::Mouse(self.mouse)]
            }
            _ => return None,
        };
        Some(effects)
    }

    fn in_list(&mut self, key: KeyEvent) -> Vec<Effect> {
        let page = draw::list_height(self).max(2) as isize;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('d') if control => self.list.step(page / 2),
            KeyCode::Char('u') if control => self.list.step(-page / 2),
            KeyCode::Char('f') if control => self.list.step(page - 1),
            KeyCode::Char('b') if control => self.list.step(1 - page),
            _ if control => {}
            KeyCode::Char('q') => return vec![Effect::Quit],
            KeyCode::Char('j') | KeyCode::Down => self.list.step(1),
            KeyCode::Char('k') | KeyCode::Up => self.list.step(-1),
            KeyCode::PageDown => self.list.step(page - 1),
            KeyCode::PageUp => self.list.step(1 - page),
            KeyCode::Char('g') | KeyCode::Home => self.list.select(0),
            KeyCode::Char('G') | KeyCode::End | KeyCode::Char('F') => self.list.follow_tail(),
            KeyCode::Enter | KeyCode::Char('l') | KeyCode::Right => return self.open(),
            KeyCode::Char('n') => self.next_death(true),
            KeyCode::Char('N') => self.next_death(false),
            KeyCode::Char('/') => {
                let text = self.list.filter.text().to_owned();
                self.ask = Some(Ask::Filter {
                    before: text.clone(),
                    text,
                    error: None,
                });
            }
            KeyCode::Esc if !self.list.filter.is_empty() => {
                self.list.filter = Filter::default();
                self.list.ask();
            }
            KeyCode::Char('x') => {
                self.list.only_bad = !self.list.only_bad;
                self.list.ask();
            }
            KeyCode::Char('L') => {
                self.list.lookups = !self.list.lookups;
                self.list.ask();
                self.say(if self.list.lookups {
                    "healthy look-ups and control connections are shown too"
                } else {
                    "healthy look-ups and control connections are hidden"
                });
            }
            KeyCode::Char('f') => {
                self.list.fold_anew();
                self.say(self.list.fold.name());
            }
            KeyCode::Char('s') => {
                self.list.sort = self.list.sort.next();
                self.list.follow = false;
                self.list.ask();
                self.say(format!("sorted {}", self.list.sort.name()));
            }
            KeyCode::Char('S') => {
                self.list.reverse = !self.list.reverse;
                self.list.follow = false;
                self.list.ask();
            }
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Char('2' | 'o') => {
                self.screen = Screen::Overview { cursor: 0 };
            }
            _ => {}
        }
        Vec::new()
    }

    fn in_detail(&mut self, key: KeyEvent) -> Vec<Effect> {
        let page = usize::from(self.size.1.saturating_sub(10)).max(1);
        let Screen::Detail(detail) = &mut self.screen else {
            return Vec::new();
        };
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc | KeyCode::Backspace => {
                self.screen = Screen::List;
                return Vec::new();
            }
            KeyCode::Tab | KeyCode::Char('l') | KeyCode::Right => detail.turn(detail.tab.moved(1)),
            KeyCode::BackTab | KeyCode::Char('h') | KeyCode::Left => {
                detail.turn(detail.tab.moved(-1));
            }
            KeyCode::Char(digit @ '1'..='7') => {
                let place = digit as usize - '1' as usize;
                detail.turn(Tab::ALL.get(place).copied().unwrap_or(detail.tab));
            }
            KeyCode::Char('e') => detail.turn(Tab::Explain),
            KeyCode::Char('j') | KeyCode::Down => detail.scroll += 1,
            KeyCode::Char('k') | KeyCode::Up => detail.scroll = detail.scroll.saturating_sub(1),
            KeyCode::PageDown => detail.scroll += page,
            KeyCode::PageUp => detail.scroll = detail.scroll.saturating_sub(page),
            KeyCode::Char('g') | KeyCode::Home => detail.scroll = 0,
            KeyCode::Char('G') | KeyCode::End => detail.scroll = usize::MAX / 2,
            KeyCode::Char('n' | 'N') => {
                let (tab, before) = (detail.tab, detail.row.key);
                self.next_death(key.code == KeyCode::Char('n'));
                let Some(row) = self.list.row().filter(|row| row.key != before).cloned() else {
                    return Vec::new();
                };
                return self.show(row, tab);
            }
            _ => {}
        }
        if let Screen::Detail(detail) = &self.screen {
            let most = draw::detail_overflow(self, detail);
            if let Screen::Detail(detail) = &mut self.screen {
                detail.scroll = detail.scroll.min(most);
            }
        }
        Vec::new()
    }

    fn in_overview(&mut self, key: KeyEvent) -> Vec<Effect> {
        let causes = self.causes.list().len();
        let Screen::Overview { cursor } = &mut self.screen else {
            return Vec::new();
        };
        let last = causes.saturating_sub(1);
        match key.code {
            KeyCode::Char('q')
            | KeyCode::Esc
            | KeyCode::Tab
            | KeyCode::BackTab
            | KeyCode::Char('1') => {
                self.screen = Screen::List;
            }
            KeyCode::Char('j') | KeyCode::Down => *cursor = (*cursor + 1).min(last),
            KeyCode::Char('k') | KeyCode::Up => *cursor = cursor.saturating_sub(1),
            KeyCode::Char('g') | KeyCode::Home => *cursor = 0,
            KeyCode::Char('G') | KeyCode::End => *cursor = last,
            KeyCode::Enter | KeyCode::Char('l') | KeyCode::Right => {
                let at = *cursor;
                let chosen = self.causes.list().get(at).map(|cause| cause.code);
                if let Some(code) = chosen
                    && let Ok(filter) = Filter::parse(&format!("code:{code}"))
                {
                    self.list.filter = filter;
                    self.list.ask();
                    self.screen = Screen::List;
                    self.say(format!("only {code}: Esc shows all"));
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn asked(&mut self, key: KeyEvent) -> Vec<Effect> {
        match self.ask.take() {
            Some(Ask::Filter {
                mut text, before, ..
            }) => {
                let edited = edit(&mut text, key);
                if edited == Edited::GivenUp {
                    self.list.filter = Filter::parse(&before).unwrap_or_default();
                    self.list.ask();
                    return Vec::new();
                }
                let mut error = None;
                match Filter::parse(&text) {
                    Ok(filter) if edited != Edited::Nothing => {
                        self.list.filter = filter;
                        self.list.ask();
                    }
                    Ok(_) => {}
                    Err(why) => error = Some(why),
                }
                if edited != Edited::Done || error.is_some() {
                    self.ask = Some(Ask::Filter {
                        text,
                        error,
                        before,
                    });
                }
                Vec::new()
            }
            Some(Ask::Probe { target, says }) => match key.code {
                KeyCode::Char('y' | 'Y') => {
                    self.say(format!(
                        "probing {}",
                        present::endpoint(&target.ip.to_string(), target.port)
                    ));
                    vec![Effect::Control(Control::Probe(target))]
                }
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {
                    self.say("nothing was sent");
                    Vec::new()
                }
                _ => {
                    self.ask = Some(Ask::Probe { target, says });
                    Vec::new()
                }
            },
            None => Vec::new(),
        }
    }

    fn helped(&mut self, key: KeyEvent) -> Vec<Effect> {
        let most = draw::help_overflow(self);
        let Some(scroll) = &mut self.help else {
            return Vec::new();
        };
        match key.code {
            KeyCode::Char('j') | KeyCode::Down => *scroll = (*scroll + 1).min(most),
            KeyCode::Char('k') | KeyCode::Up => *scroll = scroll.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => *scroll = (*scroll + 10).min(most),
            KeyCode::PageUp => *scroll = scroll.saturating_sub(10),
            _ => self.help = None,
        }
        Vec::new()
    }

    pub(super) fn open(&mut self) -> Vec<Effect> {
        if self.list.toggle_group() {
            return Vec::new();
        }
        let Some(row) = self.list.row().cloned() else {
            return Vec::new();
        };
        self.list.follow = false;
        self.show(row, Tab::Packets)
    }

    fn show(&mut self, row: Arc<Row>, tab: Tab) -> Vec<Effect> {
        let key = row.key;
        let mut detail = Detail::new(row);
        detail.tab = tab;
        self.screen = Screen::Detail(Box::new(detail));
        vec![Effect::Load(key)]
    }

    fn next_death(&mut self, forwards: bool) {
        if !self.list.next_death(forwards) {
            self.say(if forwards {
                "no death after this one"
            } else {
                "no death before this one"
            });
        }
    }
}

impl Detail {
    pub(super) fn turn(&mut self, tab: Tab) {
        self.tab = tab;
        self.scroll = 0;
    }
}
