//! Hosts that use SQLite themselves, in the same process, and what people do to the files meanwhile: a code is good
//! once, and what was acknowledged is there for everybody; or the answer is that the repository failed.

mod campaign;
mod replaced;
mod sides;
mod surroundings;
mod worker;

use std::os::unix::process::CommandExt;

use testing::compiler::Compiler;
use testing::{Watchdog, tool};
use worker::{Home, Language, Worker, shell};

/// Seconds in which a test must end, what is compiled for it included.
const PATIENCE_SECONDS: u64 = 1800;

/// The host in C, with which every test begins, and what it needs besides.
struct Hosts {
    c: Language,
    _compiler: Compiler,
    _watchdog: Watchdog,
}

impl Hosts {
    /// None, said loudly, where a tool is missing.
    fn new(name: &str) -> Option<Self> {
        tool("sqlite3")?;
        let watchdog = Watchdog::new(name, PATIENCE_SECONDS);
        let compiler = Compiler::new("cc", &format!("host-{name}"))?;
        Some(Self { c: Language::c(&compiler), _compiler: compiler, _watchdog: watchdog })
    }

    /// A process that has the repository open.
    fn opened(&self, home: &Home) -> Worker {
        opened(&self.c, home)
    }
}

fn opened(language: &Language, home: &Home) -> Worker {
    let mut worker = language.start(&home.place);
    worker.open(0);
    worker
}

/// What a host may do with an SQLite of its own.
const USES: [&str; 4] = ["SELECT count(*) FROM item", "PRAGMA integrity_check", "backup", "files"];

/// What people run meanwhile, in another process.
const ELSEWHERE: [&str; 6] = [
    "SELECT count(*) FROM item",
    "PRAGMA wal_checkpoint(PASSIVE)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA journal_mode = DELETE",
    "VACUUM",
    ".backup /dev/null",
];

/// The host, and two processes that open the repository when everything has happened.
struct Round<'a> {
    here: &'a mut Worker,
    others: [Worker; 2],
}

impl<'a> Round<'a> {
    fn new(hosts: &Hosts, home: &Home, here: &'a mut Worker) -> Self {
        Self { here, others: [hosts.opened(home), hosts.opened(home)] }
    }

    /// The host is asked first or last. One is told yes, all others that the code was used.
    fn check(&mut self, token: &str, code: &str, here_first: bool) {
        let [first, second] = &mut self.others;
        let mut order = [&mut *self.here, first, second];
        if !here_first {
            order.reverse();
        }
        let answers: Vec<_> = order.iter_mut().map(|worker| worker.verify(0, token, code)).collect();
        assert_eq!(answers, ["OK", "CHECKED", "CHECKED"], "here first: {here_first}");
        assert_eq!(self.here.verify(0, token, code), "CHECKED", "here again");
    }
}

/// For each use of a second SQLite, and each thing that people run after it while nobody else has the repository open.
fn uses_of_sqlite(hosts: &Hosts, language: &Language) {
    let home = Home::new(&format!("uses-{}", language.name));
    let mut here = opened(language, &home);
    for (number, used) in USES.iter().enumerate() {
        for (turn, elsewhere) in ELSEWHERE.iter().enumerate() {
            println!("{}: {used}, then elsewhere {elsewhere}", language.name);
            let token = format!("{number}.{turn}");
            let code = here.create(0, &token);
            here.use_sqlite(used);
            // Refused or not: what counts is what it does to the files.
            let _ = shell(&home.place.database, elsewhere);
            let mut round = Round::new(hosts, &home, &mut here);
            round.check(&token, &code, turn % 2 == 0);
            let later = round.here.create(0, "later");
            assert_eq!(round.others[0].result("status 0 later"), "OK", "a create is lost");
            round.check("later", &later, turn % 2 == 1);
            round.others.into_iter().for_each(Worker::finish);
        }
    }
    here.finish();
    assert_eq!(shell(&home.place.database, "PRAGMA integrity_check").unwrap(), "ok");
}

#[test]
fn a_host_in_c_may_use_sqlite() {
    let Some(hosts) = Hosts::new("c") else { return };
    uses_of_sqlite(&hosts, &hosts.c);
}

#[test]
fn a_host_in_python_may_use_sqlite() {
    let (Some(hosts), Some(python)) = (Hosts::new("python"), Language::python()) else { return };
    uses_of_sqlite(&hosts, &python);
}

