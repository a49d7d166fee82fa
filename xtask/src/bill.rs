//! What is in the library: a bill of materials (CycloneDX 1.5), and the licences of all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::library::{self, Recipe};
use crate::{Fault, cargo, read, root, run};

/// A crate that is part of the library.
struct Part {
    name: String,
    version: String,
    licence: String,
    folder: PathBuf,
    checksum: Option<String>,
    /// The identifiers of the crates that it needs.
    needs: Vec<String>,
}

/// The parts by cargo's identifiers, and the library's own.
pub struct Bill {
    own: String,
    parts: BTreeMap<String, Part>,
}

impl Part {
    fn reference(&self) -> String {
        // The crate of this name on the registry is another project's.
        let registry = if ["libotp", "otp-tools"].contains(&&*self.name) { "generic" } else { "cargo" };
        format!("pkg:{registry}/{}@{}", self.name, self.version)
    }
}

impl Bill {
    /// Of a package of the workspace: the library, or the command, which has it in it.
    pub fn of(recipe: &Recipe, own: &str) -> Result<Self, Fault> {
        let target = library::target()?;
        let mut cargo = Command::new(cargo());
        cargo.current_dir(root()).args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &target]);
        let told = run(cargo.args(recipe.features()))?;
        let told: Value = serde_json::from_str(&told).map_err(|cause| format!("cargo metadata: {cause}"))?;
        let mut bill = Self { own: String::new(), parts: BTreeMap::new() };
        let used = used(recipe, own, &target)?;
        let checksums = checksums()?;
        for package in list(&told["packages"]) {
            let [id, name, version] = ["id", "name", "version"].map(|member| text(&package[member]));
            let key = (name.clone(), version.clone());
            if !used.contains(&key) {
                continue;
            }
            if name == own {
                bill.own.clone_from(&id);
            }
            let folder = Path::new(&text(&package["manifest_path"])).parent().map(Path::to_owned).unwrap_or_default();
            let checksum = checksums.get(&key).cloned();
            let licence = text(&package["license"]);
            let _ = bill.parts.insert(id, Part { name, version, licence, folder, checksum, needs: Vec::new() });
        }
        for node in list(&told["resolve"]["nodes"]) {
            let is_normal = |kind: &Value| kind["kind"].is_null();
            let needs = list(&node["deps"]).filter(|need| list(&need["dep_kinds"]).any(is_normal));
            let needs: Vec<_> = needs.map(|need| text(&need["pkg"])).filter(|id| bill.parts.contains_key(id)).collect();
            if let Some(part) = bill.parts.get_mut(&text(&node["id"])) {
                part.needs = needs;
            }
        }
        Ok(bill)
    }

    /// As CycloneDX 1.5 has it, and with SQLite, whose sources lie in a crate.
    pub fn cyclonedx(&self) -> Result<String, Fault> {
        let others = || self.parts.iter().filter(|(id, _)| **id != self.own);
        let sqlite = self.sqlite()?;
        let mut components: Vec<_> = others().map(|(_, part)| component(part)).collect();
        components.extend(compilers()?.into_iter().map(|(name, version, licence)| {
            json!({"type": "library", "bom-ref": format!("{name}@{version}"), "name": name, "version": version,
                   "licenses": [{"expression": licence}]})
        }));
        components.push(json!({
            "type": "library", "bom-ref": format!("pkg:generic/sqlite@{sqlite}"), "name": "sqlite", "version": sqlite,
            "purl": format!("pkg:generic/sqlite@{sqlite}"), "licenses": [{"license": {"id": "blessing"}}],
        }));
        let reference = |id: &String| self.parts[id].reference();
        let dependencies = self.parts.values().map(|part| {
            let mut needs: Vec<_> = part.needs.iter().map(reference).collect();
            if part.name == "libsqlite3-sys" {
                needs.push(format!("pkg:generic/sqlite@{sqlite}"));
            }
            json!({"ref": part.reference(), "dependsOn": needs})
        });
        let own = self.parts.get(&self.own).ok_or("cargo metadata: no such package")?;
        let root = component(own);
        let bill = json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
            "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
            "metadata": {"component": root},
            "components": components,
            "dependencies": dependencies.collect::<Vec<_>>(),
        });
        Ok(format!("{bill:#}\n"))
    }

    fn sqlite(&self) -> Result<String, Fault> {
        let holder = self.parts.values().find(|part| part.name == "libsqlite3-sys").ok_or("no libsqlite3-sys")?;
        let header = read(&holder.folder.join("sqlite3/sqlite3.h"))?;
        let version = header.lines().find_map(|line| line.strip_prefix("#define SQLITE_VERSION "));
        version.map(|version| version.trim().trim_matches('"').to_owned()).ok_or("sqlite3.h: no version".to_owned())
    }

    /// The licences of all parts but our own, each text once, and whose it is.
    pub fn licences(&self) -> Result<String, Fault> {
        let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let own = self.parts.get(&self.own).map(|part| part.name.as_str()).unwrap_or_default();
        let mut all = format!("{own} has these in it, each under the licence beside it:\n\n");
        for part in self.parts.iter().filter(|(id, _)| **id != self.own).map(|(_, part)| part) {
            let name = format!("{} {}", part.name, part.version);
            all += &format!("{name}: {}\n", part.licence);
            for file in licence_files(&part.folder)? {
                texts.entry(read(&file)?.trim().to_owned()).or_default().push(name.clone());
            }
        }
        all += &format!("SQLite {}: in the public domain (https://sqlite.org/copyright.html)\n", self.sqlite()?);
        for (name, version, licence) in compilers()? {
            all += &format!("{name} {version}: {licence}\n");
        }
        let mut texts: Vec<_> = texts.into_iter().collect();
        texts.sort_by(|one, other| one.1.cmp(&other.1));
        for (text, names) in texts {
            all += &format!("\n{}\n{}:\n\n{text}\n", "=".repeat(80), names.join(", "));
        }
        Ok(all)
    }
}

