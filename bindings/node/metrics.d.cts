import type { OpenMetricsContentType, PrometheusContentType, Registry } from 'prom-client';
import type { Service } from './index.cjs';

/**
 * Shows a service's counters to `prom-client`, which is yours to install: they are read whenever the registry is.
 * `otp metrics` shows the same names. A registry takes one service; another needs a registry of its own.
 *
 * @param service What is to be read.
 * @param registry Where to; without it `register`, that of the whole process.
 * @returns Takes them out of the registry again. To be called before the service is closed.
 */
export function collectMetrics(
  service: Pick<Service, 'metrics'>,
  registry?: Registry<PrometheusContentType> | Registry<OpenMetricsContentType>,
): () => void;
