// What the tests share.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Service } from 'libotp';

/** The backend under test. */
export const backend = process.env.LIBOTP_BACKEND ?? 'koffi';

/** Node itself, and no runtime that is like it. */
export const isNode = process.versions.bun === undefined && process.versions.deno === undefined;

/** The size of a campaign. */
export function size(small, full) {
  const wanted = process.env.OTP_TEST_SIZE ?? 'small';
  assert.ok(['small', 'full'].includes(wanted), `OTP_TEST_SIZE is small or full, not ${wanted}`);
  return wanted === 'full' ? full : small;
}

/** Hands over messages and limits no sends. */
export const UNLIMITED = { repository: 'memory:', sender: { type: 'none' }, policy: { sendLimits: [], cooldownSeconds: 0 } };

/** A service that is closed at the end of the test `t`. */
export async function open(t, config = UNLIMITED, options = {}) {
  const service = await Service.open(config, { backend, ...options });
  t.after(() => service.close());
  return service;
}

/** A folder that is removed at the end of the test `t`. */
export function folder(t) {
  const path_ = mkdtempSync(path.join(tmpdir(), 'libotp-'));
  t.after(() => rmSync(path_, { recursive: true, force: true }));
  return path_;
}

/** A code of the same length that is not `code`. */
export function wrong(code) {
  return code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));
}

/** What a promise rejects with. */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('it did not reject');
}
