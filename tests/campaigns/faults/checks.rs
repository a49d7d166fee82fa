//! The judge of the campaigns itself: which answers it takes, and which it does not.

use crate::trace::world::World;

/// What the first line says that cannot be; `None` when all can.
fn judge(lines: &[&str]) -> Option<String> {
    let mut world = World::default();
    lines.iter().find_map(|line| world.hear(line).err())
}

const CREATED: [&str; 3] = ["begin|a|create", "sent|a|123456", "done|a|create|0|"];

/// A token with a code, and then these answers to verifying it, in turn.
fn verified(answers: &[i32]) -> Option<String> {
    let done: Vec<_> = answers.iter().map(|answer| format!("done|a|verify 123456|{answer}|")).collect();
    let asked = done.iter().flat_map(|done| ["begin|a|verify 123456", done.as_str()]);
    judge(&CREATED.into_iter().chain(asked).collect::<Vec<_>>())
}

#[test]
fn a_code_is_good_once() {
    assert_eq!(verified(&[0, 2, 2]), None);
    assert!(verified(&[0, 0]).is_some());
    assert!(verified(&[2]).is_some(), "used by nobody");
}

#[test]
fn what_is_acknowledged_is_not_lost() {
    assert!(verified(&[1]).is_some(), "a code that was sent is not known");
    assert!(verified(&[0, 1]).is_some());
    let cancelled = ["begin|a|cancel", "done|a|cancel|0|", "begin|a|verify 123456", "done|a|verify 123456|0|"];
    assert!(judge(&[CREATED.as_slice(), &cancelled].concat()).is_some());
    let erased = ["begin|a|erase", "done|a|erase|0|", "begin|a|status", "done|a|status|0|Pending 10"];
    assert!(judge(&[CREATED.as_slice(), &erased].concat()).is_some());
    let guessed = ["begin|a|verify wrong", "done|a|verify wrong|1|", "begin|a|status", "done|a|status|0|Pending 10"];
    assert!(judge(&[CREATED.as_slice(), &guessed].concat()).is_some(), "the guess was not counted");
}

#[test]
fn what_failed_may_have_been_done_unless_nothing_was() {
    assert_eq!(verified(&[-3, 0, 2]), None);
    assert_eq!(verified(&[-3, 2]), None);
    assert!(verified(&[-3, 0, 0]).is_some());
    assert_eq!(verified(&[-4, 0]), None);
    assert!(verified(&[-4, 2]).is_some(), "busy, and done all the same");
    let lost = ["begin|a|create", "done|a|create|-3|", "begin|a|status", "done|a|status|8|none"];
    assert_eq!(judge(&lost), None);
    let sent = ["begin|a|create", "sent|a|123456", "done|a|create|-4|"];
    assert!(judge(&sent).is_some(), "busy, and a code was sent");
    let again = ["begin|a|create", "done|a|create|-3|", "begin|a|resend", "sent|a|123456", "done|a|resend|0|"];
    assert_eq!(judge(&again), None);
}

#[test]
fn defects_are_never_right() {
    for answer in [-1, -2, -5, -10, -11] {
        assert!(verified(&[answer]).is_some(), "{answer}");
    }
    assert!(judge(&["defect|a|create panicked"]).is_some());
}
