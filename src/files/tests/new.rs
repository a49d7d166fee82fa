//! Making files that are whole or not there.

use super::*;

#[test]
fn a_new_file_is_written_once() {
    let folder = Scratch::new("new");
    let path = folder.file("key");
    assert!(write_new(&path, b"first").unwrap());
    assert!(!write_new(&path, b"second").unwrap());
    assert_eq!(read(&path, 100).unwrap().unwrap().as_slice(), b"first");
    assert_eq!((mode(&path), folder.names()), (0o600, vec!["key".to_owned()]));

    assert_refused(write_new(&folder.file("none/key"), b"text"), Outcome::Store, "none");
    assert_refused(write_new(&folder.file(&"n".repeat(250)), b"text"), Outcome::Store, "too long");
    assert_eq!(folder.names(), ["key"]);
}

#[test]
fn racing_makers_agree() {
    for round in 0..20 {
        let folder = Scratch::new(&format!("racing-{round}"));
        let path = folder.file("key");
        let results: Vec<_> = std::thread::scope(|scope| {
            let make = |number: u8| {
                let won = write_new(&path, &[number; 100]).unwrap();
                // Whoever comes second finds the whole file.
                let found = read_private(&path, 100).unwrap().unwrap();
                (won.then_some(number), found.to_vec())
            };
            let threads: Vec<_> = (0..8u8).map(|number| scope.spawn(move || make(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<u8> = results.iter().filter_map(|(won, _)| *won).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert!(results.iter().all(|(_, found)| *found == [winners[0]; 100]));
        assert_eq!(folder.names(), ["key"]);
    }
}

#[test]
fn what_a_crash_left_serves_the_next_maker() {
    let folder = Scratch::new("stale");
    let path = folder.file("key");
    fs::write(folder.file(".key.new.tmp"), "more than half of a longer one").unwrap();
    fs::set_permissions(folder.file(".key.new.tmp"), Permissions::from_mode(0o600)).unwrap();
    assert!(write_new(&path, b"text").unwrap());
    assert_eq!(read_private(&path, 10).unwrap().unwrap().as_slice(), b"text");
    assert_eq!(folder.names(), ["key"]);

    fs::write(folder.file(".another.1.0.tmp"), "half").unwrap();
    let alive = Temporary::write(&path, b"of a living writer", false).unwrap();
    let temporaries: Vec<_> = folder.names().into_iter().filter(|name| is_temporary(OsStr::new(name))).collect();
    assert_eq!(temporaries.len(), 2);
    temporaries.iter().for_each(|name| remove_stale(&folder.file(name)));
    let kept = alive.path.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(folder.names(), [kept.as_str(), "key"]);
}

#[test]
fn a_draft_is_no_way_into_another_file() {
    let folder = Scratch::new("draft");
    let (path, draft) = (folder.file("key"), folder.file(".key.new.tmp"));
    fs::write(folder.file("theirs"), "kept").unwrap();
    symlink(folder.file("theirs"), &draft).unwrap();
    assert_refused(write_new(&path, b"text"), Outcome::Store, "symbolic link");
    fs::remove_file(&draft).unwrap();
    fs::hard_link(folder.file("theirs"), &draft).unwrap();
    assert_refused(write_new(&path, b"text"), Outcome::Store, "hard link");
    assert_eq!(fs::read(folder.file("theirs")).unwrap(), b"kept");
    assert!(!path.exists());
}
