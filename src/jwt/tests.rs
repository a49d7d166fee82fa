use std::process::Command;

use jsonwebtoken::crypto::CryptoProvider;
use serde_json::{Value, json};

use super::*;

const PKCS8: &[u8] = include_bytes!("../../tests/data/private_key.pem");
const PKCS1: &[u8] = include_bytes!("../../tests/data/private_key.pkcs1.pem");
const PUBLIC: &[u8] = include_bytes!("../../tests/data/public_key.pem");

fn claims() -> Value {
    json!({"application_id": "a", "iat": 1})
}

/// The public half as PKCS#1, which is what the bit string of a SubjectPublicKeyInfo holds.
fn public_key() -> Vec<u8> {
    let info = rustls_pki_types::SubjectPublicKeyInfoDer::from_pem_slice(PUBLIC).unwrap();
    let (_algorithm, key) = read_der(read_der(&info).unwrap().0).unwrap();
    read_der(key).unwrap().0[1..].to_vec()
}

fn is_rs256(token: &str) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key());
    public.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok()
}

#[test]
fn rs256() {
    let token = sign_rs256(&SigningKey::from_pem(PKCS8).ok().unwrap(), &claims()).unwrap();
    assert!(is_rs256(&token));
    assert!(!is_rs256(&token.replacen("ey", "ez", 1)));
    let parts: Vec<_> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    assert_eq!(serde_json::from_slice::<Value>(&parts[0]).unwrap(), json!({"alg": "RS256", "typ": "JWT"}));
    assert_eq!(serde_json::from_slice::<Value>(&parts[1]).unwrap(), claims());
    // One key in two forms, and a signature without chance.
    assert_eq!(sign_rs256(&SigningKey::from_pem(PKCS1).ok().unwrap(), &claims()).unwrap(), token);
}

/// What `openssl dgst -sha256 -sign` makes of the same key and message.
#[test]
fn rs256_as_openssl_does_it() {
    const SIGNATURE: &str = concat!(
        "RA69K8Y9xBWPFDeHj00wfs5_nrl6fG5JNawG_0-KUGvJBywPp967Od6bfDXGvXxbBlRKkMflJjbdmx6dWpmLxZFxbHuFbSjU8QwfwpU3WGLG",
        "sIE0OfML3M6YhZap1E-0Z20deiMRZhpUwyGY0VKkXrxxtMS_IufocNpbqEb8vlbYAgb4CTwIpWUQfhAt9imw87JbNXV-61Wl5eSsBKofEOdy",
        "MV4pB5IPHm2n3qulLlGq_a6b3LI49EY15M23LXzD1FQIdMPJaim-i_OmeaseqrjHLecsqjdfQSRPZhLWtxz7jRvdnd2PGMQlqi947NOn6m3z",
        "GhCedB2JQ-OhfjpcyQ"
    );
    let key = SigningKey::from_pem(PKCS8).ok().unwrap();
    let signature = crypto::sign(b"eyJhbGciOiJSUzI1NiJ9.e30", &key.0, Algorithm::RS256);
    assert_eq!(signature.unwrap(), SIGNATURE);
}

