//! Against a server that each test starts for itself.

mod several;

use std::thread;

use super::*;
use crate::block::Mac;
use crate::outcome::Outcome;
use crate::repository::{META, Row, Transaction, conformance, transact};
use crate::service::Service;
use testing::proxy::{Cut, Proxy};
use testing::redis::Server;

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const REQUEST: &str = r#"{"phoneNumber":"+39 333 123 4567","subject":"s"}"#;
const LOOSE: &str = r#","policy":{"cooldownSeconds":0,"sendLimits":[{"count":1000,"minutes":10}]}"#;

fn config(url: &str) -> RedisConfig {
    RedisConfig { url: url.to_owned(), ca_file: None, pool_size: 8, wait_replicas: 0 }
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

#[test]
fn conforms() {
    let Some(server) = Server::try_start(&[]) else { return };
    let url = server.url();
    conformance::suite(&|| open(&config(&url), &mut Vec::new()).unwrap(), true);
}

#[test]
fn round_trips_are_few() {
    let Some(server) = Server::try_start(&[]) else { return };
    let proxy = Proxy::before(server.port);
    let (here, there) = (service(&format!("redis://127.0.0.1:{}", proxy.port)), service(&server.url()));
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

#[test]
fn a_code_is_good_once_among_many_hosts() {
    let Some(server) = Server::try_start(&[]) else { return };
    let hosts: Vec<_> = (0..8).map(|_| service(&server.url())).collect();
    for round in 0..20 {
        let token = format!("t{round}");
        let code = create(&hosts[0], &token).unwrap();
        let told = thread::scope(|scope| {
            let tries = hosts.iter().map(|host| scope.spawn(|| outcome(host, &token, &code))).collect::<Vec<_>>();
            tries.into_iter().map(|told| told.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(told.iter().filter(|told| **told == Outcome::Ok).count(), 1, "{told:?}");
        assert_eq!(told.iter().filter(|told| **told == Outcome::Checked).count(), 7, "{told:?}");
    }
}

/// Sixteen hosts with sixteen threads each, all about one recipient and one subject.
#[test]
fn limits_are_exact_and_nobody_is_turned_away_as_busy() {
    let Some(server) = Server::try_start(&[]) else { return };
    let options = r#","policy":{"cooldownSeconds":0,"sendLimits":[{"count":37,"minutes":10}]}"#;
    let hosts: Vec<_> = (0..16).map(|_| service_with(&server.url(), options).unwrap()).collect();
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

/// The connection is cut before and after each request of a verify: never two yeses, and all goes on by itself.
#[test]
fn a_cut_at_any_step_gives_no_second_yes() {
    let Some(server) = Server::try_start(&[]) else { return };
    let proxy = Proxy::before(server.port);
    let (here, there) = (service(&format!("redis://127.0.0.1:{}", proxy.port)), service(&server.url()));
    create(&here, "first").unwrap();
    let mut lost = 0;
    for at in 0..4 {
        for cut in [Cut::Before, Cut::After, Cut::Silence] {
            let token = format!("t{at}{cut:?}");
            let code = create(&there, &token).unwrap();
            proxy.cut(at, cut);
            let begun = Instant::now();
            let first = outcome(&here, &token, &code);
            assert!(begun.elapsed() <= Duration::from_secs(10), "{first:?} at {at}, {cut:?}");
            assert!(matches!(first, Outcome::Ok | Outcome::Store | Outcome::Busy), "{first:?} at {at}, {cut:?}");
            proxy.mend();
            let second = outcome(&here, &token, &code);
            let yeses = [first, second].iter().filter(|told| **told == Outcome::Ok).count();
            assert!(
                yeses <= 1 && matches!(second, Outcome::Ok | Outcome::Checked),
                "{first:?}, {second:?} at {at}, {cut:?}"
            );
            lost += usize::from(yeses == 0);
        }
    }
    assert!(lost <= 4, "{lost} yeses were lost");
}

#[test]
fn a_server_that_was_killed_is_found_again() {
    let Some(mut server) = Server::try_start(&["--appendonly", "yes", "--appendfsync", "always"]) else { return };
    let service = service(&server.url());
    let code = create(&service, "t").unwrap();
    server.kill();
    let begun = Instant::now();
    assert_eq!(outcome(&service, "t", &code), Outcome::Store);
    assert!(begun.elapsed() <= Duration::from_secs(10));
    server.restart();
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
    assert_eq!(outcome(&service, "t", &code), Outcome::Checked);
    // Scripts are gone as well.
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(outcome(&service, "t", &code), Outcome::Checked);
}

#[test]
fn an_emptied_server_is_to_be_opened_again() {
    let Some(server) = Server::try_start(&[]) else { return };
    let old = service(&server.url());
    let code = create(&old, "t").unwrap();
    server.command(&["FLUSHALL"]);
    for _ in 0..2 {
        assert_eq!(outcome(&old, "t", &code), Outcome::Store);
        assert!(create(&old, "t").unwrap_err().to_string().contains("emptied or replaced"));
    }
    let new = service(&server.url());
    assert_eq!(outcome(&new, "t", &code), Outcome::NotValid);
    let code = create(&new, "t").unwrap();
    assert_eq!(outcome(&old, "t", &code), Outcome::Store);
    assert_eq!(outcome(&new, "t", &code), Outcome::Ok);
    // A tenant's copy of the mark alone, as where one node of a cluster was replaced.
    let name = server.command(&["KEYS", "otp:*:m"]).lines().find(|name| !name.contains("own")).unwrap().to_owned();
    server.command(&["DEL", &name]);
    for service in [&new, &self::service(&server.url())] {
        assert!(create(service, "t").unwrap_err().to_string().contains("emptied or replaced"));
    }
}

#[test]
fn servers_that_cannot_keep_rows_are_refused() {
    let Some(evicting) = Server::try_start(&["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"]) else {
        return;
    };
    let told = service_with(&evicting.url(), "").err().unwrap();
    assert!(told.outcome() == Outcome::Config && told.detail().contains("maxmemory-policy"), "{told}");
    let server = Server::start(&[]);
    let replica = Server::start(&["--replicaof", "127.0.0.1", &server.port.to_string()]);
    let told = service_with(&replica.url(), "").err().unwrap();
    assert_eq!(told.outcome(), Outcome::Store);
    // Full memory: an error, and nothing half written.
    let service = service(&server.url());
    let code = create(&service, "t").unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1mb"]);
    assert_eq!(create(&service, "u").unwrap_err().outcome(), Outcome::Store);
    assert_ne!(outcome(&service, "t", &code), Outcome::Ok);
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
}

#[test]
fn a_master_that_becomes_a_replica_gives_no_answer() {
    let Some(server) = Server::try_start(&[]) else { return };
    let service = service(&server.url());
    let code = create(&service, "t").unwrap();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(outcome(&service, "t", &code), Outcome::Store);
    server.command(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
}

#[test]
fn no_message_shows_user_or_password() {
    let Some(server) = Server::try_start(&["--requirepass", "sEcReT"]) else { return };
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}", server.port);
    assert!(service_with(&url("default:sEcReT@"), "").is_ok());
    for user in ["default:wRoNg@", "", "sEcReTuser:wRoNg@"] {
        let told = service_with(&url(user), "").err().unwrap().to_string();
        assert!(told.contains("redis://127.0.0.1") && !told.contains("wRoNg") && !told.contains("sEcReT"), "{told}");
    }
}

/// Rows end in the server, and those of locks that are for good do not.
#[test]
fn rows_expire_in_the_server_and_the_index_is_tidied() {
    let Some(server) = Server::try_start(&[]) else { return };
    let service = service(&server.url());
    create(&service, "t").unwrap();
    let names = server.command(&["KEYS", "otp:*:????????????????????????????????"]);
    let lives: Vec<i64> = names.lines().map(|name| server.command(&["PTTL", name]).trim().parse().unwrap()).collect();
    assert_eq!(lives.iter().filter(|life| **life == -1).count(), 1, "the repository's own row: {lives:?}");
    assert!(lives.len() == 3 && lives.iter().all(|life| *life == -1 || *life > 86_000_000), "{lives:?}");
    let row = names.lines().find(|name| !name.contains("own")).unwrap();
    let index = server.command(&["KEYS", "otp:*:i"]).lines().find(|name| !name.contains("own")).unwrap().to_owned();
    server.command(&["DEL", row]);
    assert_eq!(server.command(&["ZCARD", &index]).trim(), "2");
    service.run_due().unwrap();
    assert_eq!(server.command(&["ZCARD", &index]).trim(), "1");
}

#[test]
fn enough_replicas_must_have_a_change() {
    let Some(server) = Server::try_start(&[]) else { return };
    let told = service_with(&server.url(), r#","waitReplicas":1"#).err().unwrap();
    assert!(told.detail().contains("waitReplicas"), "{told}");
}

/// A replica that is connected, and stands still, has nothing of what is written now.
#[test]
fn a_replica_that_stands_still_has_no_change() {
    let Some(server) = Server::try_start(&[]) else { return };
    let replica = Server::start(&["--replicaof", "127.0.0.1", &server.port.to_string()]);
    let is_linked = || replica.command(&["INFO", "replication"]).contains("master_link_status:up");
    while !is_linked() {
        thread::sleep(Duration::from_millis(50));
    }
    let service = service_with(&server.url(), &format!(r#"{LOOSE},"waitReplicas":1"#)).unwrap();
    create(&service, "t").unwrap();
    // Other connections are kept, on which nothing was written.
    thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| service.status("t").unwrap()))));
    replica.stand_still(true);
    let told = create(&service, "u").unwrap_err();
    replica.stand_still(false);
    assert!(told.outcome() == Outcome::Store && told.detail().contains("waitReplicas"), "{told}");
    create(&service, "v").unwrap();
}

#[test]
fn who_is_not_there_is_told_plainly() {
    let told = |url: &str| service_with(url, "").err().unwrap();
    let port = testing::free_port();
    let refused = told(&format!("redis://default:sEcReT@localhost:{port}"));
    assert!(refused.outcome() == Outcome::Store && refused.detail().contains("Connection refused"), "{refused}");
    let unknown = told("redis://default:sEcReT@no-such-host.invalid");
    assert!(unknown.outcome() == Outcome::Store && unknown.detail().contains("lookup"), "{unknown}");
    assert!(!refused.detail().contains("sEcReT") && !unknown.detail().contains("sEcReT"));
}

/// What the tenant's key is made of must be the same everywhere.
#[test]
fn scans_go_through_all_tenants_in_order() {
    let Some(server) = Server::try_start(&[]) else { return };
    let repository = open(&config(&server.url()), &mut Vec::new()).unwrap();
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
