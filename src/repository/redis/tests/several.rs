//! Several servers, TLS, and forks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use super::*;
use testing::free_port;
use testing::redis::Cluster;

/// Waits for something that servers settle among themselves.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_cluster_keeps_each_namespace_in_one_slot() {
    let Some(Cluster { nodes }) = Cluster::try_start() else { return };
    // The first that is named does not answer.
    let url = format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", free_port(), nodes[1].port);
    conformance::suite(&|| open(&config(&url), &mut Vec::new()).unwrap(), true);
    for number in 0..6 {
        let service = service_with(&url, &format!(r#","namespace":"n{number}""#)).unwrap();
        let code = create(&service, "t").unwrap();
        assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
        assert_eq!(
            outcome(&service_with(&url, &format!(r#","namespace":"n{number}""#)).unwrap(), "t", &code),
            Outcome::Checked
        );
        service.run_due().unwrap();
    }
    let rows = |node: &Server| node.command(&["DBSIZE"]).trim().parse::<u32>().unwrap();
    assert!(nodes.iter().filter(|node| rows(node) > 0).count() > 1, "more than one node has rows");
}

/// The slots of tenants move to another node while these are asked for codes.
#[test]
fn a_tenant_may_move_to_another_node_at_work() {
    let Some(cluster) = Cluster::try_start() else { return };
    let identifier = |node: &Server| node.command(&["CLUSTER", "MYID"]).trim().to_owned();
    let services: Vec<_> =
        (0..12).map(|number| service_with(&cluster.url(), &format!(r#","namespace":"n{number}""#)).unwrap()).collect();
    let over = AtomicBool::new(false);
    let count = AtomicUsize::new(0);
    let work = |service: &Service| {
        let mut number = 0;
        while !over.load(SeqCst) {
            let token = format!("token {number}");
            let code = service.create(&token, None).unwrap().message.unwrap().code.to_string();
            assert_eq!(outcome(service, &token, "1234567"), Outcome::NotValid);
            assert_eq!(outcome(service, &token, &code), Outcome::Ok);
            assert_eq!(outcome(service, &token, &code), Outcome::Checked);
            number += 1;
            thread::sleep(Duration::from_millis(5));
        }
        count.fetch_add(number, SeqCst);
    };
    thread::scope(|scope| {
        services.iter().for_each(|service| drop(scope.spawn(|| work(service))));
        thread::sleep(Duration::from_millis(500));
        let (from, to) = (identifier(&cluster.nodes[0]), identifier(&cluster.nodes[1]));
        let name = format!("127.0.0.1:{}", cluster.nodes[0].port);
        let words = ["--cluster", "reshard", &name, "--cluster-from", &from, "--cluster-to", &to];
        cluster.nodes[0].command(&[&words[..], &["--cluster-slots", "5461", "--cluster-yes"]].concat());
        thread::sleep(Duration::from_millis(500));
        over.store(true, SeqCst);
    });
    assert_eq!(cluster.nodes[0].command(&["DBSIZE"]).trim(), "0");
    let count = count.load(SeqCst);
    assert!(count > 100, "{count} codes");
}

#[test]
fn the_master_is_whom_the_sentinels_name() {
    let Some(master) = Server::try_start(&[]) else { return };
    let replica = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let sentinel = Server::watching(&master);
    let url = format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main", free_port(), sentinel.port);
    let service = service(&url);
    let code = create(&service, "t").unwrap();
    wait_for("the sentinel knows the replica", || {
        sentinel.command(&["SENTINEL", "REPLICAS", "main"]).contains("slave")
    });
    wait_for("the replica has all", || {
        let rows = |server: &Server| server.command(&["DBSIZE"]);
        master.command(&["WAIT", "1", "1000"]).trim() == "1" && rows(&master) == rows(&replica)
    });
    wait_for("the sentinel begins", || sentinel.command(&["SENTINEL", "FAILOVER", "main"]).contains("OK"));
    let port = replica.port.to_string();
    let named = || sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]).contains(&port);
    wait_for("the replica is the master", || named() && master.command(&["ROLE"]).starts_with("slave"));
    let mut told = Vec::new();
    wait_for("the service finds it", || {
        told.push(outcome(&service, "t", &code));
        *told.last().unwrap() == Outcome::Ok
    });
    assert!(told.iter().all(|told| matches!(told, Outcome::Ok | Outcome::Store)), "{told:?}");
    assert_eq!(outcome(&service, "t", &code), Outcome::Checked);
}

/// A server that is demoted keeps its connections, and its rows of then.
#[test]
fn a_demoted_master_is_asked_no_longer() {
    let Some(master) = Server::try_start(&[]) else { return };
    let service = service_with(&master.url(), "").unwrap();
    create(&service, "t").unwrap();
    let next = Server::start(&[]);
    master.command(&["REPLICAOF", "127.0.0.1", &next.port.to_string()]);
    std::thread::sleep(link::MASTER);
    for _ in 0..2 {
        let told = service.status("t").unwrap_err();
        assert!(told.outcome() == Outcome::Store && told.detail().contains("is a replica"), "{told}");
    }
}

#[test]
fn tls_trusts_the_given_authorities_alone() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let Some(files) = Server::try_start(&[]) else { return };
    let pem = |name: &str, kind: &str, der: &[u8]| {
        let path = files.folder().join(name);
        std::fs::write(&path, format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der)))
            .unwrap();
        path.to_str().unwrap().to_owned()
    };
    let certificate = pem("certificate.pem", "CERTIFICATE", made.cert.der());
    let key = pem("key.pem", "PRIVATE KEY", &made.signing_key.serialize_der());
    let port = free_port();
    let _server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://127.0.0.1:{port}");
    let told = service_with(&url, "").err().unwrap();
    assert_eq!(told.outcome(), Outcome::Store, "{told}");
    let service = service_with(&url, &format!(r#","caFile":"{certificate}""#)).unwrap();
    let code = create(&service, "t").unwrap();
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
    assert!(service_with(&url, r#","caFile":"/nowhere""#).err().unwrap().outcome() == Outcome::Config);
}

/// What a child of `fork` does with its parent's connections: the server hears nothing of it.
#[test]
fn connections_are_forgotten_and_not_closed() {
    let Some(server) = Server::try_start(&[]) else { return };
    let store = RedisStore::open(&config(&server.url()), &mut Vec::new()).unwrap();
    let look = || store.look(&[], &ABSENT, Instant::now() + OPENING).map(|_| ()).unwrap();
    // Its own client is one of them.
    let connections = || server.command(&["CLIENT", "LIST"]).lines().filter(|line| line.starts_with("id=")).count() - 1;
    look();
    assert_eq!(connections(), 1);
    look();
    assert_eq!(connections(), 1);
    store.in_child();
    assert_eq!(connections(), 1);
    look();
    assert_eq!(connections(), 2);
}
