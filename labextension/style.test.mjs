/* Colours come from the theme, whichever it is. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const COLOUR =
  /#[0-9a-f]{3,8}\b|\b(rgba?|hsla?|oklch|color-mix)\(|:\s*(black|white|red|green|blue|gr[ae]y|orange|yellow)\b/i;

test('style/base.css names no colour', async () => {
  const text = await readFile(
    new URL('style/base.css', import.meta.url),
    'utf8'
  );
  const found = text
    .split('\n')
    .filter(line => /[:;]/.test(line) && COLOUR.test(line));
  assert.deepEqual(found, []);
  assert.match('  color: #fff;', COLOUR);
});
