// Creates a code and verifies it. `npm install` here, then `node create-verify.js`.
import { Service } from 'libotp';

// With sender type `none` the message comes back, and delivering it is up to you.
const otp = await Service.open({ repository: 'memory:', sender: { type: 'none' }, maxAttempts: 3 });

// The token is yours: a session, an account, a transaction.
const { code, text, expiresInSeconds } = await otp.create('session 1', { phoneNumber: '+39 333 123 4567' });
console.log(`to send: ${text.replace(code, '******')}, good for ${expiresInSeconds > 240 ? 'five minutes' : 'less'}`);

const wrong = code.replace(/\d/g, (digit) => String((Number(digit) + 1) % 10));
console.log('a wrong code:', await otp.verify('session 1', wrong));
console.log('the code:', await otp.verify('session 1', code));
console.log('the code again:', await otp.verify('session 1', code));

// `check` tells why.
const { result, attemptsLeft } = await otp.check('session 1', code);
console.log(`why not: ${result}, ${attemptsLeft} wrong codes left`);

await otp.close();
