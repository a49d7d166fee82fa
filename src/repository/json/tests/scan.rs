//! Rows that are damaged, and a look at all of them.

use super::*;

#[test]
fn a_damaged_row_can_be_replaced_and_removed() {
    let scratch = Scratch::new("replaced-row");
    let mut engine = scratch.engine();
    let path = scratch.file(&format!("{}.json", key(1)));
    for row in [failures(2), None] {
        fs::write(&path, "damaged").unwrap();
        commit(&mut engine, &vec![(key(1), row.clone())], true).unwrap();
        assert_eq!(engine.folder.read(&key(1)).unwrap(), row);
    }
    assert_eq!(scratch.names(), ["lock", "repository.json"]);
    fs::write(&path, "damaged").unwrap();
    assert!(engine.try_begin().unwrap());
    assert_store_error(engine.get(&key(1)), "damaged");
    engine.commit(true).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "damaged", "who only looks changes nothing");
}

#[test]
fn a_scan_sees_what_the_journal_holds_and_fails_without_it() {
    let scratch = Scratch::new("journal-scan");
    let mut engine = scratch.engine();
    commit(&mut engine, &vec![(key(1), failures(1)), (key(2), failures(2))], true).unwrap();
    // All steps of a transaction of two files up to its journal, and none after it.
    engine.hook = fault(3, u32::MAX);
    assert!(commit(&mut engine, &vec![(key(2), None), (key(3), failures(3))], true).is_err());
    assert!(scratch.names().contains(&"journal.json".to_owned()));
    let found = rows(&engine).unwrap();
    assert_eq!(found, [(key(1), Ok(failures(1).unwrap())), (key(3), Ok(failures(3).unwrap()))]);
    fs::remove_file(scratch.file("journal.json")).unwrap();
    symlink("elsewhere", scratch.file("journal.json")).unwrap();
    assert!(!rows(&engine).unwrap_err().is_of_one_row(), "no row can be told");
}
