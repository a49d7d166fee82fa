export * from './metrics.cjs';
