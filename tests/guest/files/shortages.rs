//! Descriptors, and sizes of files, that are short for a moment.

use std::fs::File;
use std::os::fd::AsRawFd;

use otp::{Error, Outcome, Service};

use super::host::{Scratch, call, config, create, limited, use_code};

/// Runs `work` with room for so many more descriptors.
fn with_descriptors<T>(more: u64, work: impl FnOnce() -> T) -> T {
    let lowest = File::open("/dev/null").unwrap().as_raw_fd() as u64;
    limited(libc::RLIMIT_NOFILE, lowest + more, work)
}

/// What a call came to.
type Call = fn(&Service, &str, &str) -> Result<Outcome, Error>;

/// Every call that touches the repository.
const CALLS: [(&str, Call); 8] = [
    ("create", |service, token, _| service.create(token, Some("{}")).map(|reply| reply.outcome)),
    ("resend", |service, token, _| service.resend(token).map(|reply| reply.outcome)),
    ("verify", |service, token, code| service.verify(token, code, None).map(|reply| reply.outcome)),
    ("cancel", |service, token, _| service.cancel(token).map(|reply| reply.outcome)),
    ("status", |service, token, _| service.status(token).map(|_| Outcome::Ok)),
    ("run_due", |service, _, _| service.run_due().map(|_| Outcome::Ok)),
    ("unlock", |service, token, _| service.unlock(token).map(|_| Outcome::Ok)),
    ("erase", |service, token, _| service.erase(token).map(|_| Outcome::Ok)),
];

#[test]
fn descriptors_that_are_short_for_a_moment_harm_nothing_afterwards() {
    let scratch = Scratch::new("descriptors");
    call(|| {
        let service = Service::open(Some(&config(&scratch.path().join("otp")))).unwrap().0;
        for more in 0..5 {
            let mut done = Vec::new();
            for (name, call) in CALLS {
                let token = format!("{name} {more}");
                let code = create(&service, &token).unwrap();
                let answer = with_descriptors(more, || call(&service, &token, &code));
                match answer {
                    Ok(outcome) => {
                        assert_eq!(outcome, Outcome::Ok, "{token}");
                        done.push(name);
                    }
                    Err(error) => assert_eq!(error.outcome(), Outcome::Store, "{token}: {error}"),
                }
                // It has passed: the same call works, and so does everything else.
                let again = call(&service, &token, &code).unwrap();
                assert!([Outcome::Ok, Outcome::Checked].contains(&again), "{token}: {again:?}");
                use_code(&service, &format!("after {token}"));
            }
            // A sweep passes over what it cannot read; it comes by again.
            assert!(more > 0 || done.iter().all(|name| *name == "run_due"), "without descriptors: {done:?}");
        }
    });
}

#[test]
fn opening_with_few_descriptors_is_a_store_error() {
    for kind in ["json", "sqlite"] {
        let scratch = Scratch::new("opening");
        let repository = format!("{kind}:{}/otp", scratch.path().display());
        call(|| {
            let config = format!(r#"{{"repository":"{repository}","sender":{{"type":"console"}}}}"#);
            let mut opened = false;
            for more in 0..20 {
                match with_descriptors(more, || Service::open(Some(&config))) {
                    Ok(_) => opened = true,
                    Err(error) => assert_eq!(error.outcome(), Outcome::Store, "{more}: {error}"),
                }
                assert!(more > 0 || !opened, "without descriptors it cannot be opened");
            }
            assert!(opened);
            let config = config.replace("console", "none");
            use_code(&Service::open(Some(&config)).unwrap().0, "token");
        });
    }
}

#[test]
fn a_largest_size_for_files_is_a_store_error_and_passes() {
    let scratch = Scratch::new("sizes");
    call(|| {
        // SAFETY: the default, which ends the process.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
        let config = config(&scratch.path().join("otp"));
        let open = || Service::open(Some(&config));
        let error = limited(libc::RLIMIT_FSIZE, 10, open).err().expect("nothing can be written");
        assert_eq!(error.outcome(), Outcome::Store, "{error}");
        let service = open().unwrap().0;
        let code = create(&service, "token").unwrap();
        for (name, call) in CALLS.iter().filter(|(name, _)| matches!(*name, "create" | "verify" | "cancel")) {
            let answer = limited(libc::RLIMIT_FSIZE, 10, || call(&service, "token", &code));
            assert_eq!(answer.map_err(|error| error.outcome()), Err(Outcome::Store), "{name}");
        }
        assert_eq!(service.verify("token", &code, None).unwrap().outcome, Outcome::Ok);

        let key = scratch.path().join("key");
        let config = format!(r#"{{"repository":"memory:","keyFile":"{}"}}"#, key.display());
        let open = || Service::open(Some(&config));
        let error = limited(libc::RLIMIT_FSIZE, 10, open).err().expect("the key cannot be written");
        assert_eq!(error.outcome(), Outcome::Store, "{error}");
        assert!(!key.exists());
        open().unwrap();
    });
}
