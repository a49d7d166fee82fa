//! A Redis server of a test's own: on a free port of loopback, in a folder that goes away, ended with the test.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Folder, free_port, tool};

/// Options with which what is acknowledged is in a file, though not on the disk: the server may crash.
pub const KEPT: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "no"];

pub struct Server {
    pub port: u16,
    child: Child,
    options: Vec<String>,
    folder: Folder,
}

impl Server {
    /// None where `redis-server` is missing, see [`tool`].
    pub fn try_start(options: &[&str]) -> Option<Self> {
        tool("redis-server").map(|_| Self::start(options))
    }

    pub fn start(options: &[&str]) -> Self {
        let folder = Folder::another("redis");
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        let port = free_port();
        let child = spawn(port, &options, &folder);
        Self { port, child, options, folder }
    }

    /// A sentinel that watches this master by the name `main`.
    pub fn watching(master: &Server) -> Self {
        let folder = Folder::another("sentinel");
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, format!("sentinel monitor main 127.0.0.1 {} 1\n", master.port)).unwrap();
        let (port, options) = (free_port(), vec!["--sentinel".to_owned()]);
        let mut command = Command::new("redis-server");
        command.arg(&file).args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder.path());
        let child = started(command.args(&options), port);
        Self { port, child, options, folder }
    }

    /// The folder that goes away with it.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the process as a whole, or has it go on.
    pub fn stand_still(&self, stands: bool) {
        let signal = if stands { "-STOP" } else { "-CONT" };
        let number = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &number]).status().unwrap().success());
    }

    pub fn restart(&mut self) {
        self.child = spawn(self.port, &self.options, &self.folder);
    }

    /// Runs a command by its own client.
    pub fn command(&self, words: &[&str]) -> String {
        let client = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output().unwrap();
        assert!(client.status.success());
        String::from_utf8(client.stdout).unwrap()
    }
}

/// Three nodes that share the slots of a cluster.
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// None where the programs are missing, see [`tool`].
    pub fn try_start() -> Option<Self> {
        tool("redis-server").and(tool("redis-cli"))?;
        let node = |_| {
            let bus = free_port().to_string();
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "2000"];
            Server::start(&[&cluster[..], &KEPT].concat())
        };
        let cluster = Self { nodes: (0..3).map(node).collect() };
        let names: Vec<_> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let words = ["--cluster", "create"].into_iter().chain(names.iter().map(String::as_str));
        cluster.nodes[0].command(&words.chain(["--cluster-yes"]).collect::<Vec<_>>());
        cluster.await_ready();
        Some(cluster)
    }

    /// Names two of the nodes.
    pub fn url(&self) -> String {
        format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", self.nodes[0].port, self.nodes[1].port)
    }

    /// Waits until all nodes serve all slots.
    pub fn await_ready(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        let is_up = |node: &Server| node.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
        while !self.nodes.iter().all(is_up) {
            assert!(Instant::now() < until, "the cluster does not serve");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, options: &[String], folder: &Folder) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]).arg(folder.path());
    started(command.args(options), port)
}

fn started(command: &mut Command, port: u16) -> Child {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.expect("redis-server");
    let until = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "the server did not start");
        thread::sleep(Duration::from_millis(10));
    }
    child
}
