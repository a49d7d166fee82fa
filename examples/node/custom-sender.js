// Delivers codes by a function of your own. `npm install` here, then `node custom-sender.js`.
import { NotSent, SendError, Service } from 'libotp';

const delivered = [];

/** Stands for your mail or SMS provider. Returning says sent; NotSent, certainly not; any other error, perhaps. */
async function deliver({ channel, to, text }) {
  if (to.startsWith('39000')) throw new NotSent('no such number');
  if (to.startsWith('39111')) throw new Error('the connection broke');
  delivered.push({ channel, to, text });
}

const otp = await Service.open({ repository: 'memory:', message: 'Your code is {code}' }, { sender: deliver });

await otp.create('one', { phoneNumber: '393331234567' });
const [{ channel, text }] = delivered;
console.log(`sent by ${channel}: ${text.replace(/\d/g, '*')}`);
console.log('it verifies:', await otp.verify('one', text.replace('Your code is ', '')));

for (const phoneNumber of ['390001234567', '391111234567']) {
  try {
    await otp.create(phoneNumber, { phoneNumber });
  } catch (error) {
    if (!(error instanceof SendError)) throw error;
    // In doubt the user may have the code: ask for it, and do not send another at once.
    console.log(`${error.code}, in doubt: ${error.inDoubt}, the code is ${(await otp.status(phoneNumber)).state}`);
  }
}

await otp.close();
