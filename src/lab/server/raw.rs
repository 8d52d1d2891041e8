//! Servers that are no mail servers: HTTP, SSH, and bytes as a scenario scripts them.

use super::channel::End;
use super::session::Session;
use super::spec::{RawProfile, Then};
use std::time::Duration;

const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 150\r\nConnection: close\r\n\r\n<html>\r\n<head><title>400 Bad Request</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// The whole dialogue.
pub fn serve(session: &mut Session<'_>) -> Result<(), End> {
    let raw = &session.service.spec.raw;
    let greeting = &session.service.spec.greeting;
    if !session
        .channel
        .stop()
        .pass(Duration::from_millis(greeting.delay_ms))
    {
        return Err(End::Stopped);
    }
    let (first, answer, then) = match raw.profile {
        RawProfile::Script => (raw.greeting.as_str(), raw.answer.as_str(), raw.then),
        RawProfile::Http => ("", BAD_REQUEST, Then::Close),
        RawProfile::Ssh => (
            "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
            "Invalid SSH identification string.\r\n",
            Then::Close,
        ),
        RawProfile::Sink => return Err(End::Scripted(Then::Stall)),
    };
    session.channel.send(first.as_bytes())?;
    loop {
        session.channel.some()?;
        session.channel.send(answer.as_bytes())?;
        if then != Then::Continue {
            return Err(End::Scripted(then));
        }
    }
}
