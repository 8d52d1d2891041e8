//! Which way of logging in is taken: the first that the server offers and the credential fits.
//!
//! Within TLS the order is that of mail programs, without it the ways that do not show the password come first. One way is chosen, and
//! none after it: a second try with another mechanism would count as a second wrong password. Pure.

use super::credentials::{Login, Way};
use crate::probe::session::ask::Capabilities;
use crate::proto::mail::Language;

/// The first way that both sides have.
pub(super) fn choose(
    login: &Login,
    language: Language,
    offered: &Capabilities,
    secure: bool,
) -> Result<Way, &'static str> {
    let names = offered.mechanisms();
    let has = |way: Way| {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(way.name()))
    };
    if let Some(way) = login.only() {
        let fits = match way {
            Way::Xoauth2 | Way::OauthBearer => login.token().is_some(),
            _ => login.password().is_some(),
        };
        return match (fits, has(way)) {
            (true, true) => Ok(way),
            (false, _) => Err("this mechanism needs another kind of credential"),
            (true, false) => Err("the server does not offer this mechanism"),
        };
    }
    let Some(password) = login.password() else {
        return [Way::OauthBearer, Way::Xoauth2]
            .into_iter()
            .find(|way| has(*way))
            .ok_or("the server takes no OAuth token (neither OAUTHBEARER nor XOAUTH2 is offered)");
    };
    let ascii = password.is_ascii() && login.user().is_ascii();
    let order: &[Way] = match secure {
        true => &[
            Way::Plain,
            Way::Login,
            Way::ScramSha256,
            Way::ScramSha1,
            Way::CramMd5,
        ],
        false => &[
            Way::ScramSha256,
            Way::ScramSha1,
            Way::CramMd5,
            Way::Plain,
            Way::Login,
        ],
    };
    let found = order.iter().copied().find(|way| {
        has(*way) && (ascii || !matches!(way, Way::ScramSha1 | Way::ScramSha256 | Way::CramMd5))
    });
    if let Some(way) = found {
        return Ok(way);
    }
    let line_safe = |text: &str| !text.chars().any(char::is_control);
    let by_command = match language {
        Language::Imap => !offered.offers("LOGINDISABLED") && ascii,
        // RFC 2449 6.3; a server without CAPA says nothing about it.
        Language::Pop3 => offered.lines.is_empty() || offered.offers("USER"),
        _ => false,
    };
    match by_command && line_safe(password) && line_safe(login.user()) {
        true => Ok(Way::Command),
        false if names.is_empty() => Err("the server offers no login here"),
        false => Err("no way of logging in that both sides have"),
    }
}
