//! Against a server that each test starts for itself.

mod faults;
mod forks;
mod rights;
mod tls;

use std::thread;

use testing::postgres::{Bouncer, Postgres};
use testing::proxy::{Cut, Proxy};

use super::*;
use crate::block::Mac;
use crate::outcome::Outcome;
use crate::repository::store::{Content, Write};
use crate::repository::{META, Row, Transaction, conformance, transact};
use crate::service::Service;
use crate::tenant::Tenant;

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const REQUEST: &str = r#"{"phoneNumber":"+39 333 123 4567","subject":"s"}"#;
const LOOSE: &str = r#","policy":{"cooldownSeconds":0,"sendLimits":[{"count":1000,"minutes":10}]}"#;
const BY: Duration = Duration::from_secs(10);

/// A server, or an early end of the test.
macro_rules! server {
    ($($option:expr),*) => {
        match Postgres::start(&[$($option),*]) {
            Some(server) => server,
            None => return,
        }
    };
}
use server;

fn url(server: &Postgres) -> String {
    server.url("postgres")
}

fn config(url: &str) -> PostgresConfig {
    PostgresConfig { url: url.to_owned(), ca_file: None, pool_size: 8 }
}

fn store(url: &str) -> PostgresStore {
    PostgresStore::open(&config(url), Durability::Full, &mut Vec::new()).unwrap()
}

