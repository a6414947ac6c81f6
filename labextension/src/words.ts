/* States, times and reasons in words. Pure; every string goes through the translator. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { JobState, JobStatus } from './wire';

const SIGNS: Record<JobState, string> = {
  PENDING: '…',
  RUNNING: '▶',
  SUCCEEDED: '✓',
  FAILED: '✗',
  CANCELLED: '■'
};

export function sign(state: JobState): string {
  return SIGNS[state];
}

export function stateWord(trans: TranslationBundle, state: JobState): string {
  switch (state) {
    case 'PENDING':
      return trans.__('waiting');
    case 'RUNNING':
      return trans.__('running');
    case 'SUCCEEDED':
      return trans.__('succeeded');
    case 'FAILED':
      return trans.__('failed');
    case 'CANCELLED':
      return trans.__('cancelled');
  }
}

/** How many replicas are there, of how many. */
export function readyText(trans: TranslationBundle, job: JobStatus): string {
  const count = job.spec.replicas;
  if (job.state === 'PENDING' || job.state === 'RUNNING') {
    const ready = job.replicas.filter(
      r => r.state === 'RUNNING' || r.state === 'SUCCEEDED'
    ).length;
    return trans.__('%1/%2 workers ready', ready, count);
  }
  return trans._n('%1 worker', '%1 workers', count);
}

/** Seconds the job took or has taken by `now`; null before its start. */
export function elapsed(job: JobStatus, now: number): number | null {
  if (job.started === null) {
    return null;
  }
  return Math.max(0, (job.finished ?? now) - job.started);
}

/** 4.2 s, 1:05 min, 2:03 h. */
export function duration(seconds: number): string {
  if (seconds < 60) {
    return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  }
  const whole = Math.round(seconds);
  const [large, small, unit] =
    whole < 3600
      ? [Math.floor(whole / 60), whole % 60, 'min']
      : [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), 'h'];
  return `${large}:${String(small).padStart(2, '0')} ${unit}`;
}

const TIME: Intl.DateTimeFormatOptions = {
  hour: '2-digit',
  minute: '2-digit'
};
const DAY: Intl.DateTimeFormatOptions = {
  day: 'numeric',
  month: 'short',
  year: 'numeric'
};
const formats = new Map<string, Intl.DateTimeFormat>(); // to make one takes long

/** A moment as people say it; the time alone for today. */
export function moment(seconds: number, now: number, locale?: string): string {
  const date = new Date(seconds * 1000);
  const today = new Date(now * 1000).toDateString() === date.toDateString();
  const key = `${locale} ${today}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(locale, today ? TIME : DAY);
    formats.set(key, format);
  }
  return format.format(date);
}
