//! Calls and imports go one way, down, as `docs/ARCHITECTURE.md` draws them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who needs whom.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The sources below a folder, without their tests: path within it, and text without comments.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_stem().unwrap().to_str().unwrap();
            if name == "tests" || ["conformance", "samples", "signer"].contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().lines();
            let code = code.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            found.push((path.strip_prefix(folder).unwrap().to_owned(), code));
        }
    }
    found
}

fn source(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// The names that follow this in a text.
fn names<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(before).skip(1).map(move |rest| rest.split(|letter| !is_part(letter)).next().unwrap())
}

/// The first names of a list in braces that begins so.
fn listed<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    let lists = text.split(begin).skip(1).map(|rest| rest.split("};").next().unwrap());
    lists.flat_map(|list| list.split(',').map(|name| name.trim().split("::").next().unwrap()))
}

/// A way that comes back to where it began.
fn cycle(graph: &Graph) -> Option<Vec<String>> {
    fn walk(graph: &Graph, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let last = way.last().unwrap().clone();
        for next in graph.get(&last).into_iter().flatten() {
            if let Some(place) = way.iter().position(|name| name == next) {
                way.drain(..place);
                return true;
            }
            if done.insert(next.clone()) {
                way.push(next.clone());
                if walk(graph, way, done) {
                    return true;
                }
                way.pop();
            }
        }
        false
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|name| {
        let mut way = vec![name.clone()];
        walk(graph, &mut way, &mut done).then_some(way)
    })
}

/// What the modules of a crate import of each other.
fn imports(folder: &str) -> Graph {
    let mut graph = Graph::new();
    let sources = sources(&source(folder));
    let module = |path: &Path| path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
    let modules: BTreeSet<_> = sources.iter().map(|(path, _)| module(path)).collect();
    for (path, code) in &sources {
        let own = module(path);
        let all = names(code, "crate::").chain(listed(code, "use crate::{"));
        let needed = all.filter(|name| modules.contains(*name) && *name != own);
        graph.entry(own.clone()).or_default().extend(needed.map(str::to_owned));
    }
    // What Rust calls the root re-exports what stands in the rooms, for the world outside.
    graph.remove("lib");
    // And what stands in a program's root serves all of it.
    graph.remove("main");
    graph
}

#[test]
fn the_programs_have_no_circle_either() {
    for (folder, modules) in [("service/src", 5), ("tools/src", 20), ("xtask/src", 10), ("simulator/src", 3)] {
        let graph = imports(folder);
        assert!(graph.len() > modules, "{folder}: {graph:?}");
        assert_eq!(cycle(&graph), None, "{folder}");
    }
}

#[test]
fn no_module_imports_one_that_imports_it() {
    let graph = imports("src");
    assert!(graph.len() > 30 && graph["service"].contains("record"), "{graph:?}");
    assert_eq!(cycle(&graph), None);
    assert!(graph.values().all(|needs| !needs.contains("ffi")), "nothing needs the border");
    let pure = ["repository", "service", "sender", "files", "fork", "sys", "keys", "config"];
    for room in ["record", "policy", "workflow"] {
        assert!(pure.iter().all(|other| !graph[room].contains(*other)), "{room}: {:?}", graph[room]);
    }
}

/// The functions of `service` that other files of it call, by the file that has them.
#[test]
fn service_calls_downwards_only() {
    let sources = sources(&source("src/service"));
    let file = |path: &Path| path.to_str().unwrap().trim_end_matches(".rs").to_owned();
    let mut homes: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (path, code) in &sources {
        for name in names(code, "fn ") {
            homes.entry(name).or_default().insert(file(path));
        }
    }
    let mut graph = Graph::new();
    for (path, code) in &sources {
        let own = file(path);
        let needs = graph.entry(own.clone()).or_default();
        for (name, homes) in homes.iter().filter(|(_, homes)| homes.len() == 1 && !homes.contains(&own)) {
            let is_called =
                ["self", "core", "self.core"].iter().any(|owner| code.contains(&format!("{owner}.{name}(")));
            if is_called {
                needs.extend(homes.iter().cloned());
            }
        }
        let all = names(code, "super::").chain(listed(code, "use super::{"));
        let imported = all.filter(|name| sources.iter().any(|(path, _)| file(path) == *name));
        needs.extend(imported.filter(|name| *name != own).map(str::to_owned));
    }
    assert!(graph["webhook"].contains("deliver") && graph["create"].contains("rows"), "{graph:?}");
    assert_eq!(cycle(&graph), None);
}

#[test]
fn a_cycle_is_found() {
    let edges = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    };
    assert_eq!(cycle(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(cycle(&edges(&[("a", "b"), ("b", "c"), ("c", "b")])).map(|way| way.len()), Some(2));
}

/// Unsafe code stands at the border and in the core's `sys` alone; no file is longer than a reader's patience.
#[test]
fn unsafe_code_and_long_files() {
    for (path, code) in sources(&source("src")) {
        let is_allowed = path.starts_with("ffi") || path.starts_with("sys") || path == Path::new("sys.rs");
        assert!(is_allowed || !code.contains("unsafe "), "{}", path.display());
        let lines = std::fs::read_to_string(source("src").join(&path)).unwrap().lines().count();
        assert!(lines <= 400, "{}: {lines}", path.display());
    }
}

/// The Rust sources below a folder.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => rust_files(&path, found),
            false => found.extend(Some(path).filter(|path| path.extension().is_some_and(|ending| ending == "rs"))),
        }
    }
}

/// Whether the file that is a module of the folder's own file or `mod.rs` is named there.
fn is_named(path: &Path) -> bool {
    let (folder, name) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
    let owners =
        ["mod.rs", "main.rs", "lib.rs"].map(|name| folder.join(name)).into_iter().chain([folder.with_extension("rs")]);
    owners
        .filter_map(|owner| std::fs::read_to_string(owner).ok())
        .any(|text| names(&text, "mod ").any(|found| found == name))
}

/// A test that nobody compiles holds nothing.
#[test]
fn every_file_is_part_of_a_crate() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "simulator", "testing/src", "service", "tools", "xtask"] {
        rust_files(&source(folder), &mut files);
    }
    assert!(files.len() > 300, "{}", files.len());
    let is_root = |path: &Path| {
        ["main.rs", "lib.rs"].iter().any(|name| path.ends_with(name)) || path.parent().unwrap().ends_with("examples")
    };
    for path in files.iter().filter(|path| !is_root(path)) {
        let module = if path.ends_with("mod.rs") { path.parent().unwrap() } else { path };
        assert!(is_named(module), "{}", path.display());
    }
    assert!(is_named(&source("src/repository.rs")) && !is_named(&source("src/nobody.rs")));
}
