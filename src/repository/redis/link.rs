//! Connections: to one server, to the master that sentinels name, or to the node of a cluster that has a slot.
//!
//! Every connection is taken from the pool for one call. After any failure of it it is thrown away. No lock is held
//! while it is used.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, Connection, ConnectionAddr, ConnectionInfo, ErrorKind, RedisConnectionInfo, RedisError};
use redis::{RedisResult, ServerErrorKind, TlsCertificates, Value};

use crate::error::{Error, Result};
use crate::fork::{self, lock};
use crate::names::{self, Missed, Names};
use crate::repository::store::Failure;

/// The longest that one answer is waited for.
const ANSWER: Duration = Duration::from_secs(3);

/// How often a call is sent on to another node, or tries another connection.
const TRIES: usize = 5;

/// How long is waited while a slot moves to another node.
const MOVING: Duration = Duration::from_millis(10);

/// How long a connection may have been idle.
const IDLE: Duration = Duration::from_secs(60);

/// How long a connection is taken for one to a master: one that is demoted keeps its connections, and answers reads from
/// rows that others have left behind.
pub const MASTER: Duration = Duration::from_secs(2);

/// A server.
pub type Node = (String, u16);

/// Who knows where the rows are.
#[derive(Clone, PartialEq, Eq)]
pub enum Topology {
    /// The first server itself.
    One,
    /// Sentinels, who call the master by this name.
    Sentinel(String),
    /// Any node of a cluster.
    Cluster,
}

/// What is needed to connect.
pub struct Servers {
    pub topology: Topology,
    /// The servers that the configuration names, each with user, password and database.
    pub seeds: Vec<ConnectionInfo>,
    /// The only authorities that are trusted, in PEM, where not the platform's.
    pub authorities: Option<Vec<u8>>,
    /// Connections that are kept.
    pub pool_size: usize,
}

/// The connections of a store.
pub struct Links {
    servers: Servers,
    place: String,
    names: Names,
    idle: Mutex<HashMap<Node, Vec<(Instant, Link)>>>,
    /// The node that has a slot; of one server, or one master, that of slot 0.
    routes: Mutex<HashMap<u16, Node>>,
}

/// A connection, and when its server last said that it is a master.
struct Link {
    link: Connection,
    asked: Instant,
}

impl Links {
    pub fn new(servers: Servers, place: String) -> Self {
        let names = Names::new(names::look_up);
        Self { servers, place, names, idle: Mutex::default(), routes: Mutex::default() }
    }

    /// Sends a request to who has the slot. One that writes is sent once: when its answer is lost, that is a failure.
    pub fn call(&self, slot: u16, request: &Request<'_>, by: Instant) -> std::result::Result<Value, Failure> {
        let slot = if self.servers.topology == Topology::Cluster { slot } else { 0 };
        let (mut asked, mut fallback) = (None, None);
        let mut last = self.error("no connection");
        let mut tries = TRIES;
        while tries > 0 {
            tries -= 1;
            let node = match asked.clone() {
                Some(node) => node,
                None => self.route(slot, by).map_err(Failure::Final)?,
            };
            let (mut link, is_fresh) = match self.take(&node, by) {
                Ok(taken) => taken,
                Err(cause) => {
                    self.forget(slot);
                    last = self.told(&cause);
                    if self.servers.topology == Topology::One {
                        return Err(Failure::Final(last));
                    }
                    asked = None;
                    continue;
                }
            };
            let command = fallback.as_ref().unwrap_or(&request.command);
            let cause = match exchange(&mut link.link, command, asked.is_some(), by) {
                Ok(value) => return self.ask_after(request, value, (node, link), by),
                Err(cause) => cause,
            };
            last = self.told(&cause);
            let redirected = cause.redirect_node().and_then(|(address, _)| named(address, &node));
            asked = None;
            match cause.kind() {
                ErrorKind::Server(ServerErrorKind::Moved) => {
                    self.give_back(node, link);
                    redirected.into_iter().for_each(|node| self.note(slot, node));
                }
                ErrorKind::Server(ServerErrorKind::Ask) => {
                    self.give_back(node, link);
                    asked = redirected;
                }
                // Some of the rows are on one node, and some on the other: nothing was done.
                ErrorKind::Server(ServerErrorKind::TryAgain) if Instant::now() + MOVING < by => {
                    self.give_back(node, link);
                    thread::sleep(MOVING);
                    tries += 1;
                }
                ErrorKind::Server(ServerErrorKind::NoScript) => {
                    self.give_back(node, link);
                    fallback = request.fallback.map(|fallback| fallback());
                }
                // No longer the master: who is may be known by now.
                ErrorKind::Server(ServerErrorKind::ReadOnly) => self.forget(slot),
                ErrorKind::Server(_) | ErrorKind::Extension => {
                    self.give_back(node, link);
                    return Err(Failure::Final(last));
                }
                // Whether it reached the server, nobody knows.
                _ => {
                    self.forget(slot);
                    if request.writes {
                        return Err(Failure::Lost(last));
                    }
                    if is_fresh {
                        return Err(Failure::Final(last));
                    }
                }
            }
        }
        Err(Failure::Final(last))
    }

