//! What may be done to a row by whoever can write the file and has no key: to its bytes, and to its JSON.

use serde_json::{Map, Value, json};

/// A number below its argument.
pub type Draw<'a> = dyn FnMut(usize) -> usize + 'a;

/// Changes the bytes in some way; `other` are those of another row.
pub fn bytes(bytes: &mut Vec<u8>, other: &[u8], draw: &mut Draw<'_>) {
    let place = draw(bytes.len() + 1);
    let end = (place + draw(20)).min(bytes.len());
    match draw(9) {
        0 | 1 if place < bytes.len() => bytes[place] ^= 1 << draw(8),
        2 | 3 if place < bytes.len() => bytes[place] = [0, 1, 4, 10, 0x7f, 0x80, 0xff][draw(7)],
        4 => bytes.truncate(place),
        5 => bytes.insert(place, draw(256) as u8),
        6 => drop(bytes.drain(place..end)),
        7 => {
            let again = bytes[place..end].to_vec();
            drop(bytes.splice(place..place, again));
        }
        _ => {
            let from = draw(other.len() + 1);
            let taken = &other[from..(from + draw(40)).min(other.len())];
            let end = (place + taken.len()).min(bytes.len());
            drop(bytes.splice(place..end, taken.iter().copied()));
        }
    }
}

/// Changes a value of the JSON in some way; `other` is that of another row.
pub fn json(text: &str, other: &str, draw: &mut Draw<'_>) -> String {
    if draw(10) == 0 {
        return repeat_line(text, draw);
    }
    let (mut root, other): (Value, Value) = (serde_json::from_str(text).unwrap(), serde_json::from_str(other).unwrap());
    let at = pick(&root, draw);
    match draw(8) {
        // A part of the other row, likely the same part.
        0 => {
            let from = if draw(2) == 0 && other.pointer(&at).is_some() { at.clone() } else { pick(&other, draw) };
            *root.pointer_mut(&at).unwrap() = other.pointer(&from).unwrap().clone();
        }
        // Two parts of the row change places, or one stands twice.
        1 => {
            let from = if draw(2) == 0 { pick(&root, draw) } else { pick_like(&root, &at, draw) };
            let (here, there) = (root.pointer(&at).unwrap().clone(), root.pointer(&from).unwrap().clone());
            *root.pointer_mut(&at).unwrap() = there;
            if draw(2) == 0
                && let Some(there) = root.pointer_mut(&from)
            {
                *there = here;
            }
        }
        2 => remove(&mut root, &at),
        3 => add(root.pointer_mut(&at).unwrap(), draw),
        4 => {
            let others = [Value::Null, json!(true), json!(""), json!([]), json!({}), json!("live"), json!({"used": 1})];
            *root.pointer_mut(&at).unwrap() = others[draw(others.len())].clone();
        }
        _ => edit(root.pointer_mut(&at).unwrap(), draw),
    }
    serde_json::to_string_pretty(&root).unwrap()
}

/// A member that stands twice: which of the two would count?
fn repeat_line(text: &str, draw: &mut Draw<'_>) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let line = lines[draw(lines.len())];
    lines.insert(draw(lines.len() + 1), line);
    lines.join("\n")
}

/// Where a value stands, any of them.
fn pick(root: &Value, draw: &mut Draw<'_>) -> String {
    let mut found = places(root);
    found.swap_remove(draw(found.len()))
}

/// Where a value stands that is of the same kind as the one there: objects end with the same members.
fn pick_like(root: &Value, at: &str, draw: &mut Draw<'_>) -> String {
    let kind = |at: &str| {
        let value = root.pointer(at).unwrap();
        let members = value.as_object().map(|members| members.keys().rev().take(3).cloned().collect::<Vec<_>>());
        (std::mem::discriminant(value), members)
    };
    let mut found: Vec<_> = places(root).into_iter().filter(|other| kind(other) == kind(at)).collect();
    found.swap_remove(draw(found.len()))
}

fn places(root: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut next = 0;
    while let Some(at) = found.get(next).cloned() {
        match root.pointer(&at) {
            Some(Value::Object(members)) => found.extend(members.keys().map(|name| format!("{at}/{}", escaped(name)))),
            Some(Value::Array(items)) => found.extend((0..items.len()).map(|place| format!("{at}/{place}"))),
            _ => {}
        }
        next += 1;
    }
    found
}

/// A member's name in a JSON pointer (RFC 6901, 3): names at random have everything.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn remove(root: &mut Value, at: &str) {
    let Some((parent, name)) = at.rsplit_once('/') else { return };
    match root.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(&name.replace("~1", "/").replace("~0", "~"))),
        Some(Value::Array(items)) => drop(items.remove(name.parse().unwrap())),
        _ => {}
    }
}

fn add(value: &mut Value, draw: &mut Draw<'_>) {
    match value {
        Value::Object(members) => add_member(members, draw),
        Value::Array(items) if !items.is_empty() => {
            let item = items[draw(items.len())].clone();
            let times = [1, 10, 2000][draw(3)];
            items.extend(std::iter::repeat_n(item, times));
        }
        other => *other = json!([other.clone()]),
    }
}

fn add_member(members: &mut Map<String, Value>, draw: &mut Draw<'_>) {
    let name = ["extra", "context", "idempotency", "keptFrom", "mac", "derived"][draw(6)];
    let values = [json!(0), json!("00000000000000000000000000000000"), json!({}), json!(1_700_000_000_000u64)];
    members.insert(name.to_owned(), values[draw(values.len())].clone());
}

/// Another value of the same kind.
fn edit(value: &mut Value, draw: &mut Draw<'_>) {
    match value {
        Value::Bool(flag) => *flag = !*flag,
        Value::Number(number) => {
            let near = number.as_u64().unwrap_or_default().wrapping_add([1, u64::MAX, 1000, 86_400_000][draw(4)]);
            let numbers = [
                json!(0),
                json!(1),
                json!(3),
                json!(4),
                json!(10),
                json!(11),
                json!(20),
                json!(100),
                json!(101),
                json!(255),
                json!(256),
                json!(43_201),
                json!(u32::MAX),
                json!(253_402_300_799_999u64),
                json!(253_402_300_800_000u64),
                json!(u64::MAX),
                json!(-1),
                json!(1.5),
                json!(near),
                json!(near),
            ];
            *value = numbers[draw(numbers.len())].clone();
        }
        Value::String(text) => {
            let place = text.floor_char_boundary(draw(text.len() + 1));
            match draw(4) {
                0 => text.truncate(place),
                1 => text.insert(place, ['0', 'f', '+', '\n'][draw(4)]),
                2 => *text = text.repeat([2, 40, 4000][draw(3)]),
                _ => text.replace_range(place.., &"0".repeat(text.len() - place)),
            }
        }
        Value::Object(members) => {
            // The same value under another name.
            let name = members.keys().nth(draw(members.len().max(1))).cloned();
            if let Some(value) = name.and_then(|name| members.remove(&name)) {
                members.insert(["mac", "derived", "used", "failures", "record"][draw(5)].to_owned(), value);
            }
        }
        _ => add(value, draw),
    }
}
