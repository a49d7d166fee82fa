// Makes main.js one file by each bundler: node bundle.cjs FOLDER
const path = require('node:path');
const esbuild = require('esbuild');
const webpack = require('webpack');

const [folder] = process.argv.slice(2);
const entry = path.join(__dirname, 'main.js');
const native = ['koffi', 'ffi-napi', 'ref-napi'];

function byEsbuild() {
  const common = { entryPoints: [entry], bundle: true, platform: 'node', external: native, logLevel: 'error' };
  esbuild.buildSync({ ...common, outfile: path.join(folder, 'esbuild.cjs') });
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  esbuild.buildSync({ ...common, format: 'esm', banner, outfile: path.join(folder, 'esbuild.mjs') });
}

function byWebpack() {
  const externals = Object.fromEntries(native.map((name) => [name, `commonjs ${name}`]));
  const output = { path: folder, filename: 'webpack.cjs' };
  webpack({ mode: 'production', target: 'node', entry, externals, output }, (error, result) => {
    if (!error && !result.hasErrors()) return;
    console.error(error ?? result.toString());
    process.exitCode = 1;
  });
}

byEsbuild();
byWebpack();