#[test]
fn a_host_in_node_may_use_sqlite() {
    let (Some(hosts), Some(node)) = (Hosts::new("node"), Language::node()) else { return };
    uses_of_sqlite(&hosts, &node);
}

/// The journal belongs to us as long as a service is open, whatever the host's SQLite has closed before.
#[test]
fn the_journal_mode_stays() {
    let Some(hosts) = Hosts::new("mode") else { return };
    let home = Home::new("mode");
    let mut here = hosts.opened(&home);
    here.use_sqlite("files");
    here.use_sqlite("backup");
    let switched = shell(&home.place.database, "PRAGMA journal_mode = DELETE");
    assert!(switched.as_ref().is_err_and(|why| why.contains("locked")), "{switched:?}");
    let switched = here.ask("sqlite PRAGMA journal_mode = DELETE");
    assert_eq!(switched, "failed: database is locked");
    let _ = here.create(0, "token");
    here.finish();
    // With nobody there it may be switched, and is switched back.
    assert_eq!(shell(&home.place.database, "PRAGMA journal_mode = DELETE").unwrap(), "delete");
    let mut again = hosts.opened(&home);
    assert_eq!(again.result("status 0 token"), "OK");
    assert_eq!(shell(&home.place.database, "PRAGMA journal_mode").unwrap(), "wal");
}

/// Closing one of two services, of one copy of the library or of two, takes nothing from the other.
#[test]
fn one_of_two_services_may_be_closed() {
    let Some(hosts) = Hosts::new("two") else { return };
    for open in ["open 1", "open-copy 1"] {
        let home = Home::new("two");
        let mut here = hosts.opened(&home);
        for number in 0..testing::size(12, 120) {
            assert_eq!(here.result(open), "OK");
            let tokens = [format!("first-{number}"), format!("second-{number}")];
            let codes = [here.create(0, &tokens[0]), here.create(1, &tokens[1])];
            assert_eq!(here.verify(1, &tokens[1], &codes[1]), "OK", "{open}");
            assert_eq!(here.ask("close 1"), "OK");
            let elsewhere = ELSEWHERE[number % ELSEWHERE.len()];
            let _ = shell(&home.place.database, elsewhere);
            let mut round = Round::new(&hosts, &home, &mut here);
            assert_eq!(round.others[0].verify(0, &tokens[1], &codes[1]), "CHECKED", "{open}, then {elsewhere}");
            round.check(&tokens[0], &codes[0], number % 2 == 0);
        }
    }
}

/// Where the system has no locks that belong to an open file, what is at the paths is all that we go by.
#[test]
fn without_locks_of_open_files_nothing_is_good_twice() {
    let Some(hosts) = Hosts::new("unlocked") else { return };
    let python = Language::python();
    for language in [Some(&hosts.c), python.as_ref()].into_iter().flatten() {
        let home = Home::new(&format!("unlocked-{}", language.name));
        // SAFETY: between fork and exec it makes two system calls.
        let unlocked = |command: &mut std::process::Command| unsafe {
            command.pre_exec(surroundings::without_locks_of_open_files);
        };
        let mut here = language.start_with(&home.place, unlocked);
        here.open(0);
        for (number, used) in USES.iter().enumerate() {
            for (turn, elsewhere) in ELSEWHERE.iter().enumerate() {
                let what = format!("{}: {used}, then elsewhere {elsewhere}", language.name);
                let token = format!("{number}.{turn}");
                let code = here.create(0, &token);
                here.use_sqlite(used);
                let _ = shell(&home.place.database, elsewhere);
                let mut fresh = hosts.opened(&home);
                assert_eq!(fresh.result(&format!("status 0 {token}")), "OK", "{what}: a create is lost");
                let mut answers = vec![here.verify(0, &token, &code), fresh.verify(0, &token, &code)];
                answers.push(here.verify(0, &token, &code));
                let count = |name| answers.iter().filter(|answer| *answer == name).count();
                assert!(
                    count("OK") <= 1 && count("OK") + count("CHECKED") + count("E_STORE") == 3,
                    "{what}: {answers:?}"
                );
                assert!(count("OK") == 1 || count("E_STORE") > 0, "{what}: {answers:?}");
            }
        }
    }
}
