import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobStatus } from './wire';
import { duration, elapsed, moment } from './words';

test('durations as people say them', () => {
  const pairs: [number, string][] = [
    [0, '0.0 s'],
    [9.94, '9.9 s'],
    [59.4, '59 s'],
    [65, '1:05 min'],
    [3599.6, '1:00 h'],
    [7380, '2:03 h']
  ];
  for (const [seconds, words] of pairs) {
    assert.equal(duration(seconds), words);
  }
});

test('time runs from the start to the end, and not before', () => {
  const job = (started: number | null, finished: number | null): JobStatus =>
    ({ started, finished }) as JobStatus;
  assert.equal(elapsed(job(null, null), 5), null);
  assert.equal(elapsed(job(3, null), 5), 2);
  assert.equal(elapsed(job(3, 4), 50), 1);
  assert.equal(elapsed(job(6, null), 5), 0); // clocks differ
});

test('today by the hour, else by the day', () => {
  const noon = new Date(2026, 4, 3, 12, 0).getTime() / 1000;
  assert.match(moment(noon, noon + 60, 'en-GB'), /^12:00$/);
  assert.equal(moment(noon, noon + 86_400, 'en-GB'), '3 May 2026');
});
