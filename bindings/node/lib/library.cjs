'use strict';

// Where the shared library is. Nothing is loaded here: the install script asks as well.

const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');

/** This package's folder; in a bundle, that of the bundle or none. */
const PACKAGE = typeof __dirname === 'string' ? path.dirname(__dirname) : process.cwd();

/** The path of a file of a package that is installed: as seen from here, the program, or the working directory. */
function resolve(name) {
  const places = [path.join(PACKAGE, 'lib/'), process.argv[1], path.join(process.cwd(), 'index.js')];
  for (const place of places.filter(Boolean)) {
    try {
      // Not `require.resolve`, which bundlers put something else in place of.
      return createRequire(place).resolve(name);
    } catch {
      // Not from there.
    }
  }
  return undefined;
}

/** The file name of the library on this system. */
function fileName(platform = process.platform) {
  return platform === 'darwin' ? 'libotp.dylib' : 'libotp.so';
}

/** The C library of this Linux. */
function libc() {
  try {
    return process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl';
  } catch {
    // Deno makes a report for a program with `--allow-sys` alone. It is built for glibc only.
    return 'gnu';
  }
}

/** The name of the package that holds a library for this system, such as `@libotp/linux-x64-gnu`. */
function platformPackage() {
  const { platform, arch } = process;
  if (platform !== 'linux') return `@libotp/${platform}-${arch}`;
  return `@libotp/${platform}-${arch}-${libc()}`;
}

/** The library that the install script built. */
function built() {
  return path.join(PACKAGE, 'native', fileName());
}

/** The library of the platform's package, if that is installed. */
function fromPlatformPackage() {
  return resolve(`${platformPackage()}/${fileName()}`);
}

/** The same, where this is a part of a bundle, and the package is installed beside it. */
function builtElsewhere() {
  const manifest = resolve('libotp/package.json');
  return manifest && path.join(path.dirname(manifest), 'native', fileName());
}

/**
 * The path of the library: `LIBOTP_LIBRARY`, else the platform's package, else what the install script built.
 * Undefined if there is none.
 */
function find() {
  if (process.env.LIBOTP_LIBRARY) return path.resolve(process.env.LIBOTP_LIBRARY);
  return fromPlatformPackage() ?? [built(), builtElsewhere()].find((file) => file && fs.existsSync(file));
}

module.exports = { PACKAGE, fileName, platformPackage, fromPlatformPackage, built, find };
