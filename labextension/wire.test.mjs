/* The types are those of the contracts. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { CONTRACTS, generate } from './wire.mjs';

for (const [file, contract] of Object.entries(CONTRACTS)) {
  test(`${file} is what ${contract} makes; else run \`jlpm build:wire\``, async () => {
    const kept = await readFile(new URL(file, import.meta.url), 'utf8');
    assert.equal(kept, await generate(contract));
  });
}
