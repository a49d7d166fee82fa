//! What a server does with the same rows by its own program, when nothing is asked about them.

use std::process::Command;

use testing::postgres::{PASSWORD, Postgres};
use testing::redis::Server;

use super::{ENOUGH, THREADS};
use crate::Size;
use crate::disk::Folder;

/// Bytes of a token's row and of the row of sends, with their versions, about.
const RECORD_BYTES: usize = 150;
const SENDS_BYTES: usize = 32;

/// The rows of an operation by one script, in one round trip: what a create or a verify reads, and what it writes.
pub fn redis_benchmark(server: &Server, rows: usize, size: Size) -> Result<f64, String> {
    let script = "redis.call('TIME') redis.call('MGET', unpack(KEYS)) local is_ours = redis.call('GET', KEYS[1])
        for at = 3, 4 do redis.call('GETRANGE', KEYS[at], '0', '15') end
        for at = 3, #ARGV + 2 do
          redis.call('ZADD', KEYS[2], '0', KEYS[at]) redis.call('SET', KEYS[at], ARGV[at - 2], 'PX', '3600000')
        end return 1";
    let script = server.command(&["SCRIPT", "LOAD", script]);
    let requests = (ENOUGH * size.cell_ms as usize / 1000).to_string();
    let values = [RECORD_BYTES, SENDS_BYTES].map(|bytes| "x".repeat(bytes));
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &server.port.to_string(), "-c", &THREADS.to_string(), "-n", &requests, "-r", "100000000"]);
    command.args(["--csv", "EVALSHA", script.trim(), "4", "{bare}mark", "{bare}rows"]);
    command.args(["{bare}record:__rand_int__", "{bare}sends:__rand_int__"]).args(&values[..rows]);
    // "test","rps",...
    let printed = printed(&mut command)?;
    let rate = printed.lines().last().and_then(|line| line.split("\",\"").nth(1)?.parse().ok());
    rate.ok_or(format!("redis-benchmark printed {printed:?}"))
}

/// The rows of an operation by two statements: one reads them, one writes and commits them.
pub fn pgbench(server: &Postgres, folder: &Folder, rows: usize, size: Size) -> Result<f64, String> {
    let key = |place: usize| format!("md5('{place} ' || :item)::uuid");
    let row = |(place, bytes)| format!("({}, gen_random_uuid(), decode(repeat('ab', {bytes}), 'hex'))", key(place));
    let values: Vec<_> = [RECORD_BYTES, SENDS_BYTES].into_iter().enumerate().take(rows).map(row).collect();
    let script = format!(
        "\\set item random(1, 1000000000)\n\
         SELECT version, content FROM bare WHERE key = ANY (ARRAY[{}, {}]);\n\
         INSERT INTO bare VALUES {} \
         ON CONFLICT (key) DO UPDATE SET version = excluded.version, content = excluded.content;\n",
        key(0),
        key(1),
        values.join(", ")
    );
    let file = folder.file("pgbench.sql");
    std::fs::write(&file, script).expect("a file for the script");
    let (clients, seconds) = (THREADS.to_string(), size.cell_ms.div_ceil(1000).max(2).to_string());
    let mut command = Command::new("pgbench");
    command.env("PGPASSWORD", PASSWORD).args(["-n", "-c", &clients, "-j", "2", "-T", &seconds, "-M", "prepared", "-f"]);
    let printed = printed(command.arg(&file).arg(server.url("postgres")))?;
    let rate = printed.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or(format!("pgbench printed {printed:?}"))
}

fn printed(command: &mut Command) -> Result<String, String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(cause) => Err(format!("{:?}: {cause}", command.get_program())),
    }
}
