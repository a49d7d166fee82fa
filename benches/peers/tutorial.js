// The repository of the tutorial that libotp grew out of, written anew to be measured: one JSON file for each token and
// code, read, compared and written back, with no lock and no sync. Its flaws are kept, since they are what makes it
// fast; its log is not. Prints a line for each kind of work: its name and the nanoseconds of each operation.
"use strict";

const fs = require("fs");
const path = require("path");

const [folder, count] = [process.argv[2], Number(process.argv[3])];
const validityTime = 5;
const otpLength = 5;

function fileOf(token, code) {
  return path.join(folder, `${token}-${code}.json`);
}

function create(token) {
  let code = "";
  for (let digit = 0; digit < otpLength; digit += 1) {
    code += Math.floor(Math.random() * 10);
  }
  const item = { token, code, creationDate: new Date().toISOString(), isChecked: false };
  fs.writeFileSync(fileOf(token, code), JSON.stringify(item));
  return code;
}

function verify(token, code) {
  const file = fileOf(token, code);
  if (!fs.existsSync(file)) {
    return "not found";
  }
  const item = JSON.parse(fs.readFileSync(file, "utf8"));
  if (item.isChecked) {
    return "already verified";
  }
  const minutes = Math.floor(((Date.now() - new Date(item.creationDate)) % 3.6e6) / 6e4);
  if (minutes > validityTime) {
    return "expired";
  }
  item.isChecked = true;
  fs.writeFileSync(file, JSON.stringify(item));
  return "valid";
}

function measure(name, expected, work) {
  const times = [];
  for (let item = 0; item < count; item += 1) {
    const begun = process.hrtime.bigint();
    const result = work(item);
    times.push(process.hrtime.bigint() - begun);
    if (expected !== undefined && result !== expected) {
      throw new Error(`${name}: ${result}`);
    }
  }
  console.log(`${name} ${times.join(" ")}`);
}

// Each round begins with an empty folder.
fs.rmSync(folder, { recursive: true, force: true });
fs.mkdirSync(folder);
const codes = [];
measure("create", undefined, (item) => codes.push(create(`session-${item}`)));
measure("verify", "valid", (item) => verify(`session-${item}`, codes[item]));
measure("wrong", "not found", (item) => verify(`session-${item}`, "wrong"));
measure("unknown", "not found", (item) => verify(`nobody-${item}`, "12345"));
