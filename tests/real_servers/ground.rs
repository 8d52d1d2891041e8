//! Real servers with a folder of their own: configuration in, processes up, everything gone at the end.
//!
//! They live in a process namespace whose first process waits for the end of its input. So they end when this
//! value is dropped, and also when the test is killed. No file of the system's own configuration is read or written.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use mxray::lab::LabError;
use mxray::lab::server::Pki;
use mxray::lab::server::spec::CertificateKind;

const SCRIPT: &str = include_str!("servers.sh");
const MAIN: &str = include_str!("main.cf");
const MASTER: &str = include_str!("master.cf");
const DOVECOT: &str = include_str!("dovecot.conf");
const GREY: &str = include_str!("grey.sh");
const UNBOUND: &str = include_str!("unbound.conf");

/// What stands at the server's end.
#[derive(Clone, Copy, Default)]
pub struct Wanted {
    /// `postfix`, `dovecot`, `unbound`, in the order of their start.
    pub servers: &'static str,
    /// Rules of its firewall, as `nft` reads them.
    pub rules: &'static str,
    /// What the servers show.
    pub certificate: CertificateKind,
    /// More of Dovecot's settings.
    pub dovecot: &'static str,
}

/// The folder of a case, with certificates and configuration.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// Writes everything that the servers and clients of a case read.
    pub fn new(wanted: &Wanted) -> Result<Folder, LabError> {
        let folder = tempfile::Builder::new()
            .prefix("mxray-real-")
            .tempdir()
            .map_err(|error| LabError::Actor(format!("no folder can be made: {error}")))?;
        let folder = Folder(folder);
        folder
            .fill(wanted)
            .map_err(|error| LabError::Actor(format!("the servers cannot be set up: {error}")))?;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill(&self, wanted: &Wanted) -> Result<(), Box<dyn std::error::Error>> {
        let root = self.path();
        let shown = root.to_string_lossy().into_owned();
        // The servers give up root and must still get in.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        for below in [
            "postfix/queue",
            "postfix/data",
            "dovecot/run",
            "dovecot/mail",
            "unbound",
        ] {
            fs::create_dir_all(root.join(below))?;
        }
        fs::set_permissions(root.join("dovecot/mail"), fs::Permissions::from_mode(0o777))?;
        let (uid, gid) = account("postfix").unwrap_or((0, 0));
        std::os::unix::fs::chown(root.join("postfix/data"), Some(uid), Some(gid))?;
        for (name, text) in [
            ("postfix/main.cf", MAIN),
            ("postfix/master.cf", MASTER),
            ("dovecot/dovecot.conf", DOVECOT),
            (
                "dovecot/users",
                "user@example.net:{PLAIN}secret::::::\nfull@example.net:{PLAIN}no-such-password-0f3a::::::\n",
            ),
            ("grey.sh", GREY),
            ("unbound/unbound.conf", UNBOUND),
            (
                "resolv.conf",
                "nameserver 192.0.2.53\noptions timeout:3 attempts:2\n",
            ),
            ("rules", wanted.rules),
        ] {
            fs::write(root.join(name), text.replace("@DIR@", &shown))?;
        }
        let settings = root.join("dovecot/dovecot.conf");
        let text = fs::read_to_string(&settings)?;
        fs::write(&settings, format!("{text}{}\n", wanted.dovecot))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let wish = (wanted.certificate, vec!["mail.example.net".to_owned()]);
        let pki = Pki::new(now, std::slice::from_ref(&wish))?;
        let identity = pki
            .identity(wish.0, &wish.1)
            .ok_or("no certificate was made")?;
        let chain: String = identity
            .chain
            .iter()
            .map(|der| pem("CERTIFICATE", der))
            .collect();
        fs::write(root.join("chain.pem"), chain)?;
        fs::write(
            root.join("key.pem"),
            pem("PRIVATE KEY", identity.key().secret_der()),
        )?;
        fs::write(root.join("roots.pem"), &pki.roots_pem)?;
        Ok(())
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// The user and group of an account of this machine.
fn account(name: &str) -> Option<(u32, u32)> {
    let known = fs::read_to_string("/etc/passwd").ok()?;
    let line = known
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Servers that run.
pub struct Ground {
    first: Child,
    input: Option<ChildStdin>,
}

impl Ground {
    /// Starts them in the calling thread's network namespace, and returns when they listen.
    pub fn start(wanted: &Wanted, folder: &Path) -> Result<Ground, LabError> {
        let trouble = |error: std::io::Error| LabError::Actor(format!("unshare: {error}"));
        let mut first = Command::new("unshare")
            .args([
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "sh",
                "-c",
                SCRIPT,
                "servers",
            ])
            .arg(folder)
            .arg(format!("{} nft", wanted.servers))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(trouble)?;
        let input = first.stdin.take();
        let said = first.stdout.take().map(BufReader::new);
        let mut line = String::new();
        // Every start has a deadline of its own in the script.
        let read = said.map(|mut said| said.read_line(&mut line)).transpose();
        let ground = Ground { first, input };
        match read {
            Ok(_) if line.trim_end() == "ready" => Ok(ground),
            Ok(_) => Err(LabError::Actor(line.trim_end().to_owned())),
            Err(error) => Err(trouble(error)),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.first.wait();
    }
}