#[test]
fn keys_that_are_none() {
    let text = String::from_utf8(PKCS8.to_vec()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cut = [&lines[..5], &lines[lines.len() - 1..]].concat().join("\n");
    let encrypted = text.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let garbled = text.replacen(lines[1], &format!("!{}", &lines[1][1..]), 1);
    let renamed = text.replace("PRIVATE", "RSA PRIVATE");
    let elliptic = "-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n";
    let empty = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let public = String::from_utf8(PUBLIC.to_vec()).unwrap();
    for (pem, expected) in [
        ("", "privateKey: no unencrypted private key in PEM"),
        ("private.key", "privateKey: no unencrypted private key in PEM"),
        (lines[1], "privateKey: no unencrypted private key in PEM"),
        (&encrypted, "privateKey: no unencrypted private key in PEM"),
        (&garbled, "privateKey: no unencrypted private key in PEM"),
        (&public, "privateKey: no unencrypted private key in PEM"),
        (elliptic, "privateKey: not an RSA key"),
        (empty, "privateKey: not a usable RSA key: "),
        (&cut, "privateKey: not a usable RSA key: "),
        (&renamed, "privateKey: not a usable RSA key: "),
    ] {
        let error = SigningKey::from_pem(pem.as_bytes()).err().unwrap();
        assert_eq!(error.outcome(), crate::outcome::Outcome::Config);
        assert!(error.detail().starts_with(expected), "{error}");
        assert!(!lines[1..lines.len() - 1].iter().any(|line| error.detail().contains(&line[..16])), "{error}");
    }
}

#[test]
fn der_is_read_within_its_bounds() {
    assert_eq!(read_der(&[2, 1, 7, 9]), Some((&[7][..], &[9][..])));
    assert_eq!(read_der(&[4, 0x81, 2, 7, 8]), Some((&[7, 8][..], &[][..])));
    assert_eq!(read_der(&[4, 0x82, 0, 1, 7]), Some((&[7][..], &[][..])));
    for der in [&[][..], &[2], &[2, 1], &[2, 2, 7], &[4, 0x81], &[4, 0x82, 1], &[4, 0x84, 255, 255, 255, 255, 0]] {
        assert_eq!(read_der(der), None, "{der:?}");
    }
    // A length of nine bytes, of which a machine word would keep the last eight: 1.
    assert_eq!(read_der(&[4, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7]), None);
}

#[test]
fn other_algorithms_are_refused_and_nothing_panics() {
    assert!(install());
    let secret = EncodingKey::from_secret(b"secret");
    for algorithm in [Algorithm::HS384, Algorithm::HS512, Algorithm::ES256, Algorithm::PS256, Algorithm::EdDSA] {
        assert!(crypto::sign(PROBE, &secret, algorithm).is_err());
        assert!(crypto::verify("", PROBE, &DecodingKey::from_secret(b"secret"), algorithm).is_err());
    }
    assert!(crypto::sign(PROBE, &secret, Algorithm::RS256).is_err());
    assert!(crypto::verify("", PROBE, &DecodingKey::from_rsa_raw_components(b"n", b"e"), Algorithm::HS256).is_err());
    assert!((PROVIDER.key_utils.rsa_pub_components_from_private_key)(&[]).is_err());
    assert!((PROVIDER.key_utils.rsa_pub_components_from_public_key)(&[]).is_err());
    assert!((PROVIDER.key_utils.ec_pub_components_from_private_key)(&[], Algorithm::ES256).is_err());
    let curve = jsonwebtoken::jwk::EllipticCurve::Ed25519;
    assert!((PROVIDER.key_utils.ed_pub_components_from_private_key)(&[], &curve).is_err());
    assert!((PROVIDER.key_utils.compute_digest)(&[], jsonwebtoken::jwk::ThumbprintHash::SHA256).is_err());
}

/// Providers that a host may have set before: each needs a process of its own.
#[test]
fn the_host_keeps_its_provider() {
    for host in ["good", "none", "failing", "panicking", "gullible"] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "jwt::tests::in_a_host", "--ignored", "--test-threads=1"])
            .env("OTP_TEST_HOST", host)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success() && output.contains("1 passed"), "{host}: {output}");
    }
}

struct Gullible(bool);

impl Verifier<Vec<u8>> for Gullible {
    fn verify(&self, _: &[u8], _: &Vec<u8>) -> std::result::Result<(), Rejected> {
        assert!(self.0, "a provider that panics");
        Ok(())
    }
}

impl Signer<Vec<u8>> for Gullible {
    fn try_sign(&self, _: &[u8]) -> std::result::Result<Vec<u8>, Rejected> {
        assert!(self.0, "a provider that panics");
        Ok(vec![0; 256])
    }
}

impl JwtVerifier for Gullible {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtSigner for Gullible {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

#[test]
#[ignore = "run by the_host_keeps_its_provider"]
fn in_a_host() {
    let Ok(host) = std::env::var("OTP_TEST_HOST") else { return };
    let key_utils = KeyUtils::new_unimplemented();
    let provider = match host.as_str() {
        "good" => PROVIDER.clone(),
        "failing" => CryptoProvider {
            signer_factory: |_, _| Err(unsupported()),
            verifier_factory: |_, _| Err(unsupported()),
            key_utils,
        },
        "panicking" => CryptoProvider {
            signer_factory: |_, _| Ok(Box::new(Gullible(false))),
            verifier_factory: |_, _| Ok(Box::new(Gullible(false))),
            key_utils,
        },
        // Takes and makes any signature.
        "gullible" => CryptoProvider {
            signer_factory: |_, _| Ok(Box::new(Gullible(true))),
            verifier_factory: |_, _| Ok(Box::new(Gullible(true))),
            key_utils,
        },
        // It called jsonwebtoken without any: from then on that panics.
        _ => {
            let sign = || crypto::sign(PROBE, &EncodingKey::from_secret(b"s"), Algorithm::HS256);
            assert!(catch_unwind(AssertUnwindSafe(sign)).is_err());
            PROVIDER.clone()
        }
    };
    let provider: &'static CryptoProvider = Box::leak(Box::new(provider));
    assert_eq!(provider.install_default().is_ok(), host != "none");
    assert!(!install());
    let (verifying, signing) = (VerifyingKey::from_secret(b"secret"), SigningKey::from_pem(PKCS8));
    if host == "good" {
        assert!(verifying.is_ok());
        assert!(is_rs256(&sign_rs256(&signing.ok().unwrap(), &claims()).unwrap()));
        return;
    }
    for (error, algorithm) in [(verifying.err(), "HS256"), (signing.err(), "RS256")] {
        let expected = format!("jsonwebtoken: the crypto provider of this process cannot do {algorithm}");
        assert_eq!(error.unwrap(), Error::config(expected));
    }
}
