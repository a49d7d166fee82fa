use std::path::Path;

use super::*;
use crate::repository::samples::{Draw, rounds};
use testing::mutate;

const ANY: RowKey = RowKey::new([9; 16]);

fn key_of(row: &Row) -> RowKey {
    if matches!(row, Row::Meta(_)) { META } else { ANY }
}

fn text_of(row: &Row) -> String {
    Change::new(&key_of(row), Some(row)).unwrap().text.unwrap()
}

fn read(key: &RowKey, text: &str) -> Result<Option<Row>> {
    row(key, text.as_bytes(), Path::new("a file"))
}

#[test]
fn rows_come_back_from_json() {
    for seed in 0..3000 {
        let row = Draw(seed).row();
        assert_eq!(read(&key_of(&row), &text_of(&row)), Ok(Some(row)), "seed {seed}");
    }
}

#[test]
fn changed_json_is_damage_or_another_row_and_never_a_panic() {
    let mut rows = 0;
    for seed in 0..rounds() {
        let mut draw = Draw(seed);
        let (row, other) = (draw.row(), draw.row());
        let (mut text, other, key) = (text_of(&row), text_of(&other), key_of(&row));
        let is_raw = draw.number(8) == 0;
        let mut below = |below: usize| draw.number(below as u64) as usize;
        if is_raw {
            let mut bytes = text.into_bytes();
            mutate::bytes(&mut bytes, other.as_bytes(), &mut below);
            text = String::from_utf8_lossy(&bytes).into_owned();
        } else {
            text = mutate::json(&text, &other, &mut below);
        }
        match read(&key, &text) {
            Ok(row) => {
                rows += 1;
                assert!(row.as_ref().is_none_or(Row::is_valid), "seed {seed}: {row:?}");
            }
            Err(error) => assert!(error.detail().starts_with("cannot read \"a file\": "), "seed {seed}: {error}"),
        }
    }
    assert!(rows > rounds() / 20, "only {rows} were rows: nothing was tried");
}

#[test]
fn a_file_holds_one_row_and_says_nothing_twice() {
    let row = r#""failures": {"count": 1, "last": 5, "lockMs": 0, "disabled": false}"#;
    let good = format!(r#"{{"version": 1, {row}}}"#);
    assert!(read(&ANY, &good).is_ok());
    for bad in [
        r#"{"version": 1}"#.to_owned(),
        format!(r#"{{"version": 0, {row}}}"#),
        format!(r#"{{"version": 1, {row}, {row}}}"#),
        format!(r#"{{"version": 1, "version": 1, {row}}}"#),
        format!(r#"{{"version": 1, {row}, "sends": [5]}}"#),
        format!(r#"{{"version": 1, {row}, "other": 0}}"#),
        good.replace("\"last\": 5", "\"last\": 5, \"last\": 5"),
        good.replace("\"last\": 5", "\"last\": 253402300800000"),
        good.replace("\"last\": 5", "\"last\": -1"),
    ] {
        assert!(read(&ANY, &bad).is_err(), "{bad}");
    }
}
