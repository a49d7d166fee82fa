//! What the C interface costs on top of the library.

use std::ffi::{CString, c_char};
use std::ptr;
use std::time::Instant;

use otp::Outcome;
use otp::ffi::codes::otp_verify;
use otp::ffi::library::{otp_close, otp_open};

use crate::Size;
use crate::load::open_with;
use crate::table::{Row, Samples, Table, Target};

pub fn measure(table: &mut Table, size: Size) {
    let service = open_with("memory:", "full", "none", 5);
    let config = CString::new(r#"{"repository": "memory:", "sender": {"type": "none"}}"#).expect("text");
    let mut handle = ptr::null_mut();
    // SAFETY: the configuration ends with NUL, the handle can be written, and there is no reply.
    let opened = unsafe { otp_open(config.as_ptr(), &mut handle, ptr::null_mut(), 0) };
    assert_eq!(opened, 0);
    let (token, code) = (c"nobody", c"123456");
    let mut reply = [0 as c_char; 4096];
    let mut call = |room: bool| {
        let (text, bytes) = if room { (reply.as_mut_ptr(), reply.len()) } else { (ptr::null_mut(), 0) };
        // SAFETY: the handle is open, the texts end with NUL, and the reply has room or is NULL.
        let result = unsafe { otp_verify(handle, token.as_ptr(), code.as_ptr(), text, bytes) };
        assert_eq!(result, 1);
    };
    let (mut rust, mut bare, mut full) = (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..size.rounds {
        rust.push(nanoseconds(size, || {
            let reply = service.verify("nobody", "123456", None).expect("a verify");
            assert_eq!(reply.outcome, Outcome::NotValid);
        }));
        bare.push(nanoseconds(size, || call(false)));
        full.push(nanoseconds(size, || call(true)));
    }
    // SAFETY: opened above, and not used again.
    unsafe { otp_close(handle) };
    table.heading("The border to C: verify of an unknown token, memory:, 1 thread");
    table.value("Service::verify", &rust, "ns", Target::None);
    for (name, samples) in [("otp_verify, reply NULL", bare), ("otp_verify, with a reply", full)] {
        let ratio = samples.over(&rust);
        table.row(&Row::new(name, &samples, "ns").over(&ratio, "times", "border/Service::verify"));
    }
}

fn nanoseconds(size: Size, mut call: impl FnMut()) -> f64 {
    let calls = 200 * size.cell_ms;
    let begun = Instant::now();
    (0..calls).for_each(|_| call());
    begun.elapsed().as_secs_f64() * 1e9 / calls as f64
}
