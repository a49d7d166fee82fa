//! A program in another language that makes the calls, a line for a line: `tests/vectors/README.md` says how.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::flat::escaped;
use super::runner::{Answer, Arguments, Caller, Moment};

pub struct Agent {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Agent {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (requests, answers) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, requests, answers }
    }

    /// Ends it, which it must survive.
    pub fn end(mut self) {
        self.requests = None;
        assert!(self.child.wait().unwrap().success());
    }

    /// Has a call made: what it answers, part by part.
    pub fn ask(&mut self, moment: &Moment<'_>, parts: &[Option<String>]) -> Vec<String> {
        let answers = moment.answers.iter().map(i32::to_string).collect::<Vec<_>>().join(" ");
        let parts = parts.iter().map(|part| part.as_ref().map_or("\\0".to_owned(), |part| escaped(part)));
        let line = [moment.now_ms.to_string(), answers].into_iter().chain(parts).collect::<Vec<_>>().join("\t");
        self.requests.as_mut().unwrap().write_all((line + "\n").as_bytes()).unwrap();
        let mut answer = String::new();
        let bytes = self.answers.read_line(&mut answer).unwrap();
        assert!(bytes > 0, "the program ended: {:?}", self.child.wait());
        answer.trim_end_matches('\n').split('\t').map(plain).collect()
    }
}

/// What was written as `escaped` does.
fn plain(part: &str) -> String {
    let mut text = String::new();
    let mut signs = part.chars();
    while let Some(sign) = signs.next() {
        text.push(match sign {
            '\\' => match signs.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('\\') => '\\',
                other => panic!("{other:?} after a backslash"),
            },
            other => other,
        });
    }
    text
}

impl Caller for Agent {
    const RAW: bool = false;

    fn call(&mut self, moment: &Moment<'_>, call: &str, arguments: &Arguments) -> Answer {
        let names: &[&str] = match call {
            "open" => &["config", "sender"],
            "create" => &["token", "request"],
            "verify" => &["token", "code", "context"],
            "webhook" => &["authorization", "body"],
            "report" => &["report"],
            "run_due" | "metrics" => &[],
            "unlock" => &["subject"],
            "erase" => &["recipient"],
            _ => &["token"],
        };
        let texts = names.iter().map(|name| arguments.text(name));
        let parts: Vec<_> = std::iter::once(Some(call.to_owned())).chain(texts).collect();
        let told = self.ask(moment, &parts);
        let json = |text: &String| serde_json::from_str(text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
        Answer {
            result: Some(told[0].parse().unwrap()),
            reply: Some(json(&told[1])),
            messages: told[2..].iter().map(json).collect(),
            ..Answer::default()
        }
    }
}
