//! Rounds at random: a host that uses SQLite beside the library, forks, closes and opens again, while other processes
//! create and verify, read, back up and try to bring the log home. Nothing here may fail.

use std::process::{Child, Command, Stdio};

use crate::host::worker::{Home, Language, Worker, result_of, shell};
use crate::host::{ELSEWHERE, Hosts, USES, opened};
use testing::{Random, complain, size, tool};

/// Codes that are created in a round.
const CREATED: usize = 8;

/// A host, what shares the repository with it, and what was acknowledged.
struct Campaign<'a> {
    hosts: &'a Hosts,
    language: &'a Language,
    home: Home,
    host: Worker,
    /// Whether the host has a second service open.
    has_second: bool,
    /// Perhaps another process that has the repository open.
    plain: Option<Worker>,
    random: Random,
    /// Tokens and codes that nobody has verified yet.
    live: Vec<(String, String)>,
    /// Those that were good once.
    used: Vec<(String, String)>,
}

impl<'a> Campaign<'a> {
    fn new(hosts: &'a Hosts, language: &'a Language) -> Self {
        let home = Home::new(&format!("campaign-{}", language.name));
        let (host, plain) = (opened(language, &home), None);
        let (random, live, used) = (Random::from_environment(), Vec::new(), Vec::new());
        Self { hosts, language, home, host, has_second: false, plain, random, live, used }
    }

    fn round(&mut self, number: usize) {
        self.change();
        let people = self.people();
        for place in 0..CREATED {
            let token = format!("{number}.{place}");
            let code = match (self.random.below(3), &mut self.plain) {
                (0, Some(plain)) => plain.create(0, &token),
                (1, _) if self.has_second => self.host.create(1, &token),
                _ => self.host.create(0, &token),
            };
            self.live.push((token, code));
        }
        // Some live on for a while.
        for _ in 0..self.random.below(self.live.len() + 1) {
            self.verify_everywhere();
        }
        self.look_from_elsewhere();
        for mut person in people {
            person.wait().unwrap();
        }
    }

    /// What the host and the other process do between two rounds.
    fn change(&mut self) {
        match self.random.below(8) {
            0..4 => assert_eq!(self.host.ask(&format!("noise {}", self.random.below(2))), "done"),
            4 if self.has_second => {
                assert_eq!(self.host.ask("close 1"), "OK");
                self.has_second = false;
            }
            4 => {
                self.host.open(1);
                self.has_second = true;
            }
            5 => {
                assert_eq!(self.host.ask("close 0"), "OK");
                self.host.open(0);
            }
            6 => drop(self.host.use_sqlite(USES[self.random.below(USES.len())])),
            _ => match self.plain.take() {
                None => self.plain = Some(self.hosts.opened(&self.home)),
                Some(plain) if self.random.below(2) == 0 => plain.finish(),
                // It is killed.
                Some(_) => {}
            },
        }
    }

    /// People at work in processes of their own.
    fn people(&mut self) -> Vec<Child> {
        let start = |sql: &&str| {
            // Often enough to meet whatever the host does meanwhile.
            let sql = if sql.contains("checkpoint") { [*sql; 100].join(";") } else { (*sql).to_owned() };
            let mut command = Command::new(tool("sqlite3").unwrap());
            command.arg(&self.home.place.database).arg(sql).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let chosen: Vec<_> = (0..self.random.below(3)).map(|_| self.random.pick(&ELSEWHERE)).collect();
        chosen.into_iter().map(start).collect()
    }

    /// The host, or a child of it, and another process verify a code at the same moment; where there is no other process,
    /// the host does so twice.
    fn verify_everywhere(&mut self) {
        let place = self.random.below(self.live.len());
        let (token, code) = self.live.swap_remove(place);
        let command = if self.language.forks() && self.random.below(4) == 0 { "fork" } else { "verify" };
        let slot = if self.has_second { self.random.below(2) } else { 0 };
        self.host.tell(&format!("{command} {slot} {token} {code}"));
        let other = self.plain.as_mut().unwrap_or(&mut self.host);
        other.tell(&format!("verify 0 {token} {code}"));
        let answer = other.answer();
        // The host answers in order.
        let answers = [answer, self.host.answer()];
        let mut names = answers.each_ref().map(|answer| result_of(answer));
        names.sort_unstable();
        assert_eq!(names, ["CHECKED", "OK"], "{}, by {command}: {answers:?}", self.language.name);
        self.used.push((token, code));
    }

    /// A process that comes now finds everything.
    fn look_from_elsewhere(&mut self) {
        let mut fresh = self.hosts.opened(&self.home);
        for (token, _) in &self.live {
            let answer = fresh.ask(&format!("status 0 {token}"));
            assert_eq!(result_of(&answer), "OK", "{}: a create is lost: {answer}", self.language.name);
        }
        for _ in 0..CREATED.min(self.used.len()) {
            let (token, code) = self.random.pick(&self.used);
            assert_eq!(fresh.verify(0, token, code), "CHECKED", "{}: good again", self.language.name);
        }
        fresh.finish();
    }

    fn finish(mut self) {
        assert_eq!(self.host.ask("noise 0"), "done");
        while !self.live.is_empty() {
            self.verify_everywhere();
        }
        let mut fresh = self.hosts.opened(&self.home);
        for (token, code) in &self.used {
            assert_eq!(fresh.verify(0, token, code), "CHECKED", "{}: good again", self.language.name);
        }
        [Some(self.host), self.plain, Some(fresh)].into_iter().flatten().for_each(Worker::finish);
        assert_eq!(shell(&self.home.place.database, "PRAGMA integrity_check").unwrap(), "ok");
    }
}

fn run(hosts: &Hosts, language: &Language) {
    let rounds = size(20, 1000);
    let mut campaign = Campaign::new(hosts, language);
    (0..rounds).for_each(|number| campaign.round(number));
    let used = campaign.used.len();
    campaign.finish();
    complain(&format!("host in {}: {rounds} rounds, {used} codes", language.name));
}

#[test]
fn rounds_with_a_host_in_c() {
    let Some(hosts) = Hosts::new("rounds-c") else { return };
    run(&hosts, &hosts.c);
}

#[test]
fn rounds_with_a_host_in_python() {
    let (Some(hosts), Some(python)) = (Hosts::new("rounds-python"), Language::python()) else { return };
    run(&hosts, &python);
}

#[test]
fn rounds_with_a_host_in_node() {
    let (Some(hosts), Some(node)) = (Hosts::new("rounds-node"), Language::node()) else { return };
    run(&hosts, &node);
}
