//! When a request is made once more: only where the message was certainly not taken, and never beyond the deadline.

use std::thread;
use std::time::{Duration, Instant};

use super::super::{Answer, SendFailure};
use super::http::NoReply;
use super::line;
use crate::random::random;

/// Most requests for one message.
const MAX_TRIES: u32 = 3;

/// Pause after the first try to reach a host that refuses; twice as long after each further one.
const SOON: Duration = Duration::from_millis(100);

/// The same where the carrier takes no more and does not say for how long. It takes 30 requests a second (Vonage).
const LATER: Duration = Duration::from_millis(500);

/// The least time that a further try must have left.
const LEAST_TRY: Duration = Duration::from_millis(250);

/// Whether a request may be repeated: only where the message was certainly not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// No.
    Never,
    /// The host could not be reached.
    Soon,
    /// The carrier takes no more at the moment: after so long, if it said how long.
    Later(Option<Duration>),
}

/// A try, which gets the question whether the message may leave.
pub type Attempt<'a> = dyn FnMut(&mut dyn FnMut() -> bool) -> (Answer, Again) + 'a;

/// Has a message tried, and tried again as long as that may help. Whether the message may leave is asked
/// of `may_leave` until the answer is yes once.
pub fn persist(deadline: Instant, may_leave: &mut dyn FnMut() -> bool, attempt: &mut Attempt<'_>) -> Answer {
    let (mut tries, mut left) = (1, false);
    let mut may_leave = || {
        left = left || may_leave();
        left
    };
    loop {
        let begun = Instant::now();
        let (answer, again) = attempt(&mut may_leave);
        // One that may not end in time would leave in doubt what is certain now.
        let least = LEAST_TRY.max(begun.elapsed() * 2);
        let Some(pause) = pause(again, tries) else { return answer };
        let left = deadline.saturating_duration_since(Instant::now());
        if tries == MAX_TRIES || pause.saturating_add(least) > left {
            return answer;
        }
        thread::sleep(pause);
        tries += 1;
    }
}

/// Judges that there was no answer.
pub fn no_reply(host: &str, no_reply: NoReply) -> (Answer, Again) {
    let failure = |cause: &str| SendFailure { detail: format!("{host}: {}", line(cause)), ..SendFailure::default() };
    match no_reply {
        NoReply::Unsent { cause, is_passing } => {
            (Answer::NotTaken(failure(&cause)), if is_passing { Again::Soon } else { Again::Never })
        }
        NoReply::Lost { cause } => (Answer::InDoubt(failure(&cause)), Again::Never),
    }
}

/// How long to wait before another try, if there may be one. Half of a pause of our own choice, and a tenth of a
/// second more than the carrier asks for, are left to chance: callers that failed together must not come back together.
fn pause(again: Again, tries: u32) -> Option<Duration> {
    let least = match again {
        Again::Never => return None,
        Again::Later(Some(pause)) => return Some(pause.saturating_add(share(Duration::from_millis(100)))),
        Again::Soon => SOON,
        Again::Later(None) => LATER,
    };
    let pause = least.saturating_mul(1 << tries.saturating_sub(1).min(16));
    Some(pause / 2 + share(pause))
}

/// From nothing up to all of it, by chance.
fn share(whole: Duration) -> Duration {
    let chance = random::<1>().map_or(u8::MAX, u8::from_be_bytes);
    whole.saturating_mul(chance.into()) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_try_begins_that_may_not_end() {
        let slow = Duration::from_millis(300);
        let mut tries = 0;
        let answer = persist(Instant::now() + slow * 5 / 2, &mut || true, &mut |_| {
            tries += 1;
            thread::sleep(slow);
            (Answer::NotTaken(SendFailure::default()), Again::Soon)
        });
        assert!(matches!(answer, Answer::NotTaken(_)) && tries == 1, "{tries}");
    }

    #[test]
    fn without_an_answer() {
        let unsent = |is_passing| NoReply::Unsent { cause: "refused".to_owned(), is_passing };
        for (failed, expected, again) in [
            (unsent(true), "not taken", Again::Soon),
            (unsent(false), "not taken", Again::Never),
            (NoReply::Lost { cause: "re\nfused".to_owned() }, "in doubt", Again::Never),
        ] {
            let (answer, actual) = no_reply("host", failed);
            let (kind, detail) = match answer {
                Answer::NotTaken(failure) => ("not taken", failure.detail),
                Answer::InDoubt(failure) => ("in doubt", failure.detail),
                Answer::Accepted { .. } | Answer::Refused(_) => panic!(),
            };
            assert_eq!((kind, actual), (expected, again));
            assert!(detail == "host: refused" || detail == "host: re fused");
        }
    }
}
