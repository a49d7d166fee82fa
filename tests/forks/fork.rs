//! A handle that was opened before a fork works on both sides, whatever other threads are in the middle of.

mod api;
mod callbacks;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use api::{CHECKED, Handle, OK, STORE};
use testing::forked::{By, fork};
use testing::{Folder, Watchdog};

const CHILDREN: usize = 8;
const BUSY: usize = 4;

/// One campaign at a time: each has the process to itself.
static ALONE: Mutex<()> = Mutex::new(());

fn config(repository: &str) -> String {
    testing::config(repository, "none", serde_json::json!({"otpLength": 10, "validityTime": 1440}))
}

/// Creates two codes, uses one, and gives the other as "token code".
fn work(handle: Handle, name: &str) -> Result<String, String> {
    let (used, kept) = (format!("{name} used"), format!("{name} kept"));
    let code = handle.create(&used)?;
    handle.expect(&used, &code, OK)?;
    handle.expect(&used, &code, CHECKED)?;
    Ok(format!("{kept}|{}\n", handle.create(&kept)?))
}

/// A third process: opens the repository, writes and closes it, again and again, and so is often the last to close
/// it. Not a test of its own.
#[test]
fn third_process() {
    let Some(repository) = testing::role() else { return };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::stdin().read_line(&mut String::new());
            stop.store(true, SeqCst);
        });
        let mut number = 0;
        while !stop.load(SeqCst) {
            let handle = Handle::open(&config(&repository)).unwrap();
            let line = work(handle, &format!("third {number}")).unwrap();
            handle.close();
            // A line of its own, whatever the test harness has written before.
            std::io::stdout().write_all(format!("\nkept {line}").as_bytes()).unwrap();
            number += 1;
        }
    });
}

/// What was acknowledged: codes by token.
type Kept = HashMap<String, String>;

fn keep(kept: &mut Kept, text: &str) {
    for line in text.lines() {
        let (token, code) = line.split_once('|').expect("token|code");
        assert!(kept.insert(token.to_owned(), code.to_owned()).is_none(), "a name was given twice");
    }
}

/// Every code that was acknowledged is there, once, for this process and for a new one.
fn check_kept(handle: Handle, config: &str, kept: &Kept) {
    let fresh = Handle::open(config).unwrap();
    for (token, code) in kept {
        handle.expect(token, code, OK).unwrap();
        fresh.expect(token, code, CHECKED).unwrap();
    }
    fresh.close();
}

fn busy_parent(kind: &str, rounds: usize) {
    let _alone = ALONE.lock();
    let _watchdog = Watchdog::new("forking beside busy threads", 120 + 5 * rounds as u64);
    let folder = Folder::new(&format!("fork-busy-{kind}"));
    let repository = folder.repository(kind);
    let config = config(&repository);
    let handle = Handle::open(&config).unwrap();
    let mut kept = Kept::new();
    let mut third = testing::child(testing::here!("third_process"), &repository);
    let mut third = third.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let third_output = BufReader::new(third.stdout.take().unwrap());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let listener = scope.spawn(move || {
            let lines = third_output.lines().map_while(Result::ok);
            lines.filter_map(|line| line.strip_prefix("kept ").map(|line| format!("{line}\n"))).collect::<String>()
        });
        let stop = &stop;
        let busy = |thread| {
            let mut kept = String::new();
            let mut number = 0;
            while !stop.load(SeqCst) {
                kept += &work(handle, &format!("parent {thread} {number}")).expect("the parent is unharmed");
                number += 1;
            }
            assert!(number >= rounds, "thread {thread} of the parent was not busy");
            kept
        };
        let threads: Vec<_> = (0..BUSY).map(|thread| scope.spawn(move || busy(thread))).collect();
        let told = std::panic::catch_unwind(|| {
            let round = |round| {
                let child = |child| fork(By::Fork, move || work(handle, &format!("child {round} {child}")));
                let children: Vec<_> = (0..CHILDREN).map(child).collect();
                children.into_iter().map(|child| child.join().unwrap()).collect::<String>()
            };
            (0..rounds).map(round).collect::<String>()
        });
        stop.store(true, SeqCst);
        drop(third.stdin.take());
        let told = told.unwrap_or_else(|failure| std::panic::resume_unwind(failure));
        assert_eq!(told.lines().count(), rounds * CHILDREN);
        keep(&mut kept, &told);
        threads.into_iter().for_each(|thread| keep(&mut kept, &thread.join().unwrap()));
        let third_told = listener.join().unwrap();
        assert!(third_told.lines().count() > 0, "the third process did nothing");
        keep(&mut kept, &third_told);
    });
    assert!(third.wait().unwrap().success(), "the third process failed");
    check_kept(handle, &config, &kept);
    handle.close();
}

