//! Servers that do not prove who they are: none is told anything.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use simulator::script::{Peer, Script, Server, accepted, serve, serve_tls};

use super::super::Carrier;
use super::client::{carrier_with, here};
use super::{AMPLE, SHORT, check_told, parts, send};

/// What makes a good certificate a bad one.
type Change = fn(&mut CertificateParams);

const HOST: &str = "api.carrier.test";

/// A certificate with the key that belongs to it.
struct Party {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn authority(name: &str, path: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(path);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn self_signed(params: CertificateParams) -> Party {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Party { params, key, certificate }
}

impl Party {
    fn root() -> Self {
        self_signed(authority("root", BasicConstraints::Unconstrained))
    }

    fn signs(&self, params: CertificateParams) -> Party {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Party { params, key, certificate }
    }

    fn roots(&self) -> RootCertStore {
        roots(self.certificate.der().clone())
    }
}

fn roots(root: CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    roots
}

fn tls(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> ServerConfig {
    tls_of(&[&version::TLS13], chain, key)
}

fn tls_of(
    versions: &[&'static SupportedProtocolVersion],
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> ServerConfig {
    let key = default_provider().key_provider.load_private_key(key).unwrap();
    let builder = ServerConfig::builder_with_provider(default_provider().into());
    // Not `with_single_cert`, which refuses some of the bad ones itself.
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let builder = builder.with_protocol_versions(versions).unwrap().with_no_client_auth();
    builder.with_cert_resolver(Arc::new(resolver))
}

fn key_of(party: &Party) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(party.key.serialize_der()).unwrap()
}

fn chain(parties: &[&Party]) -> Vec<CertificateDer<'static>> {
    parties.iter().map(|party| party.certificate.der().clone()).collect()
}

fn keep_accepting(peer: &mut Peer, _: usize) {
    while peer.request().is_some() && peer.accept() {}
}

fn client(server: &Server, roots: RootCertStore) -> Carrier {
    carrier_with(&format!("https://{HOST}:{}", server.port), here, roots)
}

/// Expects that a server with this chain is told nothing; `told` is a part of the error.
fn refused(name: &str, config: ServerConfig, roots: RootCertStore, told: &str) {
    let server = serve_tls(config, keep_accepting);
    let (kind, failure) = parts(send(&client(&server, roots), AMPLE).0);
    assert_eq!((kind, server.seen.requests()), ("not taken", 0), "{name}: {failure:?}");
    assert!(failure.detail.contains(told), "{name}: {failure:?}");
    assert_eq!(server.seen.connections(), 1, "{name}: a second try would change nothing");
    check_told(&failure, &format!("{HOST}:{}: ", server.port));
}

fn accepted_by(config: ServerConfig, roots: RootCertStore) {
    let server = serve_tls(config, keep_accepting);
    let client = client(&server, roots);
    for _ in 0..3 {
        assert_eq!(parts(send(&client, AMPLE).0).0, "accepted");
    }
    assert_eq!((server.seen.connections(), server.seen.requests()), (1, 3));
}

#[test]
fn good_certificates() {
    let root = Party::root();
    for name in [HOST, "*.carrier.test"] {
        let leaf = root.signs(params(name));
        for version in [&[&version::TLS12], &[&version::TLS13]] {
            accepted_by(tls_of(version, chain(&[&leaf]), key_of(&leaf)), root.roots());
        }
    }
    let middle = root.signs(authority("middle", BasicConstraints::Constrained(0)));
    let leaf = middle.signs(params(HOST));
    accepted_by(tls(chain(&[&leaf, &middle]), key_of(&leaf)), root.roots());
    let (certificates, key, root) = stored("good.pem");
    accepted_by(tls(certificates, key), root);
}

#[test]
fn certificates_of_the_wrong_time_or_name() {
    let root = Party::root();
    let cases: [(&str, Change, &str); 12] = [
        ("expired", |leaf| leaf.not_after = date_time_ymd(2020, 1, 1), "expired"),
        ("not yet valid", |leaf| leaf.not_before = date_time_ymd(3000, 1, 1), "not valid yet"),
        ("another host", |leaf| leaf.subject_alt_names = names(&["www.carrier.test"]), "not valid for name"),
        ("a suffix", |leaf| leaf.subject_alt_names = names(&["carrier.test"]), "not valid for name"),
        ("a longer name", |leaf| leaf.subject_alt_names = names(&["api.carrier.test.example"]), "not valid for name"),
        ("a wildcard too high", |leaf| leaf.subject_alt_names = names(&["*.test"]), "not valid for name"),
        ("a wildcard too low", |leaf| leaf.subject_alt_names = names(&["*.api.carrier.test"]), "not valid for name"),
        ("a wildcard within a label", |leaf| leaf.subject_alt_names = names(&["a*.carrier.test"]), "certificate"),
        ("a wildcard for all", |leaf| leaf.subject_alt_names = names(&["*"]), "certificate"),
        (
            "an address",
            |leaf| leaf.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())],
            "not valid for",
        ),
        ("no name", |leaf| leaf.subject_alt_names.clear(), "certificate"),
        (
            "a common name alone",
            |leaf| {
                leaf.subject_alt_names.clear();
                leaf.distinguished_name.push(DnType::CommonName, HOST);
            },
            "certificate",
        ),
    ];
    for (name, change, told) in cases {
        let mut leaf = params(HOST);
        change(&mut leaf);
        let leaf = root.signs(leaf);
        refused(name, tls(chain(&[&leaf]), key_of(&leaf)), root.roots(), told);
    }
}

fn names(names: &[&str]) -> Vec<SanType> {
    names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect()
}

#[test]
fn certificates_for_another_use() {
    let root = Party::root();
    let cases: [(&str, Change, &str); 3] = [
        ("of a client", |leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth], "certificate"),
        ("of an authority", |leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), "certificate"),
        (
            "of an unknown kind",
            |leaf| {
                let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
                extension.set_criticality(true);
                leaf.custom_extensions.push(extension);
            },
            "certificate",
        ),
    ];
    for (name, change, told) in cases {
        let mut leaf = params(HOST);
        change(&mut leaf);
        let leaf = root.signs(leaf);
        refused(name, tls(chain(&[&leaf]), key_of(&leaf)), root.roots(), told);
    }
}

