//! Whose the schema is, who may use it, and what is said to whom may not.

use super::*;

/// The URL of another user of the same server.
fn url_of(server: &Postgres, user: &str) -> String {
    format!("postgres://{user}:wOrD@127.0.0.1:{}/postgres", server.port)
}

/// What `docs/engines.md` tells the owner of a database to do.
fn grants(user: &str) -> String {
    let docs = include_str!("../../../../docs/engines.md");
    let text = docs.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    text.replace("otp_user", user)
}

#[test]
fn a_user_who_may_make_nothing_works_with_what_is_there() {
    let server = server!();
    server.query("CREATE ROLE guest LOGIN PASSWORD 'wOrD'");
    let guest = url_of(&server, "guest");
    let told = service_with(&guest, "").err().unwrap();
    assert!(told.outcome() == Outcome::Config && told.detail().contains("may not make it"), "{told}");
    drop(service(&url(&server)));
    let told = service_with(&guest, "").err().unwrap();
    assert!(told.outcome() == Outcome::Store && told.detail().contains("lacks a right"), "{told}");
    server.query(&(grants("guest") + "TRUNCATE libotp.rows"));
    conformance::suite(&|| open(&config(&guest), Durability::Full, &mut Vec::new()).unwrap(), true);
    let service = service(&guest);
    let code = create(&service, "t").unwrap();
    service.run_due().unwrap();
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
    let store = store(&guest);
    assert!(store.take_lease(&key(1), &version(1), BY, Instant::now() + BY).unwrap());
    store.end_lease(&key(1), &version(1), Instant::now() + BY);
}

/// What others may write, would run with our user's rights.
#[test]
fn a_schema_of_a_stranger_is_refused() {
    let server = server!();
    server.query("CREATE ROLE stranger LOGIN PASSWORD 'wOrD'; CREATE ROLE guest LOGIN PASSWORD 'wOrD'");
    server.query("GRANT CREATE ON DATABASE postgres TO stranger");
    drop(service(&url_of(&server, "stranger")));
    let refused = |url: &str| service_with(url, "").err().unwrap();
    let guest = url_of(&server, "guest");
    assert!(refused(&guest).detail().contains("belongs to a stranger"));
    assert!(refused(&url(&server)).outcome() == Outcome::Config, "also by a superuser");
    server.query("REASSIGN OWNED BY stranger TO tester");
    drop(service(&url(&server)));
    for (wrong, right) in [
        ("GRANT CREATE ON SCHEMA libotp TO stranger", "REVOKE CREATE ON SCHEMA libotp FROM stranger"),
        ("GRANT CREATE ON SCHEMA libotp TO PUBLIC", "REVOKE CREATE ON SCHEMA libotp FROM PUBLIC"),
        ("ALTER FUNCTION libotp.now_ms OWNER TO stranger", "ALTER FUNCTION libotp.now_ms OWNER TO tester"),
        ("ALTER TABLE libotp.leases OWNER TO stranger", "ALTER TABLE libotp.leases OWNER TO tester"),
    ] {
        server.query(wrong);
        assert!(refused(&url(&server)).detail().contains("belongs to a stranger"), "{wrong}");
        server.query(right);
        drop(service(&url(&server)));
    }
}

#[test]
fn a_schema_of_a_newer_version_is_refused() {
    let server = server!();
    drop(service(&url(&server)));
    server.query("UPDATE libotp.format SET number = 2");
    let told = service_with(&url(&server), "").err().unwrap();
    assert!(told.outcome() == Outcome::Store && told.detail().contains("newer version"), "{told}");
}

#[test]
fn many_who_open_at_the_same_time_make_one_schema() {
    let server = server!();
    thread::scope(|scope| {
        let hosts: Vec<_> = (0..16).map(|_| scope.spawn(|| service_with(&url(&server), LOOSE).map(|_| ()))).collect();
        hosts.into_iter().for_each(|host| host.join().unwrap().unwrap());
    });
    assert_eq!(server.query("SELECT count(*), count(mark) FROM libotp.rows"), "1|1");
}

#[test]
fn no_message_shows_user_or_password() {
    let server = server!();
    let url = |rest: &str| format!("postgres://{rest}127.0.0.1:{}/postgres", server.port);
    for rest in ["sEcReTuser:wRoNg@", "tester:wRoNg@", "tester@"] {
        let told = service_with(&url(rest), "").err().unwrap().to_string();
        assert!(told.contains("postgres://127.0.0.1") && !told.contains("wRoNg") && !told.contains("sEcReT"), "{told}");
    }
    let told = service_with(&server.url("sEcReTbase"), "").err().unwrap().to_string();
    assert!(told.contains("no such database") && !told.contains("sEcReT"), "{told}");
}

/// Passwords as servers ask for them: SCRAM is what all other tests use.
#[test]
fn passwords_are_sent_as_the_server_wants_them() {
    let server = server!("password_encryption=md5");
    server.query("CREATE ROLE old LOGIN PASSWORD 'wOrD'; CREATE ROLE plain LOGIN PASSWORD 'wOrD'");
    let access = server.folder().join("data/pg_hba.conf");
    let before = std::fs::read_to_string(&access).unwrap();
    std::fs::write(
        &access,
        format!("host all old all md5\nhost all plain all password\nlocal all all trust\n{before}"),
    )
    .unwrap();
    server.query("SELECT pg_reload_conf()");
    drop(service(&url(&server)));
    server.query(&(grants("old") + &grants("plain")));
    for user in ["old", "plain"] {
        create(&service(&url_of(&server, user)), user).unwrap();
        let wrong = url_of(&server, user).replace("wOrD", "wRoNg");
        assert!(service_with(&wrong, "").err().unwrap().detail().contains("user or password are refused"));
    }
    let folder = server.folder().to_str().unwrap().replace('/', "%2F");
    let service = service(&format!("postgres://tester@{folder}:{}/postgres", server.port));
    assert_eq!(outcome(&service, "old", "wrong"), Outcome::NotValid);
}

/// What the owner of a server should know of `full`.
#[test]
fn warnings_name_what_full_does_not_promise() {
    let server = server!("fsync=off");
    let warned = |durability| {
        let mut warnings = Vec::new();
        drop(open(&config(&url(&server)), durability, &mut warnings).unwrap());
        warnings
    };
    let told = warned(Durability::Full);
    assert!(told.len() == 2 && told[0].contains("synchronous_standby_names") && told[1].contains("fsync"), "{told:?}");
    assert_eq!(warned(Durability::Process), [""; 0]);
}
