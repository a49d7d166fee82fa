//! One list of the options, `docs/options.json`, from which every place that lists them is written: the header,
//! `docs/options.md`, the types of the Node package, the docstring of the Python one. Whether it is true, the tests of
//! `config` ask.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// An option of the configuration.
struct Described {
    /// Members in members: `policy.cooldownSeconds`; `[]` for the items of a list.
    name: String,
    kind: String,
    /// Range and default.
    bounds: String,
    text: String,
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn options() -> Vec<Described> {
    let list: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(root("docs/options.json")).unwrap()).unwrap();
    let text = |option: &Value, member: &str| option[member].as_str().unwrap_or_default().to_owned();
    let describe = |option: &Value| Described {
        name: text(option, "name"),
        kind: text(option, "type"),
        bounds: match text(option, "range").as_str() {
            "" => format!("default {}", text(option, "default")),
            range => format!("{range}; default {}", text(option, "default")),
        },
        text: text(option, "text"),
    };
    list.iter().map(describe).collect()
}

/// The text in lines of at most so many characters: the first after `first`, the others after `rest`.
fn wrapped(text: &str, first: &str, rest: &str, width: usize) -> String {
    let (mut lines, mut line) = (String::new(), first.to_owned());
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > width {
            lines += &format!("{}\n", line.trim_end());
            line = rest.to_owned();
        }
        line += if line.ends_with(' ') { "" } else { " " };
        line += word;
    }
    lines + line.trim_end() + "\n"
}

/// Compares what stands between two lines of a file with what should, or writes it if it is asked to.
fn is_current(path: &str, (begin, end): (&str, &str), wanted: &str) {
    let file = root(path);
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{path}: no {begin:?}"));
    let (found, after) = rest.split_once(end).unwrap_or_else(|| panic!("{path}: no {end:?}"));
    if std::env::var_os("UPDATE_OPTIONS").is_some() {
        std::fs::write(&file, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    assert!(found == wanted, "{path} is out of date: UPDATE_OPTIONS=1 cargo test --test interface options");
}

#[test]
fn the_header_lists_them() {
    let line = |option: &Described| {
        let text = format!("- `{}` ({}): {}", option.name, option.bounds, option.text);
        wrapped(&text, "/// ", "///   ", 116)
    };
    let list: String = options().iter().map(line).collect();
    is_current(
        "src/ffi/library.rs",
        ("/// Options, with ranges and defaults:\n///\n", "///\n/// Some options may be "),
        &list,
    );
}

#[test]
fn the_manual_lists_them() {
    let row = |option: &Described| {
        let cell = |text: &str| text.replace('|', "\\|");
        format!("| `{}` | {} | {} |\n", option.name, cell(&option.bounds), cell(&option.text))
    };
    let rows: String = options().iter().map(row).collect();
    let table = format!("| option | range and default | meaning |\n|---|---|---|\n{rows}");
    is_current(
        "docs/options.md",
        ("<!-- The test of the options writes this table. -->\n\n", "\n<!-- End. -->"),
        &table,
    );
    // Before the table stands one by purpose.
    let page = std::fs::read_to_string(root("docs/options.md")).unwrap();
    let (overview, _) = page.split_once("<!--").unwrap();
    for option in options() {
        let top = option.name.split(['.', '[']).next().unwrap();
        assert!(overview.contains(&format!("`{top}`")), "the overview does not name {top}");
    }
}

#[test]
fn the_docstring_lists_them() {
    let line = |option: &Described| {
        let text = format!("* ``{}`` ({}): {}", option.name, option.bounds, option.text);
        wrapped(&text.replace('`', "``").replace("````", "``"), "    ", "      ", 116)
    };
    let list: String = options().iter().map(line).collect();
    let between = ("    Options, with ranges and defaults:\n\n", "\n    Callbacks run on");
    is_current("bindings/python/src/libotp/_service.py", between, &list);
}

/// The members of an object, in TypeScript.
fn members(options: &[Described], prefix: &str) -> String {
    let mut written = String::new();
    for option in options {
        let Some(name) = option.name.strip_prefix(prefix) else { continue };
        let kind = match option.kind.as_str() {
            "text" => "string",
            "texts" => "string[]",
            "integer" | "number" => "number",
            other => other,
        };
        let member = match name.split_once(['.', '[']) {
            None => {
                let text = format!("{} {}.", option.text, capitalised(&option.bounds));
                let mark = if name == "channel" { ":" } else { "?:" };
                let comment = wrapped(&text, "   * ", "   * ", 116);
                format!("  /**\n{comment}   */\n  {name}{mark} {kind};\n")
            }
            Some((name, rest)) => {
                let (name_of_type, list) = (interface(name), if rest.starts_with(']') { "[]" } else { "" });
                format!("  {name}?: {name_of_type}{list};\n")
            }
        };
        if !written.ends_with(&member) {
            written += &member;
        }
    }
    written
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

fn interface(member: &str) -> &'static str {
    match member {
        "policy" => "Policy",
        "subjectFailures" => "SubjectFailures",
        "sender" => "Sender",
        "workflow" => "Step",
        "webhook" => "WebhookConfig",
        other => panic!("no interface of {other}"),
    }
}

#[test]
fn the_types_list_them() {
    let options = options();
    let top = members(&options, "");
    let legacy = "  /** The tutorial's `nexmo.json` has these here: the sender is `dispatch`. */\n  \
                  apiKey?: string;\n  apiSecret?: string;\n  applicationId?: string;\n";
    let mut all = format!(
        "/** The configuration: every member is optional. `otp.h` tells more at `otp_open`. */\nexport interface Config \
         {{\n{top}{legacy}}}\n"
    );
    for (name, prefix, what) in [
        ("Policy", "policy.", "Limits."),
        ("SubjectFailures", "policy.subjectFailures.", "When wrong codes lock a subject."),
        ("Sender", "sender.", "Who delivers. A function given as the option `sender` takes its place."),
        ("Step", "workflow[].", "A step of the workflow."),
        ("WebhookConfig", "webhook.", "How webhooks of the carrier are checked."),
    ] {
        all += &format!("\n/** {what} */\nexport interface {name} {{\n{}}}\n", members(&options, prefix));
    }
    let between = ("// The test of the options writes these interfaces.\n\n", "\n// End.");
    is_current("bindings/node/index.d.cts", between, &all);
}