#[test]
fn children_and_a_busy_parent_lose_nothing_with_sqlite() {
    busy_parent("sqlite", testing::size(20, 200));
}

#[test]
fn children_and_a_busy_parent_lose_nothing_with_json() {
    busy_parent("json", testing::size(10, 100));
}

/// In `json:` the nonces, from which the codes follow, can be read: no two records have the same.
#[test]
fn no_two_processes_draw_the_same_numbers() {
    let _alone = ALONE.lock();
    let _watchdog = Watchdog::new("drawing in children", 600);
    let folder = Folder::new("fork-draw");
    let handle = Handle::open(&config(&folder.repository("json"))).unwrap();
    let rounds = testing::size(10, 100);
    for round in 0..rounds {
        let draw = |name: String| {
            (0..4).try_for_each(|number| handle.create(&format!("{name} {number}")).map(drop)).map(|()| String::new())
        };
        let child = |child| fork(By::Fork, move || draw(format!("child {round} {child}")));
        let children: Vec<_> = (0..CHILDREN).map(child).collect();
        draw(format!("parent {round}")).unwrap();
        children.into_iter().for_each(|child| drop(child.join().unwrap()));
    }
    handle.close();
    let mut nonces: Vec<String> = std::fs::read_dir(folder.path().join("otp"))
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
        .filter_map(|text| {
            let file: serde_json::Value = serde_json::from_str(&text).ok()?;
            Some(file.pointer("/record/code/secret/derived/nonce")?.as_str()?.to_owned())
        })
        .collect();
    assert_eq!(nonces.len(), rounds * (CHILDREN + 1) * 4, "a record is missing");
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), rounds * (CHILDREN + 1) * 4, "the same number was drawn twice");
}

#[test]
fn a_memory_repository_is_not_for_children() {
    let _alone = ALONE.lock();
    let _watchdog = Watchdog::new("memory in a child", 120);
    let handle = Handle::open(&config("memory:")).unwrap();
    let code = handle.create("token").unwrap();
    let child = fork(By::Fork, || {
        let answers = handle.every_call("token", &code);
        handle.close();
        Ok(format!("{answers:?}"))
    });
    let answers = child.join().unwrap();
    handle.expect("token", &code, OK).unwrap();
    handle.close();
    let stored: Vec<_> = api::CALLS.iter().map(|call| (*call, STORE)).collect();
    assert_eq!(answers, format!("{stored:?}"));
}

#[test]
fn python_forks_while_its_threads_are_in_callbacks() {
    let Some(python) = testing::tool("python3") else { return };
    let _alone = ALONE.lock();
    let _watchdog = Watchdog::new("Python", 600);
    let folder = Folder::new("fork-python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forks/fork/fork.py");
    let mut command = Command::new(python);
    command.args(["-W", "ignore"]).arg(script).arg(testing::shared_library());
    command.arg(folder.repository("sqlite")).arg(testing::size(20, 200).to_string());
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.ends_with("done\n"), "{}: {out}{err}", output.status);
}
