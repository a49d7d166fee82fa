//! A folder with a repository, and the command run on it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use otp::Service;
use serde_json::{Value, json};
use testing::Folder;

pub const NUMBER: &str = "+39 333 123 4567";

/// A folder and a configuration in it.
pub struct Site {
    pub folder: Folder,
    pub config: String,
}

/// What a process said, and its exit status.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Site {
    /// A repository of this kind, whose messages are handed over.
    pub fn new(kind: &str) -> Self {
        Self::with(kind, "none", json!({}))
    }

    pub fn with(kind: &str, sender: &str, more: Value) -> Self {
        let folder = folder();
        let config = testing::config(&folder.repository(kind), sender, more);
        let site = Self { folder, config };
        drop(site.service());
        site
    }

    /// A repository that is elsewhere.
    pub fn at(repository: &str) -> Self {
        Self { folder: folder(), config: testing::config(repository, "none", json!({})) }
    }

    /// The service whose files the command works on.
    pub fn service(&self) -> Service {
        Service::open(Some(&self.config)).unwrap().0
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otp"));
        command.current_dir(self.folder.path()).env("OTP_CONFIG", &self.config).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments), "")
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        said(&mut self.command(arguments), input)
    }

    /// The reply for machines.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(said.out.lines().count(), 1, "{said:?}");
        serde_json::from_str(&said.out).unwrap()
    }
}

/// In memory: root makes copies in no folder of others, which a checkout may lie in.
pub fn folder() -> Folder {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    Folder::in_memory(&format!("tools{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}

pub fn said(command: &mut Command, input: &str) -> Said {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // It may have ended without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

impl Said {
    /// Done, with this in its words and no complaint.
    #[track_caller]
    pub fn is_done(&self, text: &str) -> &Self {
        assert!(self.code == 0 && self.out.contains(text) && self.err.is_empty(), "no {text:?}: {self:?}");
        self
    }

    /// Ended with a refusal that has this in its words.
    #[track_caller]
    pub fn is_refused(&self, text: &str) -> &Self {
        assert!(self.code == 1 && self.out.contains(text) && self.err.is_empty(), "no {text:?}: {self:?}");
        self
    }

    /// The same, after something was said.
    #[track_caller]
    pub fn failed_after(&self, code: i32, text: &str) -> &Self {
        assert!(!self.out.is_empty(), "{self:?}");
        self.failed(code, text)
    }

    /// Ended with this status and one complaint that has this in it.
    #[track_caller]
    pub fn failed(&self, code: i32, text: &str) -> &Self {
        assert!(self.code == code && self.err.contains(text), "no {code} {text:?}: {self:?}");
        assert!(self.err.starts_with("otp: ") && self.err.lines().count() == 1, "{self:?}");
        self
    }
}
