//! Recipes with one mistake each, as they are made when one is written.

use serde_json::{Value, json};

/// Each mistake with the sender that has it.
pub fn of(sender: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for kind in ["json", "form"] {
        let Some(tree) = sender.get(kind) else { continue };
        for (what, tree) in in_tree(tree, kind == "json") {
            found.push((format!("{kind}: {what}"), with(sender, kind, tree)));
        }
    }
    for name in ["basic", "bearer", "headers"] {
        if sender.get(name).is_some() {
            let mut without = sender.clone();
            without.as_object_mut().unwrap().remove(name);
            found.push((format!("no {name}"), without));
        }
    }
    let mut headers = sender.get("headers").cloned().unwrap_or_else(|| json!({}));
    headers["content-type"] = json!("text/plain");
    found.push(("another type".to_owned(), with(sender, "headers", headers)));
    found.push(("another method".to_owned(), with(sender, "method", json!("PUT"))));
    let url = format!("{}x", sender["url"].as_str().unwrap());
    found.push(("another path".to_owned(), with(sender, "url", json!(url))));
    found
}

fn with(value: &Value, name: &str, member: Value) -> Value {
    let mut value = value.clone();
    value[name] = member;
    value
}

/// Trees in which a name is misspelled or missing, or a value stands in a list or out of it.
fn in_tree(tree: &Value, may_nest: bool) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    match tree {
        // Of trees by locale, the one that is asked for.
        Value::Object(members) if members.contains_key("$locale") => {
            let inner = in_tree(&members["$locale"]["en"], may_nest);
            let with_one = |tree| json!({"$locale": {"en": tree}});
            found.extend(inner.into_iter().map(|(what, tree)| (format!("en.{what}"), with_one(tree))));
        }
        Value::Object(members) => {
            for (name, member) in members {
                let mut without = members.clone();
                without.remove(name);
                found.push((format!("no {name}"), Value::Object(without.clone())));
                without.insert(format!("{name}x"), member.clone());
                found.push((format!("{name}x"), Value::Object(without)));
                let inner = in_tree(member, may_nest);
                found.extend(
                    inner.into_iter().map(|(what, member)| (format!("{name}.{what}"), with(tree, name, member))),
                );
            }
        }
        Value::Array(items) => {
            found.extend(items.first().map(|first| ("out of its list".to_owned(), first.clone())));
            for (place, item) in items.iter().enumerate() {
                for (what, item) in in_tree(item, may_nest) {
                    let mut items = items.clone();
                    items[place] = item;
                    found.push((format!("{place}.{what}"), Value::Array(items)));
                }
            }
        }
        leaf => {
            let count = if may_nest { 1 } else { 2 };
            found.push(("in a list".to_owned(), Value::Array(vec![leaf.clone(); count])));
        }
    }
    found
}
