//! Tokens: what is in them, and how many are signed.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::*;
use crate::config::PrivateKey;
use crate::outcome::Outcome;

const NOW: Time = Time::START;
const KEY: &str = include_str!("../../../../tests/data/private_key.pem");
const PKCS1_KEY: &str = include_str!("../../../../tests/data/private_key.pkcs1.pem");

fn jwt(pem: &str) -> Result<Authorization> {
    let private_key = PrivateKey::Pem(Zeroizing::new(pem.to_owned()));
    Authorization::new(&Auth::Jwt { application_id: "app-1".to_owned(), private_key })
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_token_is_what_the_carrier_documents() {
    let public = RsaKeyPair::from_pkcs8(PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap().secret_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.public().as_ref().to_vec());
    for pem in [KEY, PKCS1_KEY] {
        let header = jwt(pem).ok().unwrap().header(Time::from_ms(1_795_421_903_999)).ok().unwrap();
        let token = header.strip_prefix("Bearer ").unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        public.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let (head, claims) = message.split_once('.').unwrap();
        assert_eq!(decoded(head), json!({"alg": "RS256", "typ": "JWT"}));
        let claims = decoded(claims);
        assert_eq!((&claims["application_id"], &claims["iat"]), (&json!("app-1"), &json!(1_795_421_903)));
        assert_eq!(claims["exp"], 1_795_422_803);
        assert_eq!(claims.as_object().unwrap().len(), 4);
        check_uuid(claims["jti"].as_str().unwrap());
    }
}

fn check_uuid(uuid: &str) {
    let groups: Vec<&str> = uuid.split('-').collect();
    assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uuid}");
    assert!(uuid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')), "{uuid}");
    assert!(groups[2].starts_with('4') && groups[3].starts_with(['8', '9', 'a', 'b']), "{uuid}");
}

#[test]
fn uuids() {
    assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
    assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    let bytes = std::array::from_fn(|index| u8::try_from(index).unwrap() * 0x11);
    assert_eq!(uuid(bytes), "00112233-4455-4677-8899-aabbccddeeff");
}

#[test]
fn basic() {
    let auth = Auth::Basic { api_key: "Aladdin".to_owned(), api_secret: Zeroizing::new("open sesame".to_owned()) };
    let header = Authorization::new(&auth).ok().unwrap().header(NOW).ok().unwrap();
    // The example of RFC 7617.
    assert_eq!(**header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

#[test]
fn keys_that_are_none() {
    let missing = PrivateKey::File("/nowhere/private.key".into());
    let folder = PrivateKey::File("/".into());
    let endless = PrivateKey::File("/dev/zero".into());
    for (key, expected) in [
        (missing, "sender.privateKey: there is no file \"/nowhere/private.key\""),
        (folder, "sender.privateKey: file \"/\" is refused: it is not a regular file"),
        (endless, "sender.privateKey: file \"/dev/zero\" is refused: it is not a regular file"),
        (PrivateKey::Pem(Zeroizing::new("-----BEGIN X-----\n-----END X-----".to_owned())), "sender.privateKey: n"),
        (PrivateKey::Pem(Zeroizing::new(KEY.replace('M', "N"))), "sender.privateKey: n"),
    ] {
        let error = Authorization::new(&Auth::Jwt { application_id: "a".to_owned(), private_key: key }).err().unwrap();
        assert!(error.outcome() == Outcome::Config && error.detail().starts_with(expected), "{error}");
    }
}

/// Signs numbers, so that tokens tell which signature they are.
struct Signer(AtomicUsize);

impl Signer {
    fn sign(&self) -> Result<Zeroizing<String>> {
        Ok(Zeroizing::new(self.0.fetch_add(1, Ordering::SeqCst).to_string()))
    }

    fn get(&self, tokens: &Tokens, seconds: u64) -> String {
        tokens.get(Time::from_ms(seconds * SECOND_MS), || self.sign()).ok().unwrap().to_string()
    }
}

#[test]
fn a_token_is_signed_once_in_its_time() {
    let (tokens, signer) = (Tokens::default(), Signer(AtomicUsize::new(0)));
    for (seconds, expected) in [
        (1000, "0"),
        (1000, "0"),
        (1599, "0"),
        // Steps back of the clock, and callers who read it before the one who signed.
        (970, "0"),
        (1600, "1"),
        (1599, "1"),
        (2199, "1"),
        // A token that is too old to be sent, or from the future.
        (5000, "2"),
        (4969, "3"),
    ] {
        assert_eq!(signer.get(&tokens, seconds), expected, "{seconds}");
    }
}

#[test]
fn of_many_callers_one_signs() {
    let (tokens, signatures) = (Tokens::default(), AtomicUsize::new(0));
    let barrier = Barrier::new(64);
    for round in 1..=3 {
        let now = Time::from_ms(round * LIFETIME_MS);
        let headers = thread::scope(|scope| {
            let call = || {
                barrier.wait();
                tokens.get(now, || {
                    thread::sleep(Duration::from_millis(50));
                    signatures.fetch_add(1, Ordering::SeqCst);
                    Ok(Zeroizing::new(round.to_string()))
                })
            };
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(call)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().ok().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(signatures.load(Ordering::SeqCst) as u64, round);
        assert!(headers.iter().all(|header| ***header == round.to_string()));
    }
}

#[test]
fn nobody_waits_for_a_renewal_while_the_old_token_is_good() {
    let (tokens, signer) = (Tokens::default(), Signer(AtomicUsize::new(0)));
    signer.get(&tokens, 0);
    let renewed = tokens.get(Time::from_ms(RENEWED_MS), || {
        // Inside the signature of one caller all others are served.
        assert_eq!(signer.get(&tokens, 600), "0");
        assert_eq!(signer.get(&tokens, 839), "0");
        signer.sign()
    });
    assert_eq!(**renewed.ok().unwrap(), "1");
    assert_eq!(signer.get(&tokens, 601), "1");
}

#[test]
fn a_signature_that_fails_is_tried_again_by_the_next() {
    let (tokens, signer) = (Tokens::default(), Signer(AtomicUsize::new(0)));
    assert!(tokens.get(NOW, || Err(Error::internal("no"))).is_err());
    let panicked =
        thread::scope(|scope| scope.spawn(|| tokens.get(NOW, || panic!("on purpose")).is_ok()).join().is_err());
    assert!(panicked);
    assert_eq!(signer.get(&tokens, 0), "0");
}

#[test]
fn who_waits_learns_of_a_failure() {
    let tokens = Tokens::default();
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            tokens.get(NOW, || {
                thread::sleep(Duration::from_millis(200));
                Err(Error::internal("no"))
            })
        });
        thread::sleep(Duration::from_millis(50));
        assert_eq!(tokens.get(NOW, || Ok(Zeroizing::default())).err().unwrap().detail(), "no");
        assert!(first.join().unwrap().is_err());
    });
}

#[test]
fn a_child_does_not_wait_for_a_signature_of_its_parent() {
    let Authorization::Jwt(jwt) = jwt(KEY).ok().unwrap() else { panic!() };
    let Choice::Sign(_) = lock(&jwt.tokens.state).choose(NOW) else { panic!() };
    let authorization = Authorization::Jwt(jwt);
    authorization.in_child();
    assert!(authorization.header(NOW).ok().unwrap().starts_with("Bearer "));
}
