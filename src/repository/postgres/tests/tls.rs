//! Real TLS, with certificates made for the test.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Has the server use a certificate with these names.
fn certify(server: &mut Postgres, authority: &CertifiedIssuer<'static, KeyPair>, names: &[&str]) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, authority).unwrap();
    server.write("data/server.crt", &pem("CERTIFICATE", certificate.der()));
    server.write("data/server.key", &pem("PRIVATE KEY", &key.serialize_der()));
    server.set("ssl=on");
    server.stop();
    server.restart();
}

#[test]
fn tls_trusts_the_given_authorities_and_the_right_name_alone() {
    let mut server = server!();
    let (ours, other) = (authority(), authority());
    certify(&mut server, &ours, &["127.0.0.1"]);
    let [ours_file, other_file] = [("ours", &ours), ("other", &other)].map(|(name, authority)| {
        server.write(name, &pem("CERTIFICATE", authority.der()));
        server.folder().join(name).to_str().unwrap().to_owned()
    });
    let url = format!("{}?sslmode=verify-full", server.url("postgres"));
    let with = |file: &str| service_with(&url, &format!(r#"{LOOSE},"caFile":"{file}""#));
    let service = with(&ours_file).unwrap();
    let code = create(&service, "t").unwrap();
    assert_eq!(outcome(&service, "t", &code), Outcome::Ok);
    assert_eq!(server.query("SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'libotp'"), "t");
    // Connections of TLS are forgotten as well.
    let told = with(&other_file).err().unwrap();
    assert!(told.outcome() == Outcome::Store && told.detail().contains("certificate"), "{told}");
    let told = service_with(&url, "").err().unwrap();
    assert!(matches!(told.outcome(), Outcome::Store | Outcome::Config), "the platform's authorities: {told}");
    for file in ["/nowhere", server.folder().join("log").to_str().unwrap()] {
        assert_eq!(with(file).err().unwrap().outcome(), Outcome::Config);
    }
    let named = url.replace("127.0.0.1", "localhost");
    let told = service_with(&named, &format!(r#","caFile":"{ours_file}""#)).err().unwrap();
    assert!(told.outcome() == Outcome::Store && told.detail().contains("certificate"), "{told}");
    certify(&mut server, &ours, &["localhost"]);
    let by_name = service_with(&named, &format!(r#"{LOOSE},"caFile":"{ours_file}""#)).unwrap();
    assert_eq!(outcome(&by_name, "t", &code), Outcome::Checked);
    let told = outcome(&service, "t", &code);
    assert_eq!(told, Outcome::Store, "its name is another now");
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_asked_for() {
    let server = server!();
    let told = service_with(&format!("{}?sslmode=verify-full", server.url("postgres")), "").err().unwrap();
    assert!(matches!(told.outcome(), Outcome::Store | Outcome::Config), "{told}");
    let log = server.log();
    assert!(!log.contains("libotp") && !log.contains("tester"), "nobody said who they are: {log}");
}
