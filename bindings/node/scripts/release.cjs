'use strict';

// node scripts/release.cjs FOLDER [LIBRARY [LICENCES]]: writes the packages to publish to FOLDER: `libotp`, which runs
// nothing when it is installed and depends on a package for each platform that LIBOTP_PLATFORMS names, parted by commas
// (by default this one alone: a lock file wants all that are named), and the package for this platform, with LIBRARY in
// it (by default the one that is built here) and the file of the licences of what is in that. `libotp` is published last.

const fs = require('node:fs');
const path = require('node:path');
const library = require('../lib/library.cjs');

const PLATFORMS = (process.env.LIBOTP_PLATFORMS ?? path.basename(library.platformPackage())).split(',');

const own = JSON.parse(fs.readFileSync(path.join(library.PACKAGE, 'package.json'), 'utf8'));

function write(folder, name, content) {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
}

/** The licences of the checkout around this package, beside what they are for. */
function licences(folder) {
  const root = path.resolve(library.PACKAGE, '../..');
  const names = fs.readdirSync(root).filter((name) => name.startsWith('LICENSE'));
  if (names.length === 0) throw new Error(`${root}: no LICENSE`);
  fs.mkdirSync(folder, { recursive: true });
  for (const name of names) fs.copyFileSync(path.join(root, name), path.join(folder, name));
}

/** The package of every system: JavaScript and types. */
function writeMain(folder) {
  const { scripts: _scripts, devDependencies: _development, ...kept } = own;
  const platforms = PLATFORMS.map((platform) => [`@libotp/${platform}`, own.version]);
  const files = ['index.*', 'metrics.*', 'lib/*.cjs', 'LICENSE*'];
  write(folder, 'package.json', { ...kept, files, optionalDependencies: Object.fromEntries(platforms) });
  fs.cpSync(path.join(library.PACKAGE, 'lib'), path.join(folder, 'lib'), { recursive: true });
  const names = fs.readdirSync(library.PACKAGE).filter((name) => /^(index\.|metrics\.|README)/.test(name));
  for (const name of names) fs.copyFileSync(path.join(library.PACKAGE, name), path.join(folder, name));
}

/** The package of this platform: the library alone. */
function writePlatform(folder, file) {
  const [os, cpu, libc] = path.basename(folder).split('-');
  const names = { gnu: 'glibc', musl: 'musl' };
  write(folder, 'package.json', {
    name: library.platformPackage(),
    version: own.version,
    description: `The library of libotp for ${path.basename(folder)}`,
    license: own.license,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [names[libc]] }),
    files: [library.fileName(), 'LICENSE*'],
  });
  fs.copyFileSync(file, path.join(folder, library.fileName()));
}

const [folder, file = library.built(), parts] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: node scripts/release.cjs FOLDER [LIBRARY [LICENCES]]\n');
  process.exit(2);
}
const packages = [path.join(folder, 'libotp'), path.join(folder, library.platformPackage().replace('@libotp/', ''))];
writeMain(packages[0]);
writePlatform(packages[1], file);
packages.forEach(licences);
if (parts !== undefined) fs.copyFileSync(parts, path.join(packages[1], path.basename(parts)));
