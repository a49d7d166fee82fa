//! What servers, networks and their owners do.

use std::process::{Child, Command};

use super::*;

/// The connection is cut before and after each request of a verify: never two yeses, and all goes on by itself.
#[test]
fn a_cut_at_any_step_gives_no_second_yes() {
    let server = server!();
    let proxy = Proxy::before(server.port);
    let (here, there) = (service(&behind(&proxy, &server)), service(&url(&server)));
    create(&here, "first").unwrap();
    let mut lost = 0;
    for at in 0..5 {
        for cut in [Cut::Before, Cut::After, Cut::Silence] {
            let token = format!("t{at}{cut:?}");
            let code = create(&there, &token).unwrap();
            proxy.cut(at, cut);
            let begun = Instant::now();
            let first = outcome(&here, &token, &code);
            assert!(begun.elapsed() <= BY, "{first:?} at {at}, {cut:?}");
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

/// The same while somebody logs in.
#[test]
fn a_cut_while_logging_in_is_told_in_time() {
    let server = server!();
    drop(service(&url(&server)));
    let proxy = Proxy::before(server.port);
    for at in 0..3 {
        for cut in [Cut::Before, Cut::After, Cut::Silence] {
            proxy.cut(at, cut);
            let begun = Instant::now();
            let told = service_with(&behind(&proxy, &server), "").err().unwrap();
            assert!(told.outcome() == Outcome::Store && begun.elapsed() <= BY, "{told} at {at}, {cut:?}");
            proxy.mend();
        }
    }
    service(&behind(&proxy, &server));
}

#[test]
fn a_server_that_was_killed_is_found_again() {
    let mut server = server!();
    let service = service(&url(&server));
    let code = create(&service, "t").unwrap();
    server.kill();
    let begun = Instant::now();
    assert_eq!(outcome(&service, "t", &code), Outcome::Store);
    assert!(begun.elapsed() <= BY);
    server.restart();
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
    server.stop();
    server.restart();
    assert_eq!(outcome(&service, "t", &code), Outcome::Checked);
}

/// Somebody ends our sessions, one after the other and all the time: no change is done twice, none is lost.
fn end_sessions(server: &Postgres, url: &str) {
    let hosts: Vec<_> = (0..2).map(|_| service(url)).collect();
    let ended = std::sync::atomic::AtomicBool::new(false);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'libotp'";
    let mut good = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                server.query(end);
            }
        });
        for round in 0..60 {
            let token = format!("t{round}");
            let Ok(code) = create(&hosts[0], &token) else { continue };
            let told: Vec<_> = (0..6).map(|turn| outcome(&hosts[turn % 2], &token, &code)).collect();
            let yeses = told.iter().filter(|told| **told == Outcome::Ok).count();
            let others = [Outcome::Ok, Outcome::Checked, Outcome::Store];
            assert!(yeses <= 1 && told.iter().all(|told| others.contains(told)), "{told:?}");
            good += yeses;
        }
        ended.store(true, Ordering::SeqCst);
    });
    assert!(good > 0, "nothing went well");
}

#[test]
fn sessions_that_are_ended_lose_nothing() {
    let server = server!();
    end_sessions(&server, &url(&server));
    let Some(bouncer) = bouncer(&server) else { return };
    end_sessions(&server, &bouncer.url("postgres"));
    create(&service(&bouncer.url("postgres")), "last").unwrap();
}

#[test]
fn an_emptied_server_is_to_be_opened_again() {
    let server = server!();
    for way in ["TRUNCATE libotp.rows", "DROP SCHEMA libotp CASCADE"] {
        let old = service(&url(&server));
        let code = create(&old, "t").unwrap();
        server.query(way);
        for _ in 0..2 {
            assert_eq!(outcome(&old, "t", &code), Outcome::Store);
            let told = create(&old, "t").unwrap_err().to_string();
            assert!(told.contains("emptied or replaced"), "{told}");
        }
        let new = service(&url(&server));
        assert_eq!(outcome(&new, "t", &code), Outcome::NotValid);
        let code = create(&new, "t").unwrap();
        assert_eq!(outcome(&old, "t", &code), Outcome::Store);
        assert_eq!(outcome(&new, "t", &code), Outcome::Ok);
    }
}

#[test]
fn a_standby_gives_no_answer_until_it_is_the_primary() {
    let mut server = server!();
    let first = service(&url(&server));
    let code = create(&first, "t").unwrap();
    let standby = server.standby();
    let told = service_with(&url(&standby), "").err().unwrap();
    assert!(told.outcome() == Outcome::Store && told.detail().contains("standby"), "{told}");
    // A service whose server is replaced by a standby behind its back.
    let proxy = Proxy::before(server.port);
    let service = service(&behind(&proxy, &server));
    assert!(service.status("t").is_ok());
    server.stop();
    std::fs::write(server.folder().join("data/standby.signal"), "").unwrap();
    server.restart();
    assert_eq!(outcome(&service, "t", &code), Outcome::Store);
    assert_eq!(service.status("t").unwrap_err().outcome(), Outcome::Store);
    server.query("SELECT pg_promote()");
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
    assert_eq!(outcome(&first, "t", &code), Outcome::Checked);
}

