// Whether the service can do its work: creates and verifies a code, as a tenant of its own.
import { Service } from 'libotp';

/** How long an answer holds: whoever asks often does not make codes as often. */
const HOLDS_MS = 1_000;

/** What says where codes are kept, and under which key. */
const STORAGE = ['repository', 'key', 'keyFile', 'previousKeys', 'durability'];

/** Opens a service of its own on the repository of this configuration: `{ isReady(), stop(), close() }`. */
export async function openReadiness(config) {
  const members = Object.entries(JSON.parse(config)).filter(([name]) => STORAGE.includes(name));
  const probe = await Service.open({
    ...Object.fromEntries(members),
    namespace: 'otp-service readiness',
    sender: { type: 'none' },
    policy: { retentionMinutes: 0 },
  });
  let stopping = false;
  let last = { holdsUntil: 0 };
  // However many ask, one code is under way: the threads are left to the work of clients.
  const isReady = () => {
    if (performance.now() < last.holdsUntil) return last.answer;
    const current = { holdsUntil: Infinity };
    current.answer = tryACode(probe).finally(() => {
      current.holdsUntil = performance.now() + HOLDS_MS;
    });
    last = current;
    return current.answer;
  };
  return {
    isReady: async () => !stopping && isReady(),
    /** No new work is taken any more. */
    stop: () => {
      stopping = true;
    },
    close: () => probe.close(),
  };
}

async function tryACode(probe) {
  try {
    const { code } = await probe.create('ready');
    return await probe.verify('ready', code);
  } catch {
    return false;
  }
}
