//! Keys: made once, refused when foreign, rotated without losing anything.

use super::*;
use crate::Outcome;
use crate::block::kind;
use crate::clock::Time;
use crate::config::{Durability, RepositoryUrl};
use crate::record::CodeState;
use crate::repository;
use crate::repository::conformance::ScratchFolder;
use std::os::unix::fs::PermissionsExt;

fn memory() -> Arc<dyn Repository> {
    repository::open(&RepositoryUrl::Memory, Durability::Process, &mut Vec::new()).unwrap()
}

fn key(byte: u8) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![byte; KEY_BYTES])
}

fn given(repository: &dyn Repository, current: u8, previous: &[u8]) -> Result<Arc<KeyRing>> {
    let previous = previous.iter().map(|byte| key(*byte)).collect();
    KeyRing::open(repository, KeySource::Given(key(current)), previous, &mut Vec::new())
}

fn outcome(result: Result<Arc<KeyRing>>) -> Outcome {
    result.err().expect("refused").outcome()
}

fn code(slot: KeySlot, secret: Secret) -> Code {
    let (created, expires) = (Time::from_ms(1), Time::from_ms(2));
    let subject = Block::default();
    Code { slot, created, expires, secret, max_attempts: 5, subject, context: None, state: CodeState::Live }
}

#[test]
fn rotation_keeps_hashes_and_old_records() {
    let repository = memory();
    let first = given(&*repository, 1, &[]).unwrap();
    let row = first.index("token", "default", "t");
    let secret = Secret::Derived { nonce: Block::new([5; 16]), length: 6 };
    let old = code(first.current(), secret);
    let sealed = first.seal(&row, &old, b"text").unwrap();

    let second = given(&*repository, 2, &[1]).unwrap();
    assert_eq!(second.index("token", "default", "t"), row);
    assert_ne!(second.current(), first.current());
    assert_eq!(second.unseal(&row, &old, &sealed).unwrap().as_slice(), b"text");
    assert_eq!(second.slot(old.slot).unwrap().id(), first.slot(old.slot).unwrap().id());

    // Once everything is under the new key, the old one can go; records of it then say so.
    let third = given(&*repository, 2, &[]).unwrap();
    assert_eq!(third.index("token", "default", "t"), row);
    assert_eq!(third.slot(old.slot).err().map(|error| error.outcome()), Some(Outcome::Config));
    assert_eq!(outcome(given(&*repository, 1, &[])), Outcome::Config, "the retired key alone opens nothing");
    assert_eq!(outcome(given(&*repository, 3, &[])), Outcome::Config);
}

#[test]
fn an_own_row_that_is_damaged_is_no_wrong_key() {
    let repository = memory();
    drop(given(&*repository, 1, &[]).unwrap());
    let commit = Commit { synced: true, sweep: None };
    transact(&*repository, commit, |transaction| {
        let Some(Row::Meta(mut meta)) = transaction.get(&META)? else { panic!("it is there") };
        meta.index_key[20] ^= 1;
        transaction.put(&META, Row::Meta(meta));
        Ok(())
    })
    .unwrap();
    let told = given(&*repository, 1, &[]).err().unwrap();
    assert!(told.outcome() == Outcome::Store && told.detail().contains(OWN_DAMAGED), "{told}");
    let look = |byte| KeyRing::open_existing(&*repository, &KeySource::Given(key(byte)), &[], &mut Vec::new());
    assert!(look(1).err().unwrap().detail().contains(OWN_DAMAGED));
    assert_eq!(look(2).err().unwrap().outcome(), Outcome::Config, "another key is another key");
}

#[test]
fn keys_that_are_not_listed_get_no_slot_from_who_looks() {
    let repository = memory();
    let service = given(&*repository, 1, &[]).unwrap();
    let look = |current, previous: &[u8]| {
        let previous: Vec<_> = previous.iter().map(|byte| key(*byte)).collect();
        let source = KeySource::Given(key(current));
        KeyRing::open_existing(&*repository, &source, &previous, &mut Vec::new()).unwrap().unwrap()
    };
    let looks = look(2, &[1]);
    assert_eq!((looks.current(), looks.all_listed()), (service.current(), false), "it makes codes that all can read");
    // Another key gets the slot that it would have taken.
    let third = given(&*repository, 3, &[1]).unwrap();
    assert!(looks.slot(third.current()).is_err() && look(2, &[3]).slot(service.current()).is_err());
    assert!(look(1, &[3]).all_listed());
}

#[test]
fn a_rolling_deployment_works_in_either_order() {
    let repository = memory();
    let old = given(&*repository, 1, &[2]).unwrap();
    let new = given(&*repository, 2, &[1]).unwrap();
    let again = given(&*repository, 1, &[2]).unwrap();
    for ring in [&old, &new, &again] {
        assert_eq!(ring.index::<kind::Row>("token", "n", "t"), old.index("token", "n", "t"));
        assert!(ring.slot(old.current()).is_ok() && ring.slot(new.current()).is_ok());
    }
    assert_eq!(old.slot(new.current()).unwrap().id(), new.slot(new.current()).unwrap().id());
}

