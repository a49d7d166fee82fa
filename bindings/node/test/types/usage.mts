// Compiled, not run: what users write must have types, and what they must not write must have none.
import { NotSent, OtpError, SendError, Service, resultHttpStatus, version, type Checked, type Message } from 'libotp';
import { collectMetrics } from 'libotp/metrics';
import { Registry, type OpenMetricsContentType } from 'prom-client';

const config = { repository: 'memory:', policy: { countries: ['39'] }, sender: { type: 'none' } } as const;
await using otp = await Service.open({ ...config, policy: { countries: ['39'] } });
const created = await otp.create('session', { phoneNumber: '393331234567', params: { shop: 'x' } });
const code: string | undefined = created.code;
const yes: boolean = await otp.verify('session', code ?? '');
const checked: Checked = await otp.check('session', '000000', 'pay 10');
const seconds: number | undefined = checked.retryAfterSeconds;
const status: number = resultHttpStatus(checked.result);
const state: string = (await otp.status('session')).delivery.steps[0]?.status ?? 'none';
const { nextDueInMilliseconds } = await otp.runDue();
const reported: boolean = (await otp.report({ clientRef: 'r', status: 'delivered' })).known;
await otp.report({ sender: 'backup', messageId: 'm', status: 'failed', error: 'no such user' });
// @ts-expect-error: a message has one name
await otp.report({ clientRef: 'r', messageId: 'm', sender: 's', status: 'read' });
// @ts-expect-error: no such status
await otp.report({ clientRef: 'r', status: 'accepted' });
const kind: 'status' | 'final' | 'inbound' | 'other' = (await otp.webhook(undefined, Buffer.from('{}'))).kind;
await otp.unlock('393331234567');
await otp.erase('393331234567');
const sent: number = (await otp.metrics()).send?.messages?.in_doubt ?? 0;
const rows: number = (await otp.copy('sqlite:copy.db', { move: true })).rows;

async function deliver(message: Message): Promise<void> {
  if (message.channel !== 'sms') throw new NotSent(message.channel);
}
const logged: string[] = [];
const mine = await Service.open('{}', {
  sender: deliver,
  logger: (event) => logged.push(event.event),
  logLevel: 4,
  clock: () => Date.now(),
  backend: 'ffi-napi',
});
try {
  await mine.resend('session');
  await mine.cancel('session');
} catch (error) {
  if (error instanceof SendError && error.inDoubt) console.log(error.vendorCode);
  else if (error instanceof OtpError && error.code === 'E_STORE') console.log(error.message);
}
await mine.close();
const registry = new Registry<OpenMetricsContentType>();
registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
const remove: () => void = collectMetrics(otp, registry);
remove();
collectMetrics(mine)();
console.log(version(), sent, yes, seconds, status, state, nextDueInMilliseconds, kind);

// @ts-expect-error a number loses the zeros of a code
await otp.verify('session', 12345);
// @ts-expect-error only `open` makes services
new Service();
// @ts-expect-error there is no such result
const wrong: boolean = checked.result === 'VALID';
// @ts-expect-error there is no such option
await Service.open({}, { senders: deliver });
// @ts-expect-error there is no such member
await Service.open({ otpLenght: 6 });
console.log(wrong);
// @ts-expect-error a code has no counters
collectMetrics(code);
