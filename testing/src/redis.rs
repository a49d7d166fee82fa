//! A Redis server of a test's own: on a free port of loopback, in a folder that goes away, ended with the test.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Folder, free_port, tool};

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
