//! Who logs in: the account and its secret, from a file, the environment or the terminal. No secret is ever on the command line,
//! and none is left in a core dump.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Arguments;
use crate::cli::aside;
use crate::privilege::{self, Successor};
use crate::probe::auth::{self, Login};

/// Reads what the options name; core dumps are switched off before the first secret is read.
pub(super) fn login(arguments: &Arguments) -> Result<Option<Arc<Login>>, String> {
    let Some(user) = arguments.user.clone() else {
        return Ok(None);
    };
    // Before the first secret is read.
    switch_off_core_dumps()?;
    let named = |option: &str, why: String| format!("{option} {why}");
    let login = if let Some(path) = &arguments.token_file {
        let token = Login::read_secret(path).map_err(|why| named("--token-file", why))?;
        Login::with_token(user, token)
    } else if let Some(path) = &arguments.password_file {
        let password = Login::read_secret(path).map_err(|why| named("--password-file", why))?;
        Login::with_password(user, password)
    } else if let Some(name) = &arguments.password_env {
        let text = std::env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| format!("--password-env: there is no variable {name}"))?;
        Login::with_password(user, text)
    } else {
        let password = ask(&user)?;
        Login::with_password(user, password)
    };
    Ok(Some(Arc::new(
        login
            .allow_plaintext(arguments.auth_plaintext)
            .allow_unverified(arguments.auth_unverified),
    )))
}

/// Gives up privileges. The kernel sets anew whether a process that changes its user leaves core dumps (`fs.suid_dumpable`), so who
/// holds a secret switches them off once more.
pub(super) fn give_up(arguments: &Arguments, successor: Option<Successor>) -> Result<(), String> {
    privilege::give_up(successor).map_err(|error| error.to_string())?;
    match arguments.user {
        Some(_) => switch_off_core_dumps(),
        None => Ok(()),
    }
}

fn switch_off_core_dumps() -> Result<(), String> {
    auth::no_core_dumps().map_err(|error| format!("core dumps cannot be switched off: {error}"))
}

/// Asks at the terminal, without an echo.
fn ask(user: &str) -> Result<Zeroizing<String>, String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(
            "--user needs --password-file, --password-env or --token-file where there is no terminal to ask at"
                .to_owned(),
        );
    }
    let failed =
        |error: &dyn std::fmt::Display| format!("the password cannot be asked for: {error}");
    aside::write(&format_args!("Password of {user}: "));
    let before = rustix::termios::tcgetattr(&stdin).map_err(|error| failed(&error))?;
    let mut silent = before.clone();
    silent.local_modes.remove(rustix::termios::LocalModes::ECHO);
    let when = rustix::termios::OptionalActions::Flush;
    rustix::termios::tcsetattr(&stdin, when, &silent).map_err(|error| failed(&error))?;
    // Room enough that it does not grow and leave a copy behind.
    let mut line = Zeroizing::new(String::with_capacity(1_024));
    let read = stdin.lock().read_line(&mut line);
    let restored = rustix::termios::tcsetattr(&stdin, when, &before);
    aside::write(&"\n");
    read.map_err(|error| failed(&error))?;
    restored.map_err(|error| failed(&error))?;
    Login::first_line(&line).ok_or_else(|| "the password is empty".to_owned())
}
