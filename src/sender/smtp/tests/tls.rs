//! Servers that do not prove who they are, or that know no TLS: none is told anything.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use simulator::smtp::{Act, Inbox, MailFault, Security, Setup, Stage};

use super::{Ground, HOST, PASSWORD, USER, certified, here, params, send_if, sender_with};

/// A certificate that an authority signed, and the authority.
fn signed(leaf: CertificateParams) -> (Arc<ServerConfig>, RootCertStore) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = authority.self_signed(&root_key).unwrap();
    let certificate = leaf.signed_by(&key, &Issuer::from_params(&authority, &root_key)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let builder = ServerConfig::builder_with_provider(default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (builder.with_single_cert(vec![certificate.der().clone()], key).unwrap().into(), roots)
}

fn ground(security: Security, roots: RootCertStore) -> Ground {
    let kind = if matches!(security, Security::Implicit(_)) { "implicit" } else { "starttls" };
    let account = Some((USER.to_owned(), PASSWORD.to_owned()));
    let inbox = Inbox::start(Setup { security, account, ..Setup::default() }).unwrap();
    let options = json!({"port": inbox.port, "tls": kind, "user": USER, "password": PASSWORD});
    Ground { sender: sender_with(&options, here, roots), inbox }
}

/// Nothing that is worth anything was said.
fn was_told_nothing(ground: &Ground) -> bool {
    let commands = ground.inbox.commands();
    !commands.iter().any(|command| ["AUTH", "MAIL", "RCPT", "DATA"].contains(&command.as_str()))
}

#[test]
fn certificates() {
    let expired = || {
        let mut leaf = params(HOST);
        leaf.not_after = date_time_ymd(2020, 1, 1);
        leaf
    };
    let early = || {
        let mut leaf = params(HOST);
        leaf.not_before = date_time_ymd(3000, 1, 1);
        leaf
    };
    type Kind = fn(Arc<ServerConfig>) -> Security;
    for kind in [Security::StartTls as Kind, Security::Implicit] {
        let (tls, roots) = signed(params(HOST));
        let good = ground(kind(tls), roots);
        assert_eq!((good.send().kind, good.inbox.messages().len()), ("accepted", 1));
        for (name, (tls, roots), told) in [
            ("expired", signed(expired()), "expired"),
            ("not yet valid", signed(early()), "not valid yet"),
            ("another name", signed(params("other.test")), "not valid for name"),
            ("a name above", signed(params("test")), "not valid for name"),
            ("an unknown authority", (signed(params(HOST)).0, signed(params(HOST)).1), "certificate"),
            ("self-signed", (certified(params(HOST)).0, signed(params(HOST)).1), "certificate"),
            ("no authority at all", (signed(params(HOST)).0, RootCertStore::empty()), "certificate"),
        ] {
            let ground = ground(kind(tls), roots);
            let answer = ground.send();
            assert_eq!((answer.kind, answer.asked), ("not taken", 0), "{name}: {:?}", answer.failure);
            assert!(answer.failure.detail.contains(told), "{name}: {:?}", answer.failure);
            assert_eq!(ground.inbox.connections(), 1, "{name}: a second try would change nothing");
            assert!(was_told_nothing(&ground), "{name}");
        }
    }
}

#[test]
fn servers_without_tls() {
    // STARTTLS is not offered, as when somebody in between takes the line away.
    let stripped = ground(Security::Plain, RootCertStore::empty());
    let told = stripped.send();
    assert_eq!((told.kind, told.asked), ("not taken", 0));
    assert!(told.failure.detail.ends_with("EHLO: the server offers no STARTTLS"), "{:?}", told.failure);
    assert!(was_told_nothing(&stripped));
    for (name, act, connections) in [
        ("closed", Act::Close, 3),
        ("plain text", Act::Say(b"250 2.0.0 ok\r\n".to_vec()), 1),
        ("garbage", Act::Say(vec![0xff; 100]), 1),
        ("an alert", Act::Say(vec![21, 3, 3, 0, 2, 2, 40]), 1),
    ] {
        for implicit in [false, true] {
            let (tls, roots) = certified(params(HOST));
            let security = if implicit { Security::Implicit(tls) } else { Security::StartTls(tls) };
            let ground = ground(security, roots).always(&MailFault::new(Stage::Tls, act.clone()));
            let told = ground.send();
            assert_eq!((told.kind, told.asked), ("not taken", 0), "{name}: {:?}", told.failure);
            assert_eq!(ground.inbox.connections(), connections, "{name}: {:?}", told.failure);
            assert!(was_told_nothing(&ground), "{name}");
        }
    }
}

#[test]
fn passwords() {
    for mechanisms in ["PLAIN", "LOGIN", "LOGIN PLAIN", "CRAM-MD5 PLAIN XOAUTH2"] {
        let ground = Ground::with(mechanisms);
        assert_eq!(ground.send().kind, "accepted", "{mechanisms}");
        assert_eq!(ground.inbox.complaints(), [""; 0]);
    }
    for mechanisms in ["", "CRAM-MD5"] {
        let ground = Ground::with(mechanisms);
        let told = ground.send();
        assert_eq!((told.kind, told.asked), ("not taken", 0), "{mechanisms}");
        assert!(told.failure.detail.ends_with("EHLO: the server offers neither AUTH PLAIN nor AUTH LOGIN"));
        assert!(!ground.inbox.commands().contains(&"MAIL".to_owned()));
    }
    for mechanisms in ["PLAIN", "LOGIN"] {
        let (tls, roots) = certified(params(HOST));
        let account = Some((USER.to_owned(), "another".to_owned()));
        let security = Security::StartTls(tls);
        let inbox = Inbox::start(Setup { security, account, mechanisms, ..Setup::default() }).unwrap();
        let options = json!({"port": inbox.port, "user": USER, "password": PASSWORD});
        let told = send_if(&sender_with(&options, here, roots), super::AMPLE, true);
        assert_eq!((told.kind, told.failure.vendor_code.as_deref()), ("not taken", Some("535 5.7.8")));
        assert_eq!(inbox.connections(), 1, "the same password would be refused again");
    }
}