#[test]
fn hashes_do_not_meet() {
    let ring = given(&*memory(), 1, &[]).unwrap();
    let mut hashes = vec![
        ring.index("token", "a", "b"),
        ring.index("token", "ab", ""),
        ring.index("token", "", "ab"),
        ring.index("tokena", "", "b"),
        ring.index("subject", "a", "b"),
        ring.fingerprint(b"ab"),
    ];
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 6);
    assert_ne!(given(&*memory(), 1, &[]).unwrap().index("token", "a", "b"), hashes[0], "each repository has its own");
}

#[test]
fn what_is_sealed_opens_only_where_it_was() {
    let ring = given(&*memory(), 1, &[]).unwrap();
    let row = Block::new([1; 16]);
    let derived = code(KeySlot(0), Secret::Derived { nonce: Block::new([5; 16]), length: 6 });
    let other = code(KeySlot(0), Secret::Derived { nonce: Block::new([6; 16]), length: 6 });
    let own = code(KeySlot(0), Secret::Mac(Block::new([7; 16])));
    for code in [&derived, &own] {
        let sealed = ring.seal(&row, code, b"text").unwrap();
        assert_eq!(ring.unseal(&row, code, &sealed).unwrap().as_slice(), b"text");
        assert!(ring.unseal(&Block::new([2; 16]), code, &sealed).is_err(), "another row");
        assert!(ring.unseal(&row, &other, &sealed).is_err(), "another code");
        for place in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[place] ^= 1;
            assert_eq!(ring.unseal(&row, code, &damaged).unwrap_err().outcome(), Outcome::Store);
        }
        assert!(ring.unseal(&row, code, &[]).is_err());
    }
    assert_ne!(ring.seal(&row, &own, b"text"), ring.seal(&row, &own, b"text"), "a MAC is no nonce");
}

#[test]
fn a_key_file_is_made_with_the_repository_and_never_again() {
    let folder = ScratchFolder::new("keys");
    let path = folder.path().join("otp.key");
    let source = KeySource::Beside(path.clone());
    let from_file = |repository: &dyn Repository| KeyRing::open(repository, source.clone(), vec![], &mut Vec::new());
    let repository = memory();
    let first = from_file(&*repository).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let second = from_file(&*repository).unwrap();
    assert_eq!(second.index::<kind::Row>("t", "", ""), first.index("t", "", ""));

    let text = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(outcome(from_file(&*repository)), Outcome::Config);
    assert!(!path.exists(), "no new key beside old records");
    for bad in [&b""[..], b"AAAA", b"not base64!", &text[..40]] {
        std::fs::write(&path, bad).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(outcome(from_file(&*repository)), Outcome::Config);
        assert_eq!(outcome(from_file(&*memory())), Outcome::Config, "a file that is no key is not replaced");
    }
    std::fs::write(&path, &text).unwrap();
    assert!(from_file(&*repository).is_ok());
    let mut warnings = Vec::new();
    let begun = KeyRing::open(&*memory(), source.clone(), vec![], &mut warnings);
    assert!(begun.is_ok(), "a key file beside a new repository is used");
    assert_eq!(warnings, [BEGUN_ANEW], "and said to have been there");
    warnings.clear();
    assert!(KeyRing::open(&*repository, source.clone(), vec![], &mut warnings).is_ok() && warnings.is_empty());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(outcome(from_file(&*repository)), Outcome::Config);
}

#[test]
fn a_key_file_that_is_named_may_be_what_orchestrators_mount() {
    let folder = ScratchFolder::new("named");
    let (path, link) = (folder.path().join("otp.key"), folder.path().join("link"));
    let open = |source| {
        let mut warnings = Vec::new();
        let ring = KeyRing::open(&*memory(), source, vec![], &mut warnings);
        assert!(warnings.is_empty(), "{warnings:?}");
        ring
    };
    open(KeySource::File(path.clone())).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "made as ours");
    std::os::unix::fs::symlink("otp.key", &link).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    for named in [&path, &link] {
        open(KeySource::File(named.clone())).unwrap();
        assert_eq!(outcome(open(KeySource::Beside(named.clone()))), Outcome::Config);
    }
    for nowhere in [folder.path().join("none/otp.key"), path.join("otp.key"), folder.path().to_owned()] {
        assert_eq!(outcome(open(KeySource::File(nowhere.clone()))), Outcome::Config, "{nowhere:?}");
    }
    std::fs::write(&path, "A".repeat(4097)).unwrap();
    assert_eq!(outcome(open(KeySource::File(path.clone()))), Outcome::Config);
}
