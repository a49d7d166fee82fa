// The same module as `require('libotp/metrics')`.
import metrics from './metrics.cjs';

export const { collectMetrics } = metrics;
