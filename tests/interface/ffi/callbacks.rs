//! Callbacks: dropped exactly once, free to call the library again, to close the service, and to fork.

use super::*;

/// What a callback is given: how it is to behave, and what has become of it.
#[derive(Default)]
struct Data {
    service: AtomicPtr<otp_service>,
    answer: AtomicI32,
    calls: AtomicUsize,
    drops: AtomicUsize,
    /// Closes the service inside the callback.
    closes: AtomicI32,
    /// Waits inside the callback until this is 0.
    held: AtomicI32,
}

impl Data {
    fn pointer(&self) -> *mut c_void {
        (&raw const *self).cast_mut().cast()
    }

    fn drops(&self) -> usize {
        self.drops.load(SeqCst)
    }

    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    /// What every callback of these tests does.
    fn run(&self) {
        self.calls.fetch_add(1, SeqCst);
        let service = self.service.load(SeqCst);
        if self.closes.load(SeqCst) != 0 {
            unsafe { otp_close(service) };
            assert_eq!(unsafe { otp_status(service, c"t".as_ptr(), null_mut(), 0) }, OTP_E_ARGUMENT);
            assert_eq!(self.drops(), 0, "freed under a call that runs");
        }
        while self.held.load(SeqCst) != 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

unsafe extern "C" fn on_send(data: *mut c_void, message: *const c_char) -> i32 {
    let data = unsafe { &*data.cast::<Data>() };
    let text = unsafe { CStr::from_ptr(message) }.to_str().unwrap();
    let message: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!((&message["to"], &message["from"].is_string()), (&"393331234567".into(), &true));
    assert!(message["text"].as_str().unwrap().contains(message["code"].as_str().unwrap()));
    data.run();
    data.answer.load(SeqCst)
}

unsafe extern "C" fn on_log(data: *mut c_void, level: i32, event: *const c_char) {
    assert!((OTP_LOG_ERROR..=OTP_LOG_DEBUG).contains(&level));
    let event = unsafe { CStr::from_ptr(event) }.to_str().unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(event).unwrap().is_object());
    unsafe { &*data.cast::<Data>() }.run();
}

unsafe extern "C" fn on_clock(data: *mut c_void) -> i64 {
    unsafe { &*data.cast::<Data>() }.run();
    1_700_000_000_000
}

unsafe extern "C" fn on_drop(data: *mut c_void) {
    let data = unsafe { &*data.cast::<Data>() };
    data.drops.fetch_add(1, SeqCst);
    // A call and a close are harmless here too.
    let service = data.service.load(SeqCst);
    let _ = unsafe { otp_status(service, c"t".as_ptr(), null_mut(), 0) };
}

fn create(service: Service) -> otp_result {
    unsafe { otp_create(service, c"t".as_ptr(), PHONE.as_ptr(), null_mut(), 0) }
}

/// A setter with or without a function, at a level that counts for the log alone.
type Setter = fn(Service, bool, &Data) -> otp_result;

const SETTERS: [Setter; 3] = unsafe {
    [
        |s, set, data| otp_on_send(s, if set { Some(on_send) } else { None }, data.pointer(), Some(on_drop)),
        |s, set, data| otp_on_log(s, 4, if set { Some(on_log) } else { None }, data.pointer(), Some(on_drop)),
        |s, set, data| otp_on_clock(s, if set { Some(on_clock) } else { None }, data.pointer(), Some(on_drop)),
    ]
};

#[test]
fn user_data_is_dropped_exactly_once() {
    for set in SETTERS {
        let service = open("host");
        let [first, second, removing, refused] = [(); 4].map(|()| Data::default());
        assert_eq!(set(service, true, &first), OTP_OK);
        assert_eq!(first.drops(), 0);
        assert_eq!(set(service, true, &second), OTP_OK);
        assert_eq!((first.drops(), second.drops()), (1, 0));
        assert_eq!(set(service, false, &removing), OTP_OK);
        assert_eq!((second.drops(), removing.drops()), (1, 1));
        let last = Data::default();
        assert_eq!(set(service, true, &last), OTP_OK);
        unsafe { otp_close(service) };
        assert_eq!(last.drops(), 1);
        for service in [null_mut(), service] {
            assert_eq!(set(service, true, &refused), OTP_E_ARGUMENT);
        }
        assert_eq!((first.drops(), second.drops(), removing.drops(), last.drops(), refused.drops()), (1, 1, 1, 1, 2));
    }
}

#[test]
fn a_setter_that_fails_drops_and_keeps_the_older_callback() {
    let (host, none) = (open("host"), open("none"));
    let [kept, level, unsupported] = [(); 3].map(|()| Data::default());
    assert_eq!(SETTERS[1](host, true, &kept), OTP_OK);
    unsafe {
        for max_level in [-1, 5, i32::MIN, i32::MAX] {
            assert_eq!(otp_on_log(host, max_level, Some(on_log), level.pointer(), Some(on_drop)), OTP_E_ARGUMENT);
        }
        assert_eq!((level.drops(), kept.drops()), (4, 0));
        assert_eq!(otp_on_send(none, Some(on_send), unsupported.pointer(), Some(on_drop)), OTP_E_UNSUPPORTED);
        assert_eq!(unsupported.drops(), 1);
        // Without a drop function there is nothing to call.
        assert_eq!(otp_on_clock(host, Some(on_clock), kept.pointer(), None), OTP_OK);
        otp_close(host);
        otp_close(none);
    }
    assert_eq!(kept.drops(), 1);
}

#[test]
fn one_is_sent_two_is_not_and_the_rest_is_in_doubt() {
    let service = open("host");
    assert_eq!(create(service), OTP_E_UNSUPPORTED, "no function yet");
    let data = Data::default();
    assert_eq!(SETTERS[0](service, true, &data), OTP_OK);
    for (answer, result) in
        [(1, OTP_OK), (2, OTP_E_SEND), (0, OTP_E_IN_DOUBT), (3, OTP_E_IN_DOUBT), (-1, OTP_E_IN_DOUBT)]
    {
        data.answer.store(answer, SeqCst);
        assert_eq!(create(service), result, "{answer}");
    }
    assert!(data.calls() >= 5);
    unsafe { otp_close(service) };
}

#[test]
fn callbacks_call_the_library_again() {
    unsafe extern "C" fn again(data: *mut c_void) -> i64 {
        let data = unsafe { &*data.cast::<Data>() };
        if data.calls.fetch_add(1, SeqCst) < 3 {
            let service = data.service.load(SeqCst);
            assert_eq!(unsafe { otp_verify(service, c"t".as_ptr(), c"1".as_ptr(), null_mut(), 0) }, OTP_NOT_VALID);
        }
        1_700_000_000_000
    }
    let (service, data) = (open("none"), Data::default());
    data.service.store(service, SeqCst);
    assert_eq!(unsafe { otp_on_clock(service, Some(again), data.pointer(), Some(on_drop)) }, OTP_OK);
    assert_eq!(unsafe { otp_verify(service, c"t".as_ptr(), c"1".as_ptr(), null_mut(), 0) }, OTP_NOT_VALID);
    assert!(data.calls() > 1);
    unsafe { otp_close(service) };
    assert_eq!(data.drops(), 1);
}

#[test]
fn closed_inside_a_callback_it_is_freed_when_the_call_returns() {
    for set in SETTERS {
        let (service, sends, data) = (open("host"), Data::default(), Data::default());
        sends.answer.store(1, SeqCst);
        assert_eq!(SETTERS[0](service, true, &sends), OTP_OK);
        data.answer.store(1, SeqCst);
        data.service.store(service, SeqCst);
        assert_eq!(set(service, true, &data), OTP_OK);
        data.closes.store(1, SeqCst);
        let _ = create(service);
        assert!(data.calls() > 0);
        assert_eq!((data.drops(), create(service)), (1, OTP_E_ARGUMENT));
    }
}

#[test]
fn closed_inside_a_callback_it_is_freed_by_the_last_call() {
    let (service, data) = (open("host"), Data::default());
    data.answer.store(1, SeqCst);
    data.service.store(service, SeqCst);
    data.held.store(1, SeqCst);
    assert_eq!(SETTERS[0](service, true, &data), OTP_OK);
    let address = service.addr();
    std::thread::scope(|scope| {
        let other = scope.spawn(move || create(std::ptr::without_provenance_mut(address)));
        while data.calls() == 0 {
            std::thread::yield_now();
        }
        let closing = Data::default();
        closing.service.store(service, SeqCst);
        closing.closes.store(1, SeqCst);
        assert_eq!(SETTERS[2](service, true, &closing), OTP_OK);
        let _ = unsafe { otp_verify(service, c"t".as_ptr(), c"1".as_ptr(), null_mut(), 0) };
        assert_eq!((closing.calls() > 0, closing.drops(), data.drops()), (true, 0, 0));
        data.held.store(0, SeqCst);
        other.join().unwrap();
        assert_eq!((closing.drops(), data.drops()), (1, 1));
    });
}

#[test]
fn close_waits_for_calls_of_other_threads() {
    let (service, data) = (open("host"), Data::default());
    data.answer.store(1, SeqCst);
    data.held.store(1, SeqCst);
    assert_eq!(SETTERS[0](service, true, &data), OTP_OK);
    let address = service.addr();
    let closed = AtomicI32::new(0);
    std::thread::scope(|scope| {
        let caller = scope.spawn(move || create(std::ptr::without_provenance_mut(address)));
        while data.calls() == 0 {
            std::thread::yield_now();
        }
        scope.spawn(|| {
            unsafe { otp_close(std::ptr::without_provenance_mut(address)) };
            closed.store(1, SeqCst);
            assert_eq!(data.drops(), 1);
        });
        while unsafe { otp_status(service, c"t".as_ptr(), null_mut(), 0) } != OTP_E_ARGUMENT {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(250));
        assert_eq!((closed.load(SeqCst), data.drops()), (0, 0));
        data.held.store(0, SeqCst);
        assert_eq!(caller.join().unwrap(), OTP_OK);
    });
    assert_eq!(closed.load(SeqCst), 1);
}

#[test]
fn threads_may_race_to_close() {
    for _ in 0..200 {
        let (service, data) = (open("host"), Data::default());
        data.answer.store(1, SeqCst);
        assert_eq!(SETTERS[0](service, true, &data), OTP_OK);
        let address = service.addr();
        std::thread::scope(|scope| {
            for closes in [false, false, true, true] {
                scope.spawn(move || {
                    let service = std::ptr::without_provenance_mut(address);
                    if closes {
                        unsafe { otp_close(service) };
                    }
                    assert!([OTP_OK, OTP_E_ARGUMENT, OTP_CANCELLED].contains(&create(service)));
                });
            }
        });
        assert_eq!(data.drops(), 1);
    }
}

/// What a child does inside a callback, beside a call of another thread that ended with the fork: it closes, and the
/// close takes effect when its own call returns.
#[test]
fn a_forked_child_counts_its_own_calls_alone() {
    unsafe extern "C" fn fork_here(data: *mut c_void) -> i64 {
        let data = unsafe { &*data.cast::<Data>() };
        if data.calls.fetch_add(1, SeqCst) == 0 {
            let child = unsafe { libc::fork() };
            data.answer.store(child, SeqCst);
            if child == 0 {
                unsafe {
                    // Ends a child that hangs.
                    libc::alarm(20);
                    otp_close(data.service.load(SeqCst));
                }
            }
        }
        1_700_000_000_000
    }
    let (service, held, forking) = (open("host"), Data::default(), Data::default());
    held.held.store(1, SeqCst);
    forking.service.store(service, SeqCst);
    forking.answer.store(-1, SeqCst);
    assert_eq!(SETTERS[0](service, true, &held), OTP_OK);
    let address = service.addr();
    std::thread::scope(|scope| {
        scope.spawn(move || create(std::ptr::without_provenance_mut(address)));
        while held.calls() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(unsafe { otp_on_clock(service, Some(fork_here), forking.pointer(), Some(on_drop)) }, OTP_OK);
        let result = unsafe { otp_verify(service, c"t".as_ptr(), c"1".as_ptr(), null_mut(), 0) };
        let child = forking.answer.load(SeqCst);
        if child == 0 {
            let closed = unsafe { otp_status(service, c"t".as_ptr(), null_mut(), 0) } == OTP_E_ARGUMENT;
            unsafe { libc::_exit(if closed && forking.drops() == 1 { 0 } else { 1 }) };
        }
        assert!(child > 0 && result == OTP_NOT_VALID);
        let mut status = 0;
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
        assert_eq!(forking.drops(), 0);
        held.held.store(0, SeqCst);
    });
    unsafe { otp_close(service) };
    assert_eq!(forking.drops(), 1);
}