fn service_with(url: &str, options: &str) -> Result<Service> {
    let config = format!(r#"{{"repository":"{url}","key":"{KEY}","sender":{{"type":"none"}}{options}}}"#);
    Service::open(Some(&config)).map(|(service, _)| service)
}

fn service(url: &str) -> Service {
    service_with(url, LOOSE).unwrap()
}

fn create(service: &Service, token: &str) -> Result<String> {
    let reply = service.create(token, Some(REQUEST))?;
    assert_eq!(reply.outcome, Outcome::Ok);
    Ok(reply.message.unwrap().code.to_string())
}

fn outcome(service: &Service, token: &str, code: &str) -> Outcome {
    service.verify(token, code, None).map_or_else(|error| error.outcome(), |reply| reply.outcome)
}

fn behind(proxy: &Proxy, server: &Postgres) -> String {
    url(server).replace(&format!(":{}/", server.port), &format!(":{}/", proxy.port))
}

fn key(number: u8) -> RowKey {
    let mut key = [number; 16];
    (key[0], key[1], key[2], key[3]) = (0x80, 0, 0, 7);
    RowKey::new(key)
}

fn version(number: u8) -> Version {
    Version::new([number; 16])
}

/// A change that writes a row, if it has this version.
fn writing(number: u8, before: Version, after: Version, kept_ms: Option<u64>) -> Change {
    let content = Some(Content { bytes: vec![number], kept_ms });
    Change {
        conditions: vec![(key(number), before)],
        writes: vec![Write { key: key(number), version: after, content }],
        mark: None,
    }
}

fn commit(store: &PostgresStore, changes: &[Change]) -> Vec<Verdict> {
    let all: Vec<_> = changes.iter().collect();
    store.commit(&all, &ABSENT, true, Instant::now() + BY).unwrap()
}

fn versions(store: &PostgresStore, numbers: &[u8]) -> Vec<Version> {
    let keys: Vec<_> = numbers.iter().map(|number| key(*number)).collect();
    let look = store.look(&keys, &ABSENT, Instant::now() + BY).unwrap();
    look.rows.into_iter().map(|row| row.version).collect()
}

#[test]
fn conforms() {
    let server = server!();
    for durability in [Durability::Full, Durability::Process] {
        server.query("DROP SCHEMA IF EXISTS libotp CASCADE");
        conformance::suite(&|| open(&config(&url(&server)), durability, &mut Vec::new()).unwrap(), true);
    }
}

fn bouncer(server: &Postgres) -> Option<Bouncer> {
    server.bouncer()
}

#[test]
fn conforms_behind_a_pooler_in_transaction_mode() {
    let server = server!();
    let Some(bouncer) = bouncer(&server) else { return };
    let url = bouncer.url("postgres");
    conformance::suite(&|| open(&config(&url), Durability::Full, &mut Vec::new()).unwrap(), true);
    let hosts: Vec<_> = (0..4).map(|_| service(&url)).collect();
    race(&hosts);
    // Nothing of ours is left in what others use after us.
    assert_eq!(server.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0");
}

#[test]
fn round_trips_are_few() {
    let server = server!();
    let proxy = Proxy::before(server.port);
    let (here, there) = (service(&behind(&proxy, &server)), service(&url(&server)));
    create(&here, "first").unwrap();
    let trips = |call: &mut dyn FnMut()| {
        let before = proxy.requests();
        call();
        proxy.requests() - before
    };
    let mut code = String::new();
    assert_eq!(trips(&mut || code = create(&here, "t").unwrap()), 2, "create");
    assert_eq!(trips(&mut || assert_eq!(outcome(&here, "t", "999999x"), Outcome::NotValid)), 3, "verify");
    assert_eq!(trips(&mut || assert_eq!(outcome(&here, "t", "999999x"), Outcome::NotValid)), 2, "verify again");
    assert_eq!(trips(&mut || drop(here.status("t").unwrap())), 1, "status");
    assert_eq!(trips(&mut || assert_eq!(outcome(&here, "nobody", "123456"), Outcome::NotValid)), 1, "unknown token");
    let other = create(&there, "u").unwrap();
    assert_eq!(trips(&mut || drop(here.status("u").unwrap())), 2, "status of what another process made");
    assert_eq!(trips(&mut || assert_eq!(outcome(&here, "u", &other), Outcome::Ok)), 2, "verify of the same");
    assert_eq!(outcome(&there, "u", &other), Outcome::Checked);
    assert_eq!(outcome(&here, "t", &code), Outcome::Ok);
}

/// All hosts try one code at the same time, again and again.
fn race(hosts: &[Service]) {
    for round in 0..20 {
        let token = format!("t{round}");
        let code = create(&hosts[0], &token).unwrap();
        let told = thread::scope(|scope| {
            let tries = hosts.iter().map(|host| scope.spawn(|| outcome(host, &token, &code))).collect::<Vec<_>>();
            tries.into_iter().map(|told| told.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(told.iter().filter(|told| **told == Outcome::Ok).count(), 1, "{told:?}");
        assert_eq!(told.iter().filter(|told| **told == Outcome::Checked).count(), hosts.len() - 1, "{told:?}");
    }
}

#[test]
fn a_code_is_good_once_among_many_hosts() {
    let server = server!();
    let hosts: Vec<_> = (0..8).map(|_| service(&url(&server))).collect();
    race(&hosts);
}

/// Sixteen hosts with sixteen threads each, all about one recipient and one subject.
#[test]
fn limits_are_exact_and_nobody_is_turned_away_as_busy() {
    let server = server!("max_connections=200");
    let options = r#","policy":{"cooldownSeconds":0,"sendLimits":[{"count":37,"minutes":10}]}"#;
    let hosts: Vec<_> = (0..16).map(|_| service_with(&url(&server), options).unwrap()).collect();
    let told = thread::scope(|scope| {
        let mut all = Vec::new();
        for (number, host) in hosts.iter().enumerate() {
            for thread in 0..16 {
                all.push(scope.spawn(move || {
                    let told = host.create(&format!("t{number}.{thread}"), Some(REQUEST));
                    told.map_or_else(|error| error.outcome(), |reply| reply.outcome)
                }));
            }
        }
        all.into_iter().map(|told| told.join().unwrap()).collect::<Vec<_>>()
    });
    let count = |outcome| told.iter().filter(|told| **told == outcome).count();
    assert_eq!((count(Outcome::Ok), count(Outcome::RateLimited)), (37, 256 - 37), "{told:?}");
}

/// Each change of a batch sees those before it, as they were decided.
#[test]
fn changes_of_a_batch_are_judged_in_their_order() {
    let server = server!();
    let store = store(&url(&server));
    let [one, two, three] = [1, 2, 3].map(version);
    let removal = Change {
        conditions: vec![(key(3), three)],
        writes: vec![Write { key: key(3), version: ABSENT, content: None }],
        mark: None,
    };
    let told = commit(
        &store,
        &[
            writing(1, ABSENT, one, None),
            writing(1, one, two, None),
            writing(1, one, three, None),
            writing(2, one, two, None),
            writing(3, ABSENT, three, Some(60_000)),
            removal,
            Change {
                conditions: vec![(key(1), two), (key(2), ABSENT), (key(3), ABSENT)],
                writes: Vec::new(),
                mark: None,
            },
        ],
    );
    use Verdict::{Changed, Done};
    assert_eq!(told, [Done, Done, Changed, Changed, Done, Done, Done]);
    assert_eq!(versions(&store, &[3, 1, 2]), [ABSENT, two, ABSENT]);
}

/// A row past its end is absent for all, and goes away by and by.
#[test]
fn rows_end_in_the_server() {
    let server = server!();
    let store = store(&url(&server));
    let first: Vec<_> = (1..=200).map(|number| writing(number, ABSENT, version(1), Some(60_000))).collect();
    for part in first.chunks(50) {
        assert_eq!(commit(&store, part), [Verdict::Done; 50]);
    }
    assert_eq!(commit(&store, &[writing(201, ABSENT, version(1), None)]), [Verdict::Done]);
    let nearly = "SELECT count(*) FROM libotp.rows WHERE until - libotp.now_ms() BETWEEN 60000 AND 120001";
    assert_eq!(server.query(nearly), "200");
    server.query("UPDATE libotp.rows SET until = libotp.now_ms() - 1 WHERE until IS NOT NULL");
    assert_eq!(versions(&store, &[1, 200, 201]), [ABSENT, ABSENT, version(1)]);
    assert_eq!(commit(&store, &[writing(1, version(1), version(2), None)]), [Verdict::Changed]);
    assert_eq!(commit(&store, &[writing(1, ABSENT, version(2), None)]), [Verdict::Done]);
    let page = store.page(key(0)..=key(255), 10, &ABSENT, Instant::now() + BY).unwrap();
    assert_eq!(page.rows.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key(1), key(201)]);
    assert!(page.rest.is_none());
    // Commits alone remove the others.
    for round in 0..100 {
        commit(&store, &[writing(202, version(round), version(round + 1), None)]);
    }
    assert_eq!(server.query("SELECT count(*) FROM libotp.rows"), "3");
}

#[test]
fn leases_are_taken_once_and_end() {
    let server = server!();
    let store = store(&url(&server));
    let by = Instant::now() + BY;
    let take = |owner, lasts| store.take_lease(&key(1), &version(owner), Duration::from_millis(lasts), by).unwrap();
    assert!(take(1, 60_000) && !take(2, 60_000));
    store.end_lease(&key(1), &version(2), by);
    assert!(!take(2, 60_000));
    store.end_lease(&key(1), &version(1), by);
    assert!(take(2, 60_000));
    server.query("UPDATE libotp.leases SET until = libotp.now_ms()");
    assert!(take(3, 0) && take(4, 60_000));
}

#[test]
fn scans_go_through_all_tenants_in_order() {
    let server = server!();
    let repository = open(&config(&url(&server)), Durability::Full, &mut Vec::new()).unwrap();
    let tenants = [5u8, 1, 9].map(|number| Tenant::of(&Mac::new([number; 16])));
    for tenant in tenants {
        for number in [2u8, 1] {
            let put = move |transaction: &mut dyn Transaction| {
                let until = Time::from_ms(4_000_000_000_000);
                let record = RowKey::new([0; 16]);
                let row = Row::Reference(crate::workflow::Reference { record, delivery: 1, step: None, until });
                transaction.put(&tenant.key(&Mac::new([number; 16])), row);
                Ok(())
            };
            transact(&*repository, crate::repository::Commit { synced: true, sweep: None }, put).unwrap();
        }
    }
    let keys = |range| repository.scan(range).flat_map(Result::unwrap).map(|(key, _)| key).collect::<Vec<_>>();
    let all = keys(META..=RowKey::new([0xff; 16]));
    assert!(all.len() == 6 && all.is_sorted(), "{all:?}");
    assert_eq!(keys(tenants[0].rows()).len(), 2);
}

/// What is synced is up to the change, and to `durability`.
#[test]
fn durability_is_what_was_asked_for() {
    let server = server!("synchronous_commit=local");
    server.query("CREATE TABLE told (level text); GRANT ALL ON told TO PUBLIC");
    let tell = "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                INSERT INTO public.told SELECT current_setting('synchronous_commit'); RETURN NEW; END $$";
    server.query(tell);
    for (durability, synced, level) in
        [(Durability::Full, true, "on"), (Durability::Full, false, "off"), (Durability::Process, true, "off")]
    {
        let store = PostgresStore::open(&config(&url(&server)), durability, &mut Vec::new()).unwrap();
        server.query(
            "CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE ON libotp.rows \
                      EXECUTE FUNCTION tell(); DELETE FROM told",
        );
        let change = Change { writes: writing(1, ABSENT, version(1), None).writes, conditions: Vec::new(), mark: None };
        store.commit(&[&change], &ABSENT, synced, Instant::now() + BY).unwrap();
        assert_eq!(server.query("SELECT DISTINCT level FROM told"), level);
    }
}