#[test]
fn chains_that_lead_nowhere() {
    let root = Party::root();
    let leaf = self_signed(params(HOST));
    refused("self-signed", tls(chain(&[&leaf]), key_of(&leaf)), root.roots(), "certificate");
    let leaf = Party::root().signs(params(HOST));
    refused("an unknown authority of the same name", tls(chain(&[&leaf]), key_of(&leaf)), root.roots(), "certificate");
    let leaf = root.signs(params(HOST));
    refused("no authority at all", tls(chain(&[&leaf]), key_of(&leaf)), RootCertStore::empty(), "certificate");

    let middle = root.signs(authority("middle", BasicConstraints::Unconstrained));
    let leaf = middle.signs(params(HOST));
    refused("incomplete", tls(chain(&[&leaf]), key_of(&leaf)), root.roots(), "certificate");
    let mut plain = authority("plain", BasicConstraints::Unconstrained);
    plain.is_ca = IsCa::ExplicitNoCa;
    let cases = [
        ("signed by no authority", plain),
        ("by an expired authority", {
            let mut middle = authority("middle", BasicConstraints::Unconstrained);
            middle.not_after = date_time_ymd(2020, 1, 1);
            middle
        }),
        ("by an authority for other names", {
            let mut middle = authority("middle", BasicConstraints::Unconstrained);
            let permitted_subtrees = vec![GeneralSubtree::DnsName("example.com".to_owned())];
            middle.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
            middle
        }),
    ];
    for (name, middle) in cases {
        let middle = root.signs(middle);
        let leaf = middle.signs(params(HOST));
        refused(name, tls(chain(&[&leaf, &middle]), key_of(&leaf)), root.roots(), "certificate");
    }
    let first = root.signs(authority("first", BasicConstraints::Constrained(0)));
    let second = first.signs(authority("second", BasicConstraints::Unconstrained));
    let leaf = second.signs(params(HOST));
    refused("too long", tls(chain(&[&leaf, &second, &first]), key_of(&leaf)), root.roots(), "certificate");
}

/// A chain made with OpenSSL, its key, and its root.
fn stored(name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, RootCertStore) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/carrier/tls");
    let chain = CertificateDer::pem_file_iter(format!("{folder}/{name}")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/leaf.key")).unwrap();
    (chain, key, roots(CertificateDer::from_pem_file(format!("{folder}/root.pem")).unwrap()))
}

#[test]
fn signatures_that_prove_nothing() {
    for name in ["weak-key.pem", "sha1.pem"] {
        let (chain, key, roots) = stored(name);
        refused(name, tls(chain, key), roots, "certificate");
    }
    let root = Party::root();
    let leaf = root.signs(params(HOST));
    let mut der = leaf.certificate.der().to_vec();
    *der.last_mut().unwrap() ^= 1;
    refused("a flipped bit", tls(vec![der.into()], key_of(&leaf)), root.roots(), "certificate");

    let thief = root.signs(params("thief.example"));
    refused("a copied certificate", tls(chain(&[&leaf]), key_of(&thief)), root.roots(), "BadSignature");
}

