// The same types for `require`, and the same classes.
import libotp = require('libotp');
import metrics = require('libotp/metrics');

async function main(): Promise<boolean> {
  const otp: libotp.Service = await libotp.Service.open({ repository: 'memory:' });
  const remove: () => void = metrics.collectMetrics(otp);
  try {
    return (await otp.check('session', '000000')).result === 'OK';
  } finally {
    remove();
    await otp.close();
  }
}

main().catch((error: unknown) => console.log(error instanceof libotp.Refused));
