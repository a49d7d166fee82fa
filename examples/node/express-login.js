// A login by phone number and code. `npm install` here, then `node express-login.js` and:
//   curl -i -c jar -d phoneNumber=393331234567 localhost:3000/login        the code is on standard error
//   curl -i -b jar -d code=CODE localhost:3000/login/code
import { randomBytes } from 'node:crypto';
import express from 'express';
import { OtpError, Refused, Service, resultHttpStatus, resultMessage } from 'libotp';

const otp = await Service.open(process.env.OTP_CONFIG ?? { repository: 'memory:' });
const app = express().use(express.urlencoded({ extended: false, limit: '4kb' }));

app.post('/login', async (request, response) => {
  // The token is a random number that the visitor cannot choose: whoever chose it could ask for another's code.
  const token = randomBytes(16).toString('hex');
  const phoneNumber = String(request.body?.phoneNumber);
  await otp.create(token, { phoneNumber, client: request.ip, idempotencyKey: token });
  response.cookie('login', token, { httpOnly: true, sameSite: 'strict', maxAge: 300_000 });
  response.type('text').send('A code is on its way');
});

app.post('/login/code', async (request, response) => {
  const token = /(?:^|; )login=([0-9a-f]{32})(?:;|$)/.exec(request.get('cookie') ?? '')?.[1];
  if (token === undefined) return response.status(400).type('text').send('Begin with your number');
  if (await otp.verify(token, String(request.body?.code))) {
    // Here you would renew the session and note who this is.
    return response.clearCookie('login').type('text').send('Welcome');
  }
  response.status(401).type('text').send('That is not the code');
});

app.use((error, _request, response, _next) => {
  const result = error instanceof OtpError ? error.result : 'E_INTERNAL';
  if (!(error instanceof Refused)) console.error(`${result}: ${error.message}`);
  response.status(resultHttpStatus(result)).type('text').send(resultMessage(result));
});

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`Server running on port ${server.address().port}`);
});
process.once('SIGTERM', () => {
  server.close(() => otp.close());
  server.closeIdleConnections();
});
