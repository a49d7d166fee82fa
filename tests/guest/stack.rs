//! A thread with 64 KiB of stack may call everything, as the header promises: with every repository, over HTTP, and
//! with a TLS handshake that fails, which needs the most.

use std::ffi::{CStr, CString, c_char};
use std::net::{Ipv4Addr, TcpListener};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use otp::ffi::codes::*;
use otp::ffi::helpers::*;
use otp::ffi::library::*;
use otp::ffi::requests::*;
use otp::ffi::results::*;
use otp::ffi::upkeep::*;
use testing::carrier::{BOTH, Carrier, PRIVATE_KEY, report, uuid};
use testing::postgres::Postgres;
use testing::redis::Server;
use testing::{Folder, Watchdog};

const STACK_BYTES: usize = 64 * 1024;

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

/// A service, called by the C interface. Its reply is not on the stack.
struct Caller {
    service: *mut otp_service,
    reply: Vec<c_char>,
}

impl Caller {
    fn open(config: &str) -> Self {
        let (config, mut reply, mut service) = (CString::new(config).unwrap(), vec![0; OTP_REPLY_SIZE], null_mut());
        // SAFETY: as the header asks.
        let result = unsafe { otp_open(config.as_ptr(), &raw mut service, reply.as_mut_ptr(), reply.len()) };
        let caller = Self { service, reply };
        assert_eq!(result, OTP_OK, "{}", caller.text());
        caller
    }

    fn text(&self) -> String {
        // SAFETY: replies end with NUL.
        unsafe { CStr::from_ptr(self.reply.as_ptr()) }.to_str().unwrap().to_owned()
    }

    fn call(&mut self, function: impl FnOnce(*mut otp_service, *mut c_char, usize) -> otp_result) -> otp_result {
        function(self.service, self.reply.as_mut_ptr(), self.reply.len())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // SAFETY: as the header asks.
        unsafe { otp_close(self.service) };
    }
}

/// Runs it on such a thread.
fn with_small_stack(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap();
}

/// All that can be done with a code, and what it comes to. `elsewhere` is where the repository is copied to.
fn call_everything(config: &str, elsewhere: &str, created: otp_result) {
    let mut caller = Caller::open(config);
    let (token, wrong, subject) = (c"token".as_ptr(), c"000000 0".as_ptr(), c"+39 333 123 4567".as_ptr());
    let mut request = vec![0; 1024];
    // SAFETY: as the header asks.
    unsafe {
        for (name, text) in [(c"phoneNumber", c"+39 333 123 4567"), (c"messengerId", c"8192836451")] {
            assert_eq!(otp_request_text(request.as_mut_ptr(), request.len(), name.as_ptr(), text.as_ptr()), OTP_OK);
        }
        assert_eq!(otp_request_param(request.as_mut_ptr(), request.len(), c"a".as_ptr(), c"b".as_ptr()), OTP_OK);
        let request = request.as_ptr();
        assert_eq!(caller.call(|s, r, n| otp_create(s, token, request, r, n)), created, "{}", caller.text());
        let _ = otp_reply_integer(caller.reply.as_ptr(), c"attemptsLeft".as_ptr(), 0);
        let _ = caller.call(|s, r, n| otp_resend(s, token, r, n));
        let _ = caller.call(|s, r, n| otp_resend_channel(s, token, c"sms".as_ptr(), r, n));
        let _ = caller.call(|s, r, n| otp_not_sent(s, token, r, n));
        let _ = caller.call(|s, r, n| otp_verify_context(s, token, wrong, c"context".as_ptr(), r, n));
        assert!(caller.call(|s, r, n| otp_verify(s, token, wrong, r, n)) > 0, "{}", caller.text());
        assert_eq!(caller.call(|s, r, n| otp_status(s, token, r, n)), OTP_OK, "{}", caller.text());
        assert_eq!(caller.call(|s, r, n| otp_subject(s, subject, r, n)), OTP_OK, "{}", caller.text());
        let _ = caller.call(|s, r, n| otp_webhook(s, null(), c"{}".as_ptr(), 2, r, n));
        let report = c"{\"clientRef\":\"nobody\",\"status\":\"read\"}".as_ptr();
        assert_eq!(caller.call(|s, r, n| otp_report(s, report, r, n)), OTP_OK, "{}", caller.text());
        assert_eq!(caller.call(|s, r, n| otp_run_due(s, r, n)), OTP_OK, "{}", caller.text());
        let _ = caller.call(|s, r, n| otp_cancel(s, token, r, n));
        assert_eq!(caller.call(|s, r, n| otp_unlock(s, subject, r, n)), OTP_OK, "{}", caller.text());
        assert_eq!(caller.call(|s, r, n| otp_erase(s, subject, r, n)), OTP_OK, "{}", caller.text());
        assert_eq!(caller.call(|s, r, n| otp_metrics(s, r, n)), OTP_OK, "{}", caller.text());
        let elsewhere = CString::new(elsewhere).unwrap();
        let copied = caller.call(|s, r, n| otp_copy(s, elsewhere.as_ptr(), c"{\"move\":true}".as_ptr(), r, n));
        assert_eq!(copied, OTP_OK, "{}", caller.text());
    }
}

