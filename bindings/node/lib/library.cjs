'use strict';

// Where the shared library is. Nothing is loaded here: the install script asks as well.

const fs = require('node:fs');
const path = require('node:path');

const PACKAGE = path.dirname(__dirname);

/** The file name of the library on this system. */
function fileName(platform = process.platform) {
  return platform === 'darwin' ? 'libotp.dylib' : 'libotp.so';
}

/** The name of the package that holds a library for this system, such as `@libotp/linux-x64-gnu`. */
function platformPackage() {
  const { platform, arch } = process;
  if (platform !== 'linux') return `@libotp/${platform}-${arch}`;
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl';
  return `@libotp/${platform}-${arch}-${libc}`;
}

/** The library that the install script built. */
function built() {
  return path.join(PACKAGE, 'native', fileName());
}

/** The library of the platform's package, if that is installed. */
function fromPlatformPackage() {
  try {
    return require.resolve(`${platformPackage()}/${fileName()}`);
  } catch {
    return undefined;
  }
}

/**
 * The path of the library: `LIBOTP_LIBRARY`, else the platform's package, else what the install script built.
 * Undefined if there is none.
 */
function find() {
  if (process.env.LIBOTP_LIBRARY) return path.resolve(process.env.LIBOTP_LIBRARY);
  return fromPlatformPackage() ?? (fs.existsSync(built()) ? built() : undefined);
}

module.exports = { PACKAGE, fileName, platformPackage, fromPlatformPackage, built, find };