    /// Asks what is asked when a command is done. Gives both values, or the first alone where nothing is asked.
    fn ask_after(
        &self,
        request: &Request<'_>,
        value: Value,
        (node, mut link): (Node, Link),
        by: Instant,
    ) -> std::result::Result<Value, Failure> {
        let Some(after) = &request.after else {
            self.give_back(node, link);
            return Ok(value);
        };
        let asked = exchange(&mut link.link, after, false, by).map_err(|cause| Failure::Final(self.told(&cause)))?;
        self.give_back(node, link);
        Ok(Value::Array(vec![value, asked]))
    }

    pub fn error(&self, cause: &str) -> Error {
        Error::store(format!("repository {:?}: {cause}", self.place))
    }

    /// What may be said of a failure: never what the server says of a command.
    fn told(&self, cause: &RedisError) -> Error {
        match cause.code() {
            Some(code) => self.error(&format!("the server answers {code}")),
            None if cause.kind() == ErrorKind::Client => self.error("is a replica, and not the master"),
            None if cause.is_timeout() => self.error("no answer in time"),
            None if cause.kind() == ErrorKind::AuthenticationFailed => self.error("user or password are refused"),
            // The system's words, and nothing else.
            None if cause.is_io_error() => self.error(&cause.to_string()),
            None => self.error(&format!("the connection failed ({:?})", cause.kind()).to_lowercase()),
        }
    }

    /// Forgets what a child of `fork` has in common with its parent, without closing it: that would be said to the
    /// server.
    pub fn abandon(&self) {
        std::mem::forget(std::mem::take(&mut *lock(&self.idle)));
    }

    fn note(&self, slot: u16, node: Node) {
        fork::shared(|| lock(&self.routes).insert(slot, node));
    }

    /// Where the slot was is not where it is, and connections to there may be as old.
    fn forget(&self, slot: u16) {
        let old = fork::shared(|| {
            let node = lock(&self.routes).remove(&slot);
            node.and_then(|node| lock(&self.idle).remove(&node))
        });
        drop(old);
    }

    fn route(&self, slot: u16, by: Instant) -> Result<Node> {
        if let Some(node) = fork::shared(|| lock(&self.routes).get(&slot).cloned()) {
            return Ok(node);
        }
        let node = match &self.servers.topology {
            Topology::One => self.servers.seeds.first().and_then(node_of),
            Topology::Sentinel(master) => {
                self.servers.seeds.iter().find_map(|seed| self.ask_sentinel(seed, master, by))
            }
            // Whoever it is says who has the slot.
            Topology::Cluster => self.servers.seeds.iter().filter_map(node_of).find(|node| match self.take(node, by) {
                Ok((link, _)) => {
                    self.give_back(node.clone(), link);
                    true
                }
                Err(_) => false,
            }),
        };
        let node = node.ok_or_else(|| self.error("no server tells where it is"))?;
        self.note(slot, node.clone());
        Ok(node)
    }

    /// The master that a sentinel knows. User and password are the master's, not its.
    fn ask_sentinel(&self, seed: &ConnectionInfo, master: &str, by: Instant) -> Option<Node> {
        let seed = seed.clone().set_redis_settings(RedisConnectionInfo::default());
        let mut link = self.open(seed, by).ok()?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("get-master-addr-by-name").arg(master);
        let (host, port): (String, u16) = command.query(&mut link).ok()?;
        Some((host, port))
    }

    /// A connection, and whether it is new.
    fn take(&self, node: &Node, by: Instant) -> RedisResult<(Link, bool)> {
        while let Some(mut link) = self.take_idle(node) {
            if self.servers.topology == Topology::Cluster || link.asked.elapsed() < MASTER {
                return Ok((link, false));
            }
            bound(&link.link, by)?;
            match is_replica(&mut link.link) {
                Ok(true) => fail("it is a replica")?,
                // It ended while nobody looked.
                Err(cause) if cause.code().is_none() => {}
                _ => return Ok((Link { asked: Instant::now(), ..link }, false)),
            }
        }
        self.connect(node, by).map(|link| (link, true))
    }