#[test]
fn every_repository() {
    let _watchdog = Watchdog::new("stack::every_repository", 60);
    let folder = Folder::new("stack");
    let (redis, postgres) = (Server::try_start(&[]), Postgres::start(&[]));
    let files = ["sqlite", "json", "memory"].map(|kind| folder.repository(kind));
    // By names, for which the system wants more of a stack than there is.
    let servers = [redis.as_ref().map(Server::url), postgres.as_ref().map(|server| server.url("postgres"))];
    let servers = servers.map(|url| url.map(|url| url.replace("127.0.0.1", "localhost")));
    for (number, repository) in files.into_iter().chain(servers.into_iter().flatten()).enumerate() {
        let config = format!(r#"{{"repository":"{repository}","key":"{KEY}","sender":{{"type":"none"}}}}"#);
        let elsewhere = format!("sqlite:{}/copy{number}.db", folder.path().display());
        with_small_stack(move || call_everything(&config, &elsewhere, OTP_OK));
    }
    let wrong = r#"{"sender":{"type":"messages","applicationId":"a","privateKey":"/nowhere"}}"#;
    with_small_stack(move || {
        let config = CString::new(wrong).unwrap();
        let (mut service, mut reply) = (null_mut(), vec![0; OTP_REPLY_SIZE]);
        // SAFETY: as the header asks.
        let result = unsafe { otp_open(config.as_ptr(), &raw mut service, reply.as_mut_ptr(), reply.len()) };
        assert_eq!(result, OTP_E_CONFIG);
    });
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A signed token, HTTP, a report, and a timed step.
#[test]
fn over_http() {
    let _watchdog = Watchdog::new("stack::over_http", 60);
    let (carrier, folder) = (Carrier::with_clock(Arc::new(now_ms)), Folder::new("stack-http"));
    let key = PRIVATE_KEY.replace('\n', "\\n");
    let jwt = format!(r#""applicationId":"{}","privateKey":"{key}""#, testing::carrier::APPLICATION);
    let config = carrier.config(&folder.repository("sqlite"), "").replace(r#""apiKey":"k","apiSecret":"s""#, &jwt);
    let elsewhere = format!("json:{}/copy", folder.path().display());
    let other = config.replace("otp.db", "other.db");
    with_small_stack(move || {
        call_everything(&other, &elsewhere, OTP_OK);
        let mut caller = Caller::open(&config);
        let request = CString::new(BOTH).unwrap();
        // SAFETY: as the header asks.
        unsafe {
            let create = |s, r, n| otp_create(s, c"reported".as_ptr(), request.as_ptr(), r, n);
            assert_eq!(caller.call(create), OTP_OK, "{}", caller.text());
            let messages = carrier.seen_from(0);
            let (header, body) = report(messages.last().unwrap(), &uuid(messages.len()), "rejected", now_ms());
            let (header, size, body) = (CString::new(header).unwrap(), body.len(), CString::new(body).unwrap());
            let hear = |s, r, n| otp_webhook(s, header.as_ptr(), body.as_ptr(), size, r, n);
            assert_eq!(caller.call(hear), OTP_OK, "{}", caller.text());
        }
        assert_eq!(carrier.channels().last().unwrap(), "sms", "the report was followed");
    });
}

/// A carrier with a certificate that nobody has signed: all of a handshake, and none of a request.
#[test]
fn with_a_handshake_that_fails() {
    let _watchdog = Watchdog::new("stack::with_a_handshake_that_fails", 60);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap());
        for stream in listener.incoming() {
            let (mut stream, mut tls) = (stream.unwrap(), rustls::ServerConnection::new(config.clone()).unwrap());
            let _ = tls.complete_io(&mut stream);
        }
    });
    let folder = Folder::new("stack-tls");
    let config = format!(
        r#"{{"repository":"{}","policy":{{"cooldownSeconds":0}},"sender":{{"type":"messages","apiKey":"k","apiSecret":"s",
        "timeoutSeconds":3,"baseUrl":"https://localhost:{port}"}},"workflow":[{{"channel":"messenger","from":"1"}},
        {{"channel":"sms"}}]}}"#,
        folder.repository("sqlite")
    );
    let elsewhere = format!("json:{}/copy", folder.path().display());
    with_small_stack(move || call_everything(&config, &elsewhere, OTP_E_SEND));
}