/// What the owner of a server may set for all.
#[test]
fn what_is_set_for_all_changes_nothing() {
    let server = server!(
        "default_transaction_isolation=serializable",
        "default_transaction_read_only=on",
        "default_transaction_deferrable=on",
        "idle_in_transaction_session_timeout=50",
        "statement_timeout=2000",
        "lock_timeout=1000",
        "client_min_messages=error",
        "bytea_output=escape",
        "IntervalStyle=iso_8601",
        "search_path=public,pg_catalog",
        "standard_conforming_strings=off"
    );
    conformance::suite(&|| open(&config(&url(&server)), Durability::Full, &mut Vec::new()).unwrap(), true);
    let hosts: Vec<_> = (0..4).map(|_| service(&url(&server))).collect();
    race(&hosts);
    thread::sleep(Duration::from_millis(100));
    create(&hosts[0], "later").unwrap();
}

#[test]
fn another_isolation_is_refused() {
    let server = server!();
    drop(service(&url(&server)));
    let call = "SELECT libotp.commit(NULL, NULL, 'off', 0, '{}', 0, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')";
    server.query(&format!("BEGIN ISOLATION LEVEL READ COMMITTED; {call}; COMMIT"));
    let refused = server.refused(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ; {call}; COMMIT"));
    assert!(refused.contains("needs READ COMMITTED"), "{refused}");
}

#[test]
fn a_server_without_room_is_an_error() {
    let server = server!("max_connections=8", "superuser_reserved_connections=0");
    let service = service(&url(&server));
    let code = create(&service, "t").unwrap();
    let held: Vec<_> = (0..7).map(|_| store(&url(&server))).collect();
    let told = service_with(&url(&server), "").err().unwrap();
    assert!(told.outcome() == Outcome::Store && told.detail().contains("too many connections"), "{told}");
    // Many threads of one service share what it has, though there is no room for more.
    let told = thread::scope(|scope| {
        let tries: Vec<_> = (0..16).map(|_| scope.spawn(|| service.status("t").is_ok())).collect();
        tries.into_iter().map(|told| told.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(told.iter().any(|told| *told), "{told:?}");
    drop(held);
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
}

/// Somebody holds the locks of all rows, or a table, in a session of their own.
fn hold(server: &Postgres, statement: &str, seconds: u32) -> Child {
    let whole = format!("BEGIN; {statement}; SELECT pg_sleep({seconds})");
    let child =
        Command::new("psql").args(["-XAtq", "-c", &whole, &url(server)]).stdout(std::process::Stdio::null()).spawn();
    let child = child.unwrap();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while server.query(asleep) == "0" {
        thread::sleep(Duration::from_millis(20));
    }
    child
}

/// Nothing waits for ever, on either side, and what was given up is not done.
#[test]
fn who_holds_our_rows_is_waited_for_and_not_for_ever() {
    let server = server!();
    let service = service(&url(&server));
    let code = create(&service, "t").unwrap();
    let mut short = hold(&server, "SELECT * FROM libotp.rows FOR UPDATE", 4);
    assert_eq!(outcome(&service, "t", "wrong"), Outcome::NotValid);
    short.wait().unwrap();
    let mut long = hold(&server, "LOCK TABLE libotp.rows IN SHARE MODE", 60);
    let told = outcome(&service, "t", &code);
    assert!(matches!(told, Outcome::Busy | Outcome::Store) && long.try_wait().unwrap().is_none(), "{told:?}");
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'libotp' AND state = 'active'";
    thread::sleep(Duration::from_secs(1));
    assert_eq!(server.query(waiting), "0");
    server.query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    let _ = long.wait().unwrap();
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
}

/// With a standby that must have every change and has none, nothing is acknowledged; and its end is no yes either.
#[test]
fn a_change_that_standbys_do_not_have_is_not_acknowledged() {
    let mut server = server!();
    let service = service(&url(&server));
    let code = create(&service, "t").unwrap();
    server.set("synchronous_standby_names=nobody");
    server.stop();
    server.restart();
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let told = thread::scope(|scope| {
        let told = scope.spawn(|| service.verify("t", &code, None).map(|reply| reply.outcome));
        while server.query(cancel).is_empty() {
            thread::sleep(Duration::from_millis(20));
        }
        told.join().unwrap()
    });
    let told = told.unwrap_err();
    assert!(told.outcome() == Outcome::Store && told.detail().contains("standbys"), "{told}");
    // Without anybody who cancels: no yes, and in time.
    let begun = Instant::now();
    assert!(create(&service, "u").is_err() && begun.elapsed() <= BY);
}