    fn take_idle(&self, node: &Node) -> Option<Link> {
        let mut old = Vec::new();
        let taken = fork::shared(|| {
            let mut idle = lock(&self.idle);
            let links = idle.get_mut(node)?;
            loop {
                match links.pop()? {
                    (since, link) if since.elapsed() < IDLE => return Some(link),
                    (_, link) => old.push(link),
                }
            }
        });
        drop(old);
        taken
    }

    fn connect(&self, node: &Node, by: Instant) -> RedisResult<Link> {
        let Some(seed) = self.servers.seeds.first() else { fail("there is no server")? };
        let (host, port) = node.clone();
        let address = match seed.addr() {
            ConnectionAddr::TcpTls { .. } => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            _ => ConnectionAddr::Tcp(host, port),
        };
        let mut link = self.open(seed.clone().set_addr(address), by)?;
        // Who may not ask finds out when it writes.
        if self.servers.topology != Topology::Cluster && is_replica(&mut link).unwrap_or(false) {
            fail("it is a replica")?;
        }
        Ok(Link { link, asked: Instant::now() })
    }

    fn open(&self, seed: ConnectionInfo, by: Instant) -> RedisResult<Connection> {
        let is_tls = matches!(seed.addr(), ConnectionAddr::TcpTls { .. });
        let is_address = node_of(&seed).is_some_and(|(host, _)| names::address(&host).is_some());
        let seed = seed.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = match &self.servers.authorities {
            Some(authorities) if is_tls => {
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(authorities.clone()) };
                Client::build_with_tls(seed, certificates)?
            }
            _ => Client::open(seed)?,
        };
        let connect = move || client.get_connection_with_timeout(left(by));
        let link = if is_address { connect() } else { self.names.aside(left(by), connect).map_err(missed)? }?;
        bound(&link, by)?;
        Ok(link)
    }

    fn give_back(&self, node: Node, link: Link) {
        let surplus = fork::shared(|| {
            let mut idle = lock(&self.idle);
            let links = idle.entry(node).or_default();
            if links.len() >= self.servers.pool_size {
                return Some(link);
            }
            links.push((Instant::now(), link));
            None
        });
        drop(surplus);
    }
}

/// A child in which the handlers did not run says nothing either.
impl Drop for Links {
    fn drop(&mut self) {
        if fork::check().is_err() {
            self.abandon();
        }
    }
}

/// A command, what is sent instead where the server has forgotten its script, and what is asked on the same connection
/// when it is done.
pub struct Request<'a> {
    pub command: Cmd,
    pub fallback: Option<&'a dyn Fn() -> Cmd>,
    pub writes: bool,
    pub after: Option<Cmd>,
}

fn exchange(link: &mut Connection, command: &Cmd, asks: bool, by: Instant) -> RedisResult<Value> {
    bound(link, by)?;
    if asks {
        redis::cmd("ASKING").query::<Value>(link)?;
    }
    command.query(link)
}

/// Has the connection wait no longer than the call may.
fn bound(link: &Connection, by: Instant) -> RedisResult<()> {
    link.set_read_timeout(Some(left(by)))?;
    link.set_write_timeout(Some(left(by)))
}

fn left(by: Instant) -> Duration {
    by.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), ANSWER)
}

fn is_replica(link: &mut Connection) -> RedisResult<bool> {
    let role = redis::cmd("ROLE").query::<Vec<Value>>(link)?;
    Ok(matches!(role.first(), Some(Value::BulkString(role)) if role != b"master"))
}

fn missed(missed: Missed) -> RedisError {
    let kind = if matches!(missed, Missed::Late) { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
    io::Error::new(kind, missed.to_string()).into()
}

fn fail<T>(cause: &'static str) -> RedisResult<T> {
    Err((ErrorKind::Client, cause).into())
}

fn node_of(seed: &ConnectionInfo) -> Option<Node> {
    match seed.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some((host.clone(), *port)),
        _ => None,
    }
}

/// The host that a node sends us to: none means itself.
fn named(address: &str, node: &Node) -> Option<Node> {
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() { node.0.clone() } else { host.to_owned() };
    Some((host, port.parse().ok()?))
}
