//! `-wal` and `-shm` that are deleted or replaced while services have them open.

use std::fs;

use crate::host::worker::{Home, shell};
use crate::host::{Hosts, Worker};

/// What is done to the side files.
#[derive(Clone, Copy, Debug)]
enum Done {
    Deleted,
    /// Another file with the same content takes the place.
    Copied,
    /// An empty one does.
    Emptied,
}

const SIDES: [&[&str]; 3] = [&["-shm"], &["-wal"], &["-wal", "-shm"]];

impl Done {
    const ALL: [Self; 3] = [Self::Deleted, Self::Copied, Self::Emptied];

    fn to(self, home: &Home, sides: &[&str]) {
        for side in sides {
            let (path, new) = (home.place.beside(side), home.place.beside(".new"));
            match self {
                Self::Deleted => fs::remove_file(&path).unwrap(),
                Self::Copied => drop(fs::copy(&path, &new).unwrap()),
                Self::Emptied => fs::write(&new, "").unwrap(),
            }
            if !matches!(self, Self::Deleted) {
                fs::rename(&new, &path).unwrap();
            }
        }
    }
}

/// Every way to part a service from the others.
fn each(mut test: impl FnMut(Done, &[&str], &str)) {
    for done in Done::ALL {
        for sides in SIDES {
            test(done, sides, &format!("{sides:?} {done:?}"));
        }
    }
}

/// Verifies until it is no failure of the repository; what came of it, and how often it was one.
fn verify(worker: &mut Worker, token: &str, code: &str) -> (String, usize) {
    for failures in 0..3 {
        let answer = worker.verify(0, token, code);
        if answer != "E_STORE" {
            return (answer, failures);
        }
    }
    panic!("the repository keeps failing");
}

/// The service that has the files open notices, and brings what it knows to where the others look.
#[test]
fn a_service_whose_side_files_are_gone_loses_nothing() {
    let Some(hosts) = Hosts::new("sides") else { return };
    each(|done, sides, what| {
        let home = Home::new("sides");
        let mut here = hosts.opened(&home);
        let live = here.create(0, "live");
        let used = here.create(0, "used");
        let rest = here.create(0, "rest");
        // From here on what is in the log is what matters.
        shell(&home.place.database, "PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let late = here.create(0, "late");
        assert_eq!(here.verify(0, "used", &used), "OK", "{what}");
        done.to(&home, sides);
        assert_eq!(verify(&mut here, "used", &used).0, "CHECKED", "{what}: good again");
        let mut fresh = hosts.opened(&home);
        assert_eq!(fresh.verify(0, "used", &used), "CHECKED", "{what}: good again elsewhere");
        for (token, code) in [("live", &live), ("late", &late)] {
            assert_eq!(verify(&mut here, token, code).0, "OK", "{what}: {token}");
            assert_eq!(fresh.verify(0, token, code), "CHECKED", "{what}: {token} elsewhere");
        }
        assert_eq!(fresh.verify(0, "rest", &rest), "OK", "{what}");
        assert_eq!(verify(&mut here, "rest", &rest).0, "CHECKED", "{what}");
        assert_eq!(shell(&home.place.database, "PRAGMA integrity_check").unwrap(), "ok", "{what}");
    });
}

/// The same where it is the reading of what is not there that notices.
#[test]
fn who_only_looks_notices_too() {
    let Some(hosts) = Hosts::new("looks") else { return };
    each(|done, sides, what| {
        let home = Home::new("looks");
        let mut here = hosts.opened(&home);
        let code = here.create(0, "token");
        done.to(&home, sides);
        assert_eq!(here.result("status 0 token"), "OK", "{what}: a create is lost");
        assert_eq!(here.result("status 0 unknown"), "UNKNOWN", "{what}");
        let mut fresh = hosts.opened(&home);
        assert_eq!(fresh.verify(0, "token", &code), "OK", "{what}");
        assert_eq!(here.verify(0, "token", &code), "CHECKED", "{what}");
    });
}

/// Without what is in the log nobody goes on, as long as somebody has it.
#[test]
fn who_comes_later_waits_for_a_log_that_is_gone() {
    let Some(hosts) = Hosts::new("later") else { return };
    for done in [Done::Deleted, Done::Emptied] {
        let home = Home::new("later");
        let mut here = hosts.opened(&home);
        let code = here.create(0, "token");
        done.to(&home, &["-wal"]);
        let mut later = hosts.c.start(&home.place);
        let answer = later.ask("open 0");
        assert!(answer.starts_with("E_STORE ") && answer.contains("was deleted while"), "{done:?}: {answer}");
        assert_eq!(here.result("status 0 token"), "OK", "{done:?}");
        later.open(0);
        assert_eq!(later.verify(0, "token", &code), "OK", "{done:?}");
        assert_eq!(here.verify(0, "token", &code), "CHECKED", "{done:?}");
    }
}

/// Who holds an index that is gone goes on with the one that others have made.
#[test]
fn index_that_is_gone_parts_nobody() {
    let Some(hosts) = Hosts::new("index") else { return };
    for done in Done::ALL {
        let home = Home::new("index");
        let (mut here, mut before) = (hosts.opened(&home), hosts.opened(&home));
        for number in 0..20 {
            let token = format!("token-{number}");
            let code = here.create(0, &token);
            done.to(&home, &["-shm"]);
            let mut fresh = hosts.opened(&home);
            let mut workers = [&mut fresh, &mut here, &mut before];
            workers.rotate_left(number % 3);
            let answers = workers.map(|worker| verify(worker, &token, &code).0);
            assert_eq!(answers, ["OK", "CHECKED", "CHECKED"], "{done:?}");
            let code = before.create(0, &token);
            assert_eq!(verify(&mut here, &token, &code).0, "OK", "{done:?}: a create is lost");
            assert_eq!(verify(&mut before, &token, &code).0, "CHECKED", "{done:?}");
        }
    }
}
