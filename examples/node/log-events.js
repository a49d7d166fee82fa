// The library's events in pino, beside those of your own program. `npm install && node log-events.js`
import { Service } from 'libotp';
import { pino } from 'pino';

const log = pino({ base: undefined });
const events = log.child({ logger: 'otp' });

/** What pino calls the library's levels. */
const LEVELS = { 1: 'error', 2: 'warn', 3: 'info', 4: 'debug' };

/** Hands an event on; pino has a time and a level of its own. It holds no code, token, recipient or key. */
function logger({ level, time: _time, event, ...members }) {
  events[LEVELS[level]](members, event);
}

log.info('the program begins');
const otp = await Service.open({ repository: 'memory:', sender: { type: 'none' } }, { logger });
const { code } = await otp.create('session 1', { phoneNumber: '+39 333 123 4567' });
for (const typed of [`x${code}`, code, code]) await otp.check('session 1', typed);
await otp.close();
