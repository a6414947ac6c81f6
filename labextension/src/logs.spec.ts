import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain, runs } from './ansi';
import { LogLines, LogReader, overwrite } from './logs';

const MARK = '\u001e';
const record = (value: object): string => `${MARK}${JSON.stringify(value)}\n`;

test('records are taken out of the text however it is cut', () => {
  const log =
    `one\n${record({ kind: 'metrics', values: {} })}two` +
    `${record({ kind: 'stderr', text: 'careful\n' })}` +
    `${record({ kind: 'result', data: { 'text/plain': '42' } })}` +
    `${record({ kind: 'begin' })}${MARK}not json\nend`;
  const wanted = 'one\ntwocareful\n42\nnot json\nend';
  for (const size of [1, 2, 7, 1000]) {
    const reader = new LogReader();
    let text = '';
    for (let i = 0; i < log.length; i += size) {
      text += reader.feed(log.slice(i, i + size));
    }
    assert.equal(text, wanted);
  }
});

test('a line grows until its end, and a progress bar overwrites itself', () => {
  const log = new LogLines();
  for (const piece of ['a', 'b\n', '10%\r', '20%\r30%', '\n', '', 'last']) {
    log.add(piece);
  }
  assert.deepEqual(log.lines, ['ab', '30%', 'last']);
  log.add('\n');
  assert.deepEqual(log.lines, ['ab', '30%', 'last']);
  assert.equal(overwrite('dos\r'), 'dos');
  assert.equal(overwrite('abc\b\bX'), 'aX');
});

test('the window is bounded, and counts what went out', () => {
  const log = new LogLines(100);
  for (let i = 0; i < 10_000; i++) {
    log.add(`${i}\n`);
  }
  assert.ok(log.lines.length <= 120);
  assert.equal(log.lines[0], String(log.dropped));
  assert.equal(log.lines[log.lines.length - 1], '9999');
});

test('after a gap the half line is left out and what was before can be put back', () => {
  const log = new LogLines();
  log.take({ kind: 'log', id: 1, from: 0, to: 4, text: 'old\n' });
  log.take({ kind: 'gap', id: 1, from: 4, to: 100 });
  log.take({ kind: 'log', id: 1, from: 100, to: 110, text: 'half' });
  log.take({ kind: 'log', id: 1, from: 110, to: 120, text: ' line\nwhole\n' });
  assert.deepEqual(log.lines, ['whole']);
  assert.equal(log.before, 100);
  log.prepend('x\ny\n', 0);
  assert.deepEqual(log.lines, ['x', 'y', 'whole']);
  assert.equal(log.before, 0);
});

test('colours become classes and never more than that', () => {
  assert.deepEqual(runs('a\u001b[1;31mb\u001b[39mc\u001b[0md<b>'), [
    { text: 'a', className: '' },
    { text: 'b', className: 'ansi-bold ansi-red-fg' },
    { text: 'c', className: 'ansi-bold' },
    { text: 'd<b>', className: '' }
  ]);
  assert.equal(
    plain('\u001b[2K\u001b[36mx\u001b[0m\u001b]0;title\u0007y'),
    'xy'
  );
});
