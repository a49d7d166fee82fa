//! The ledger: what it tells, of whom, and what damage comes to.

use super::*;
use crate::files::open_or_make;

struct Scratch {
    folder: ScratchFolder,
}

impl Scratch {
    /// A ledger file as a recovery leaves it.
    fn new(name: &str) -> Self {
        let scratch = Self { folder: ScratchFolder::new(name) };
        scratch.ledger().bring_home(7).unwrap();
        scratch
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("lock")
    }

    /// The ledger as another process has it.
    fn ledger(&self) -> Ledger {
        Ledger::open(self.path()).unwrap()
    }

    /// The same, with a place in it.
    fn member(&self) -> Ledger {
        let ledger = self.ledger();
        assert!(ledger.take_place().unwrap());
        ledger
    }
}

fn standing(due: u64, synced: u64, failed: bool) -> Standing {
    Standing { due, synced, home: 7, failed }
}

#[test]
fn who_owes_and_lives_is_waited_for_and_who_dies_has_failed() {
    let scratch = Scratch::new("ledger-owed");
    let (first, second) = (scratch.member(), scratch.member());
    assert_eq!(second.standing().unwrap(), standing(7, 7, false));
    assert_eq!(first.owe(8).unwrap(), 0, "nothing was owed before");
    assert_eq!(second.standing().unwrap(), standing(8, 7, false));
    assert_eq!(second.owe(9).unwrap(), 0);
    first.settle(8);
    assert_eq!(scratch.ledger().standing().unwrap(), standing(9, 8, false));
    assert_eq!(scratch.ledger().synced().unwrap(), 8);
    drop(second);
    assert_eq!(first.standing().unwrap(), standing(9, 8, true));
    // A sync of somebody else that covers it proves that it reached the disk.
    first.owe(10).unwrap();
    first.settle(10);
    assert_eq!(first.standing().unwrap(), standing(10, 10, false));
}

#[test]
fn a_failure_stays_until_a_recovery() {
    let scratch = Scratch::new("ledger-failed");
    let (first, second) = (scratch.member(), scratch.member());
    first.owe(8).unwrap();
    first.fail();
    assert_eq!(second.standing().unwrap(), standing(8, 7, true));
    assert_eq!(first.standing().unwrap(), standing(8, 7, true));
    second.bring_home(9).unwrap();
    for ledger in [&first, &second, &scratch.ledger()] {
        assert_eq!(ledger.standing().unwrap(), Standing { due: 9, synced: 9, home: 9, failed: false });
    }
}

#[test]
fn a_section_that_does_not_end_has_failed() {
    let scratch = Scratch::new("ledger-section");
    let ledger = scratch.ledger();
    ledger.standing().unwrap();
    ledger.mark_section(true).unwrap();
    assert_eq!(scratch.ledger().standing().unwrap(), standing(7, 7, true));
    ledger.mark_section(false).unwrap();
    assert_eq!(scratch.ledger().standing().unwrap(), standing(7, 7, false));
}

#[test]
fn the_place_of_a_dead_process_is_taken_when_it_owes_nothing() {
    let scratch = Scratch::new("ledger-places");
    let length = || scratch.path().metadata().unwrap().len();
    for point in 8..20 {
        let ledger = scratch.member();
        ledger.owe(point).unwrap();
        ledger.settle(point);
    }
    assert_eq!(length(), 64, "one after the other they have one place");
    let debtor = scratch.member();
    debtor.owe(20).unwrap();
    drop(debtor);
    let other = scratch.member();
    other.owe(21).unwrap();
    assert_eq!(length(), 96, "what is owed is not written over");
    assert!(other.standing().unwrap().failed);
}

#[test]
fn where_all_places_are_taken_there_is_none() {
    let scratch = Scratch::new("ledger-full");
    let (others, _) = open_or_make(&scratch.path()).unwrap();
    assert!(crate::sys::lock_range(&others, crate::sys::RangeLock::Exclusive, 1 << 40, 1024).unwrap());
    assert!(!scratch.ledger().take_place().unwrap());
}

#[test]
fn what_is_damaged_is_taken_for_a_failure_and_put_right_by_a_recovery() {
    let scratch = Scratch::new("ledger-damage");
    scratch.member().settle(7);
    let whole = std::fs::read(scratch.path()).unwrap();
    assert_eq!(whole.len(), 64);
    let mut images: Vec<Vec<u8>> = (0..whole.len()).map(|at| flipped(&whole, at)).collect();
    images.extend([
        Vec::new(),
        b"1".to_vec(),
        b"0".to_vec(),
        whole[..20].to_vec(),
        whole[..40].to_vec(),
        vec![255; 64],
    ]);
    for image in images {
        std::fs::write(scratch.path(), &image).unwrap();
        let ledger = scratch.ledger();
        let found = ledger.standing().unwrap();
        assert!(found.failed, "{image:?}");
        ledger.bring_home(found.next()).unwrap();
        assert!(!scratch.ledger().standing().unwrap().failed, "{image:?}");
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 4;
    bytes
}
