//! Two namespaces and a wire between them: `c0` at the client's end (the calling thread's), `s0` at the server's.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use mxray::lab::enter_network;

pub const SERVER: &str = "192.0.2.10";
pub const OTHER_SERVER: &str = "192.0.2.11";
pub const CLIENT: &str = "192.0.2.5";
/// Nobody is there, but its Ethernet address is known.
pub const SILENT: &str = "192.0.2.66";
/// The server's end is a router that prohibits this.
pub const PROHIBITED: &str = "198.51.100.7";

/// The client's address where answers take another way than what they answer, and the server's.
pub const HOME: &str = "198.18.0.5";
pub const AWAY: &str = "198.18.0.10";

/// Lets packets in by another interface than answers to them would leave by (ip-sysctl: rp_filter).
fn any_way_back() -> Result<(), String> {
    let folder = fs::read_dir("/proc/sys/net/ipv4/conf").map_err(|error| error.to_string())?;
    for entry in folder.flatten() {
        fs::write(entry.path().join("rp_filter"), "0").map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Runs a command that must succeed.
pub fn must(words: &str) -> Result<(), String> {
    let mut parts = words.split_whitespace();
    let program = parts.next().unwrap_or_default();
    let output = Command::new(program)
        .args(parts)
        .output()
        .map_err(|error| format!("{words}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{words}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The server's end. Its thread, and with it the namespace, lives as long as this value.
pub struct Ground {
    orders: Sender<Order>,
    task: String,
}

type Order = Box<dyn FnOnce() + Send>;

impl Ground {
    /// Moves the calling thread into a namespace of its own and lays a wire to another.
    pub fn lay() -> Result<Ground, String> {
        enter_network().map_err(|error| error.to_string())?;
        let (orders, received) = channel::<Order>();
        let (tell, told) = channel();
        thread::spawn(move || {
            let entered = enter_network().map_err(|error| error.to_string());
            let task = fs::read_link("/proc/thread-self")
                .map(|path| path.display().to_string())
                .unwrap_or_default();
            let _ = tell.send(entered.map(|()| task));
            for order in received {
                order();
            }
        });
        let task = told
            .recv()
            .map_err(|_| "the server's end is gone".to_owned())??;
        let task = task.rsplit('/').next().unwrap_or_default().to_owned();
        let ground = Ground { orders, task };
        must("ip link set lo up")?;
        ground.wire()?;
        ground.at_server(|| {
            must("ip link set lo up")?;
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").map_err(|error| error.to_string())?;
            must("ip route add prohibit 198.51.100.0/24")
        })?;
        Ok(ground)
    }

    /// Makes the wire, with addresses and routes at both ends; also again after it was cut.
    pub fn wire(&self) -> Result<(), String> {
        must(&format!(
            "ip link add c0 type veth peer name s0 netns {}",
            self.task
        ))?;
        must(&format!("ip addr add {CLIENT}/24 dev c0"))?;
        must("ip link set c0 up")?;
        self.at_server(|| {
            must(&format!("ip addr add {SERVER}/24 dev s0"))?;
            must(&format!("ip addr add {OTHER_SERVER}/24 dev s0"))?;
            must("ip link set s0 up")
        })?;
        must(&format!("ip route add default via {SERVER}"))?;
        must(&format!(
            "ip neigh replace {SILENT} lladdr 02:00:00:00:00:66 dev c0 nud permanent"
        ))
    }

    /// A second wire, `c1` and `s1`, and addresses beyond both ends: what leaves for [`AWAY`] goes by `c0`, and what comes back comes by
    /// `c1`.
    pub fn detour(&self) -> Result<(), String> {
        must(&format!(
            "ip link add c1 type veth peer name s1 netns {}",
            self.task
        ))?;
        must("ip addr add 203.0.113.5/24 dev c1")?;
        must("ip link set c1 up")?;
        must(&format!("ip addr add {HOME}/32 dev lo"))?;
        must(&format!("ip route add {AWAY}/32 via {SERVER} src {HOME}"))?;
        any_way_back()?;
        self.at_server(|| {
            must("ip addr add 203.0.113.10/24 dev s1")?;
            must("ip link set s1 up")?;
            must(&format!("ip addr add {AWAY}/32 dev lo"))?;
            must(&format!(
                "ip route add {HOME}/32 via 203.0.113.5 src {AWAY}"
            ))?;
            any_way_back()
        })
    }

    /// Does something at the server's end and waits for it.
    pub fn at_server<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let (tell, told) = channel();
        let order = Box::new(move || {
            let _ = tell.send(work());
        });
        self.orders
            .send(order)
            .map_err(|_| "the server's end is gone".to_owned())?;
        told.recv()
            .map_err(|_| "the server's end is gone".to_owned())?
    }

    /// Listens at the server's end; every connection is handed to `serve` on a thread of its own.
    pub fn listen(&self, address: &str, port: u16, serve: fn(TcpStream)) -> Result<(), String> {
        let address: Ipv4Addr = address.parse().map_err(|_| "an address".to_owned())?;
        self.at_server(move || {
            let listener = TcpListener::bind((address, port)).map_err(|error| error.to_string())?;
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    thread::spawn(move || serve(stream));
                }
            });
            Ok(())
        })
    }
}

/// An SMTP server that takes everything.
pub fn smtp(stream: TcpStream) {
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    let mut lines = BufReader::new(stream).lines();
    let mut say = |text: &str| out.write_all(text.as_bytes()).is_ok();
    if !say("220 mail.example.net ESMTP\r\n") {
        return;
    }
    let mut in_data = false;
    while let Some(Ok(line)) = lines.next() {
        let answer = match line.split_whitespace().next().unwrap_or_default() {
            "." if in_data => {
                in_data = false;
                "250 2.0.0 Ok: queued\r\n"
            }
            _ if in_data => continue,
            "EHLO" => "250-mail.example.net\r\n250 SIZE 1000000\r\n",
            "DATA" => {
                in_data = true;
                "354 End data with <CR><LF>.<CR><LF>\r\n"
            }
            "QUIT" => {
                say("221 2.0.0 Bye\r\n");
                return;
            }
            _ => "250 2.1.0 Ok\r\n",
        };
        if !say(answer) {
            return;
        }
    }
}

/// A server that resets at once.
pub fn reset(stream: TcpStream) {
    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// A server that never says a word.
pub fn mute(mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
}

/// Sends one message. `Ok` when it was taken.
pub fn send_mail(address: &str, port: u16) -> Result<(), String> {
    let stream = connect(address, port, Duration::from_secs(5))?;
    let wrong = |error: std::io::Error| error.to_string();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .map_err(wrong)?;
    let mut out = stream.try_clone().map_err(wrong)?;
    let mut lines = BufReader::new(stream).lines();
    let mut reply = || -> Result<(), String> {
        loop {
            let line = lines.next().ok_or("the server is gone")?.map_err(wrong)?;
            match line.as_bytes().get(3) {
                Some(b'-') => {}
                _ if line.starts_with(['2', '3']) => return Ok(()),
                _ => return Err(line),
            }
        }
    };
    reply()?;
    for command in [
        "EHLO client.example.net\r\n",
        "MAIL FROM:<a@example.net>\r\n",
        "RCPT TO:<b@example.net>\r\n",
        "DATA\r\n",
        "Subject: test\r\n\r\nHello.\r\n.\r\n",
        "QUIT\r\n",
    ] {
        out.write_all(command.as_bytes()).map_err(wrong)?;
        reply()?;
    }
    Ok(())
}

/// Opens a connection.
pub fn connect(address: &str, port: u16, patience: Duration) -> Result<TcpStream, String> {
    let address: SocketAddr = format!("{address}:{port}")
        .parse()
        .map_err(|_| "an address".to_owned())?;
    TcpStream::connect_timeout(&address, patience).map_err(|error| error.to_string())
}