/// The start of TLS 1.0 and 1.1 as a server of that time speaks it: a ServerHello with this version, and no
/// extension that takes it back.
fn old_hello(minor: u8) -> Vec<u8> {
    let hello = [&[3, minor][..], &[7; 32], &[0, 0xc0, 0x13, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    [&[22, 3, minor, 0, length + 4, 2, 0, 0, length][..], &hello].concat()
}

#[test]
fn servers_without_tls() {
    let root = Party::root();
    let cases: [(&str, Script); 7] = [
        ("TLS 1.0", |peer, _| {
            peer.send(old_hello(1));
            peer.wait();
        }),
        ("TLS 1.1", |peer, _| {
            peer.send(old_hello(2));
            peer.wait();
        }),
        ("only older versions", |peer, _| {
            peer.send([21, 3, 1, 0, 2, 2, 70]);
            peer.wait();
        }),
        ("SSL 3", |peer, _| {
            peer.send(old_hello(0));
            peer.wait();
        }),
        ("plain HTTP", |peer, _| {
            peer.answer("202 Accepted", "", accepted());
            peer.wait();
        }),
        ("HTTP that complains", |peer, _| {
            peer.answer("400 Bad Request", "", "plain HTTP only");
            peer.wait();
        }),
        ("garbage", |peer, _| {
            peer.send([0xff; 100]);
            peer.wait();
        }),
    ];
    for (name, script) in cases {
        let server = serve(script);
        let (kind, failure) = parts(send(&client(&server, root.roots()), AMPLE).0);
        assert_eq!((kind, failure.http_status), ("not taken", None), "{name}: {failure:?}");
        assert_eq!(server.seen.connections(), 1, "{name}");
    }
    let silent = serve(|peer, _| peer.wait());
    let (answer, taken) = send(&client(&silent, root.roots()), SHORT);
    assert_eq!(parts(answer).0, "not taken");
    assert!(taken >= SHORT);
    let closing = serve(|_, _| {});
    assert_eq!(parts(send(&client(&closing, root.roots()), AMPLE).0).0, "not taken");
    assert_eq!(closing.seen.connections(), 3, "nothing was sent, so it is tried again");
}

#[test]
fn an_answer_that_ends_without_notice_is_in_doubt() {
    let root = Party::root();
    let leaf = root.signs(params(HOST));
    let server = serve_tls(tls(chain(&[&leaf]), key_of(&leaf)), |peer, _| {
        peer.request();
        peer.send(format!("HTTP/1.1 202 Accepted\r\nconnection: close\r\n\r\n{}", accepted()));
    });
    assert_eq!(parts(send(&client(&server, root.roots()), AMPLE).0).0, "in doubt");
}

#[test]
fn an_inherited_session_is_not_ended() {
    let root = Party::root();
    let leaf = root.signs(params(HOST));
    let (ended, end) = std::sync::mpsc::channel();
    let ended = std::sync::Mutex::new(ended);
    let server = serve_tls(tls(chain(&[&leaf]), key_of(&leaf)), move |peer, _| {
        while peer.request().is_some() && peer.accept() {}
        ended.lock().unwrap().send(()).unwrap();
    });
    let carrier = client(&server, root.roots());
    assert_eq!(parts(send(&carrier, AMPLE).0).0, "accepted");
    crate::fork::ForkAware::in_child(&*carrier.access);
    drop(carrier);
    assert!(end.recv_timeout(std::time::Duration::from_millis(300)).is_err());
}

/// The roots of `Carrier::open` know no test authority.
#[test]
fn the_roots_of_browsers_are_the_default() {
    let root = Party::root();
    let leaf = root.signs(params("localhost"));
    let server = serve_tls(tls(chain(&[&leaf]), key_of(&leaf)), keep_accepting);
    let json = serde_json::json!({
        "apiKey": "k", "apiSecret": "s", "baseUrl": format!("https://localhost:{}", server.port),
    });
    let options = crate::strict::parse(&json.to_string(), "config", crate::error::Error::config);
    let mut options = options.ok().unwrap().object().ok().unwrap();
    let config = crate::config::CarrierConfig::read(&mut options).ok().unwrap();
    let (kind, failure) = parts(send(&Carrier::open(&config, 20_000).ok().unwrap(), AMPLE).0);
    assert_eq!((kind, server.seen.requests()), ("not taken", 0), "{failure:?}");
    assert!(failure.detail.contains("certificate"), "{failure:?}");
}
