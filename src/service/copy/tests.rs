//! Copies between repositories of all kinds.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use testing::postgres::Postgres;
use testing::redis::Server;

use super::*;
use crate::outcome::Outcome;
use crate::repository::conformance::ScratchFolder;
use crate::repository::fake::{FakeStore, Fault};
use crate::repository::{Commit, transact};

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

/// A service of a namespace over this repository, which puts no bounds on sends.
fn open(repository: &str, namespace: &str) -> Result<Service> {
    let config = format!(
        r#"{{"repository":"{repository}","key":"{KEY}","namespace":"{namespace}","sender":{{"type":"none"}},
            "policy":{{"cooldownSeconds":0,"sendLimits":[{{"count":100,"minutes":10}}]}}}}"#
    );
    Service::open(Some(&config)).map(|(service, _)| service)
}

fn service(repository: &str) -> Service {
    open(repository, "a").unwrap()
}

fn create(service: &Service, token: &str) -> String {
    let reply = service.create(token, Some(r#"{"phoneNumber":"393331234567"}"#)).unwrap();
    assert_eq!(reply.outcome, Outcome::Ok);
    reply.message.unwrap().code.to_string()
}

fn verify(service: &Service, token: &str, code: &str) -> Outcome {
    service.verify(token, code, None).map_or_else(|error| error.outcome(), |reply| reply.outcome)
}

/// What there is to copy: codes in two namespaces, one of them used, and a subject with failures.
struct Source {
    live: String,
    other: String,
    used: String,
}

fn fill(repository: &str) -> (Service, Source) {
    let (here, there) = (service(repository), open(repository, "b").unwrap());
    let source = Source { live: create(&here, "live"), other: create(&there, "live"), used: create(&here, "used") };
    assert_eq!(verify(&here, "used", &source.used), Outcome::Ok);
    for _ in 0..2 {
        assert_eq!(verify(&here, "live", "wrong1"), Outcome::NotValid);
    }
    (here, source)
}

fn holds_what_was_copied(repository: &str, source: &Source, of_live: Outcome) {
    let (here, there) = (service(repository), open(repository, "b").unwrap());
    assert_eq!(here.subject("393331234567").unwrap().failures, 2);
    assert_eq!(verify(&here, "used", &source.used), Outcome::Checked);
    assert_eq!(verify(&here, "live", &source.live), of_live);
    assert_eq!(verify(&there, "live", &source.other), of_live);
    here.run_due().unwrap();
    assert_eq!(create(&here, "new").len(), 6);
}

fn is_moved(service: &Service) {
    let told = [
        service.create("x", None).err(),
        service.verify("live", "123456", None).err(),
        service.status("live").err(),
        service.status("unknown").err(),
        service.erase("393331234567").err(),
        service.run_due().err(),
        service.unlock("x").err(),
        service.subject("x").err(),
        service.cancel("unknown").err(),
    ];
    for told in told {
        let told = told.unwrap();
        assert!(told.outcome() == Outcome::Store && told.detail().contains("it was moved"), "{told:?}");
    }
}

/// Who looks after a repository begins none.
fn begins_nothing(repository: &str) {
    let config = format!(r#"{{"repository":"{repository}","key":"{KEY}","sender":{{"type":"none"}}}}"#);
    for _ in 0..2 {
        assert!(Service::open_existing(Some(&config)).unwrap().is_none(), "{repository}");
    }
    drop(service(repository));
    assert!(Service::open_existing(Some(&config)).unwrap().is_some(), "{repository}");
}

/// Backs up, then moves.
fn copies(from: &str, backup: &str, to: &str) {
    begins_nothing(from);
    let (here, source) = fill(from);
    let older = service(from);
    assert!(here.copy(backup, None).unwrap().rows >= 5);
    holds_what_was_copied(backup, &source, Outcome::Expired);
    assert_eq!(here.copy(backup, None).unwrap_err().outcome(), Outcome::Argument, "it is not empty");
    assert_eq!(here.copy(from, None).unwrap_err().outcome(), Outcome::Argument, "it is the same");
    assert_eq!(older.subject("393331234567").unwrap().failures, 2);

    assert_eq!(here.copy(to, Some(r#"{"move":true}"#)).unwrap().skipped, 0);
    is_moved(&here);
    is_moved(&older);
    is_moved(&service(from));
    holds_what_was_copied(to, &source, Outcome::Ok);
    for service in [&here, &older] {
        let told = service.copy(&format!("{backup}2"), None).unwrap_err();
        assert!(told.detail().contains("moved"), "{told}");
    }
}

/// A code that lives is good in one repository alone: the first one that a move went to.
#[test]
fn what_was_moved_already_gives_live_codes_to_nobody_else() {
    let urls = Urls::new();
    let (json, redis, postgres) = (urls.file("json", "from"), urls.redis.as_ref(), urls.postgres.as_ref());
    let mut froms = vec![urls.file("sqlite", "from.db"), json];
    froms.extend(redis.map(|server| server.url()));
    froms.extend(postgres.map(|server| server.url("postgres")));
    for (number, from) in froms.iter().enumerate() {
        let to = |name: &str| urls.file("json", &format!("{number}{name}"));
        let (here, source) = fill(from);
        let older = service(from);
        let _ = here.copy(&to("first"), Some(r#"{"move":true}"#)).unwrap();
        for (name, mover) in [("second", &here), ("third", &older), ("fourth", &service(from))] {
            let _ = mover.copy(&to(name), Some(r#"{"move":true}"#)).unwrap();
            holds_what_was_copied(&to(name), &source, Outcome::Expired);
        }
        holds_what_was_copied(&to("first"), &source, Outcome::Ok);
    }
    // Not even to a copy that was begun before.
    let (here, source) = fill(&urls.file("sqlite", "begun.db"));
    let (late, soon) = (urls.file("json", "late"), urls.file("json", "soon"));
    {
        let target = target(&late);
        let (run, pace, done) = (Nonce::new([1; 16]), Pace::new(), CopyReply::default());
        let mut copy =
            Copy { core: &here.core, hooks: &here.hooks, target: &*target, run, keeps_live: false, pace, done };
        let _ = copy.begin().unwrap();
    }
    for (to, of_live) in [(&soon, Outcome::Ok), (&late, Outcome::Expired)] {
        let _ = here.copy(to, Some(r#"{"move":true}"#)).unwrap();
        holds_what_was_copied(to, &source, of_live);
    }
}

/// A repository that is to be copied to.
fn target(url: &str) -> Arc<dyn Repository> {
    let url = CopyConfig::read(url, None).unwrap().repository;
    repository::open(&url, crate::config::Durability::Full, &mut Vec::new()).unwrap()
}

struct Urls {
    folder: ScratchFolder,
    redis: Option<Server>,
    postgres: Option<Postgres>,
}

impl Urls {
    fn new() -> Self {
        let (redis, postgres) = (Server::try_start(&[]), Postgres::start(&[]));
        Self { folder: ScratchFolder::new("copy"), redis, postgres }
    }

    fn file(&self, kind: &str, name: &str) -> String {
        format!("{kind}:{}/{name}", self.folder.path().display())
    }
}

#[test]
fn files_are_copied_to_files() {
    let urls = Urls { folder: ScratchFolder::new("copy"), redis: None, postgres: None };
    copies(&urls.file("sqlite", "one.db"), &urls.file("json", "two"), &urls.file("sqlite", "three.db"));
    copies(&urls.file("json", "four"), &urls.file("sqlite", "five.db"), &urls.file("json", "six"));
}

#[test]
fn memory_is_copied_if_its_key_is_known() {
    let urls = Urls { folder: ScratchFolder::new("copy"), redis: None, postgres: None };
    let source = service("memory:");
    let code = create(&source, "t");
    let to = urls.file("sqlite", "otp.db");
    let _ = source.copy(&to, Some(r#"{"move":true}"#)).unwrap();
    is_moved(&source);
    assert_eq!(verify(&service(&to), "t", &code), Outcome::Ok);
    let nobody_s = Service::open(Some(r#"{"repository":"memory:","sender":{"type":"none"}}"#)).unwrap().0;
    let told = nobody_s.copy(&urls.file("sqlite", "other.db"), None).unwrap_err();
    assert_eq!(told.outcome(), Outcome::Argument);
}

#[test]
fn servers_are_copied_as_well() {
    let urls = Urls::new();
    let redis = |database: u32| urls.redis.as_ref().map(|server| format!("{}/{database}", server.url()));
    if let (Some(one), Some(two)) = (redis(0), redis(1)) {
        copies(&one, &urls.file("sqlite", "redis.db"), &two);
    }
    if let Some(server) = &urls.postgres {
        copies(&server.url("postgres"), &urls.file("sqlite", "postgres.db"), &urls.file("json", "postgres"));
        if let Some(three) = redis(2) {
            let (here, source) = fill(&urls.file("sqlite", "source.db"));
            server.query("CREATE DATABASE two");
            let _ = here.copy(&server.url("two"), None).unwrap();
            let _ = here.copy(&three, Some(r#"{"move":true}"#)).unwrap();
            holds_what_was_copied(&three, &source, Outcome::Ok);
            holds_what_was_copied(&server.url("two"), &source, Outcome::Expired);
        }
    }
}

/// The target refuses a commit, or the answer to one is lost, at each in turn: nothing is there to be opened, and the
/// next run ends well.
#[test]
fn it_is_interrupted_at_every_write_and_begun_again() {
    let folder = ScratchFolder::new("copy");
    for (moves, fault) in [
        (false, Fault::Refuse),
        (false, Fault::LoseBefore),
        (false, Fault::LoseAfter),
        (true, Fault::Refuse),
        (true, Fault::LoseAfter),
    ] {
        let mut refused = 0;
        for at in 0.. {
            let from = format!("sqlite:{}/{moves}{fault:?}{at}.db", folder.path().display());
            let ((here, source), store) = (fill(&from), FakeStore::default());
            let faults = std::iter::repeat_n(Fault::None, at).chain([fault.clone()]);
            store.with(|shared| shared.commits = faults.collect());
            let told = here.copy_into(&*store.open(), moves);
            let is_through = store.with(|shared| !std::mem::take(&mut shared.commits).is_empty());
            if let Err(error) = told {
                refused += 1;
                assert_eq!(error.outcome(), Outcome::Store);
                assert!(at == 0 || opens(&store).err().unwrap().detail().contains("unfinished copy"), "{at}");
                // Meanwhile the source forgets something.
                if !moves {
                    assert!(here.unlock("393331234567").unwrap().found);
                    assert!(here.erase("393331234567").unwrap().found);
                }
                let _ = here.copy_into(&*store.open(), moves).unwrap();
            }
            let is_erased = refused > 0 && !moves && !is_through;
            let there = opens(&store).unwrap();
            assert_eq!(there.subject("393331234567").unwrap().failures, if is_erased { 0 } else { 2 }, "{at}");
            let told = verify(&there, "live", &source.live);
            assert_eq!(
                told,
                if moves { Outcome::Ok } else { [Outcome::Expired, Outcome::NotValid][usize::from(is_erased)] }
            );
            if is_through {
                assert!(at > 3 && refused == if let Fault::Refuse = fault { at } else { 0 }, "{at}, {refused}");
                break;
            }
        }
    }
}

/// Threads of the handle that moves go on until the very moment: what they were told before is in the copy, and nothing
/// comes after.
#[test]
fn a_move_parts_what_came_before_from_all_that_comes_after() {
    let urls = Urls::new();
    let servers = [urls.redis.as_ref().map(Server::url), urls.postgres.as_ref().map(|server| server.url("postgres"))];
    let files = ["sqlite", "json"].map(|kind| urls.file(kind, kind));
    for (number, from) in files.into_iter().chain(servers.into_iter().flatten()).enumerate() {
        let (source, other) = (service(&from), service(&from));
        let codes: Vec<_> = (0..400).map(|number| (format!("t{number}"), create_for(&source, number))).collect();
        let to = urls.file("sqlite", &format!("to{number}"));
        let told = thread::scope(|scope| {
            let try_all = |service: &Service, place: usize| {
                let mine = codes.iter().skip(place).step_by(2);
                mine.map(|(token, code)| verify(service, token, code)).collect::<Vec<_>>()
            };
            let tries =
                [(&source, 0), (&other, 1)].map(|(service, place)| scope.spawn(move || try_all(service, place)));
            thread::sleep(std::time::Duration::from_millis(20));
            let _ = source.copy(&to, Some(r#"{"move":true}"#)).unwrap();
            tries.map(|told| told.join().unwrap())
        });
        let copy = service(&to);
        for (number, (token, code)) in codes.iter().enumerate() {
            let before = told[number % 2][number / 2];
            let expected = if before == Outcome::Ok { Outcome::Checked } else { Outcome::Ok };
            let after = verify(&copy, token, code);
            // What was refused may have been done: a sync or an answer was under way.
            let is_in_doubt = before == Outcome::Store && after == Outcome::Checked;
            assert!(after == expected || is_in_doubt, "{from}: {token}: {before:?}, {after:?}");
        }
    }
}

/// A service over a store that many hosts share, as `open` makes it.
fn opens(store: &FakeStore) -> Result<Service> {
    let mut service = service("memory:");
    let core = std::sync::Arc::get_mut(&mut service.core).unwrap();
    let key = crate::config::KeySource::Given(vec![b'A'; 32].into());
    core.repository = store.open();
    core.keys = crate::keys::KeyRing::open(&*core.repository, key, Vec::new(), &mut Vec::new())?;
    Ok(service)
}

#[test]
fn an_unfinished_copy_is_opened_by_nobody_and_continued_for_its_source_alone() {
    let folder = ScratchFolder::new("copy");
    let url = |name: &str| format!("sqlite:{}/{name}.db", folder.path().display());
    let (one, _) = fill(&url("one"));
    let (other, _) = fill(&url("other"));
    let target = target(&url("copy"));
    let run = Nonce::new([1; 16]);
    let (pace, done) = (Pace::new(), CopyReply::default());
    let mut copy = Copy { core: &one.core, hooks: &one.hooks, target: &*target, run, keeps_live: false, pace, done };
    let _ = copy.begin().unwrap();
    let told = open(&url("copy"), "a").err().unwrap();
    let says_where = told.detail().contains(folder.path().to_str().unwrap());
    assert!(told.outcome() == Outcome::Store && told.detail().contains("unfinished copy") && says_where, "{told}");
    assert_eq!(other.copy(&url("copy"), None).unwrap_err().outcome(), Outcome::Argument);
    let _ = one.copy(&url("copy"), None).unwrap();
    // The run that was overtaken says so, and makes nothing whole.
    assert_eq!(copy.end().unwrap_err().outcome(), Outcome::Store);
    // Rows without what a repository says of itself are no repository either.
    drop(target);
    let commit = Commit { synced: true, sweep: None };
    transact(&*service(&url("copy")).core.repository, commit, |transaction| {
        transaction.delete(&META);
        Ok(())
    })
    .unwrap();
    assert!(open(&url("copy"), "a").err().unwrap().detail().contains("its own row is missing"));
}

/// What was acknowledged before a backup began is in it; others go on writing.
#[test]
fn a_backup_is_taken_beside_others_who_write() {
    let folder = ScratchFolder::new("copy");
    let from = format!("sqlite:{}/from.db", folder.path().display());
    let source = service(&from);
    let used: Vec<_> = (0..300).map(|number| (format!("t{number}"), create_for(&source, number))).collect();
    for (token, code) in &used {
        assert_eq!(verify(&source, token, code), Outcome::Ok);
    }
    let ends = AtomicBool::new(false);
    let to = format!("json:{}/to", folder.path().display());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let writer = service(&from);
                for number in 1000.. {
                    create_for(&writer, number);
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let done = source.copy(&to, None).unwrap();
        ends.store(true, Ordering::Relaxed);
        assert!(done.rows >= 300 && done.skipped == 0, "{done:?}");
    });
    let copy = service(&to);
    assert!(used.iter().all(|(token, code)| verify(&copy, token, code) == Outcome::Checked));
}

fn create_for(service: &Service, number: u32) -> String {
    let request = format!(r#"{{"phoneNumber":"39333{number:07}"}}"#);
    let reply = service.create(&format!("t{number}"), Some(&request)).unwrap();
    reply.message.unwrap().code.to_string()
}

#[test]
fn parameters_that_make_no_sense_do_nothing() {
    let source = service("memory:");
    for (repository, options) in [
        ("memory:", None),
        ("otp.db", None),
        ("sqlite:/tmp/x.db", Some("{")),
        ("sqlite:/tmp/x.db", Some(r#"{"move":1}"#)),
        ("sqlite:/tmp/x.db", Some(r#"{"moves":true}"#)),
        ("sqlite:/tmp/x.db", Some(r#"{"repository":"memory:"}"#)),
    ] {
        let told = source.copy(repository, options).unwrap_err();
        assert_eq!(told.outcome(), Outcome::Argument, "{told}");
    }
    create(&source, "t");
}
