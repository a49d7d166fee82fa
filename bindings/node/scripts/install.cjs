'use strict';

// Run by `npm install`: takes the library from LIBOTP_LIBRARY or the platform's package, or builds it with cargo.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const library = require('../lib/library.cjs');

const CRATE = path.resolve(library.PACKAGE, '../..');

/** Ends the process: npm prints what a script wrote to standard error when it fails. */
function fail(message) {
  process.stderr.write(`libotp: ${message}\n`);
  process.exit(1);
}

/** npm links a folder that it is told to install, and leaves out what that folder depends on. */
function installDependencies() {
  try {
    require.resolve('koffi');
    return;
  } catch {
    if (!fs.existsSync(path.join(library.PACKAGE, 'package-lock.json'))) return;
  }
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
  // Its scripts would start this one again.
  const parameters = [...npm.slice(1), 'ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
  const environment = { ...process.env, INIT_CWD: library.PACKAGE };
  for (const name of ['npm_config_global', 'npm_config_local_prefix', 'npm_config_prefix']) delete environment[name];
  const { status, error } = spawnSync(npm[0], parameters, {
    cwd: library.PACKAGE,
    env: environment,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) fail(`npm ci: ${error?.message ?? `exit status ${status}`}`);
}

/** The path of the library that cargo builds from the crate around this package. */
function build() {
  if (!fs.existsSync(path.join(CRATE, 'Cargo.toml'))) {
    fail(`neither ${library.platformPackage()} nor the library's source is there: set LIBOTP_LIBRARY to its path`);
  }
  const what = ['--package', 'libotp', '--lib', '--features', 'redis,postgres,smtp', '--release', '--locked'];
  const { status, stdout, error } = spawnSync(
    'cargo',
    ['build', ...what, '--message-format=json-render-diagnostics'],
    { cwd: CRATE, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (error?.code === 'ENOENT') fail('cargo is missing: install Rust, or set LIBOTP_LIBRARY to the path of the library');
  if (status !== 0) fail(`cargo build: ${error?.message ?? `exit status ${status}`}`);
  // Cargo tells where its output is, whatever CARGO_TARGET_DIR and its configuration say.
  const messages = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  const files = messages.flatMap((message) => (message.target?.name === 'otp' ? (message.filenames ?? []) : []));
  const file = files.find((name) => path.basename(name) === library.fileName());
  return file ?? fail(`cargo build: it made no ${library.fileName()}`);
}

/** Puts the library where `find` looks, in one step: another process may be loading it. */
function place(file) {
  const target = library.built();
  fs.mkdirSync(path.dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}`;
  fs.copyFileSync(file, temporary);
  fs.renameSync(temporary, target);
}

installDependencies();
if (process.env.LIBOTP_LIBRARY) place(process.env.LIBOTP_LIBRARY);
else if (library.fromPlatformPackage() === undefined) place(build());
