import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, read, remove, write } from './magic';

test('a cell without the line is no job cell', () => {
  for (const source of [
    '',
    'x = 1',
    '%%kfx',
    '# %%kf',
    'x\n%%kf',
    '%kf',
    '%%time\n%%kf'
  ]) {
    assert.equal(read(source), null, source);
  }
});

test('options are read however they are written', () => {
  const wanted = {
    workers: 4,
    profile: 'a 100',
    name: 'night',
    detach: true,
    others: []
  };
  for (const line of [
    '%%kf --workers 4 --profile "a 100" --name night --detach',
    "%%kf -w 4 -p 'a 100' -n night -d",
    '%%kf --detach --name=night --profile="a 100" --workers=4'
  ]) {
    assert.deepEqual(read(`${line}\nx = 1`), wanted, line);
  }
});

test('what is not known is kept, and where it stood in the text does not matter', () => {
  const line = read('%%kf --quiet --workers 3 --start-timeout 5\npass');
  assert.deepEqual(line?.others, ['--quiet', '--start-timeout', '5']);
  assert.equal(format(line!), '%%kf --workers 3 --quiet --start-timeout 5');
});

test('a line that makes no sense is not taken for a number', () => {
  assert.equal(read('%%kf --workers many')?.workers, undefined);
  assert.equal(read('%%kf --workers')?.workers, undefined);
});

test('writing puts, replaces and keeps the rest byte for byte', () => {
  const body = 'a = """\n%%kf not this\n"""\n\n';
  const line = { workers: 2, detach: false, others: [] };
  const once = write(body, line);
  assert.equal(once, `%%kf --workers 2\n${body}`);
  assert.equal(
    write(once, { ...line, workers: 8 }),
    `%%kf --workers 8\n${body}`
  );
  assert.equal(remove(once), body);
  assert.equal(remove(body), body);
  assert.equal(write('\n\n%%kf\nx', line), '%%kf --workers 2\nx');
  assert.deepEqual(read(once), line);
});