fn component(part: &Part) -> Value {
    let mut component = json!({
        "type": "library", "bom-ref": part.reference(), "name": part.name, "version": part.version,
        "purl": part.reference(), "licenses": [{"expression": part.licence.replace('/', " OR ")}],
    });
    if let Some(checksum) = &part.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

/// The names and versions of what is built into the library.
fn used(recipe: &Recipe, package: &str, target: &str) -> Result<BTreeSet<(String, String)>, Fault> {
    let mut cargo = Command::new(cargo());
    cargo.current_dir(root()).args([
        "tree",
        "--locked",
        "--package",
        package,
        "--edges",
        "normal,no-proc-macro",
        "--target",
        target,
    ]);
    let told = run(cargo.args(["--prefix", "none", "--no-dedupe", "--format", "{p}"]).args(recipe.features()))?;
    let pair = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    };
    Ok(told.lines().filter_map(pair).collect())
}

/// What compilers put in: name, version, licence.
fn compilers() -> Result<[(&'static str, String, &'static str); 2], Fault> {
    let told = run(Command::new("rustc").arg("-vV"))?;
    let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    Ok([
        ("rust-standard-library", value("release: "), "MIT OR Apache-2.0"),
        ("llvm-compiler-rt-and-libunwind", value("LLVM version: "), "Apache-2.0 WITH LLVM-exception"),
    ])
}

/// The checksums in `Cargo.lock`.
fn checksums() -> Result<BTreeMap<(String, String), String>, Fault> {
    let lock = read(&root().join("Cargo.lock"))?;
    let entry = |entry: &str| {
        let value = |name: &str| {
            let line = entry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
            line.map(|value| value.trim_end_matches('"').to_owned())
        };
        Some(((value("name")?, value("version")?), value("checksum")?))
    };
    Ok(lock.split("[[package]]").filter_map(entry).collect())
}

/// The files of a crate that say how it may be used.
fn licence_files(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = std::fs::read_dir(folder).map_err(|cause| format!("{}: {cause}", folder.display()))?;
    let is_licence = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        path.is_file() && ["LICEN", "COPYING", "NOTICE", "COPYRIGHT"].iter().any(|begin| name.starts_with(begin))
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_licence).collect();
    files.sort();
    Ok(files)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
