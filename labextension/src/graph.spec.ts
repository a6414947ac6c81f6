import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphNode, group, IPart, layOut, pathTo } from './graph';

const SMALL: GraphNode[] = [
  ['x', 'Placeholder', []],
  ['dense/MatMul/ReadVariableOp', 'ReadVariableOp', []],
  ['dense/MatMul', 'MatMul', [0, 1]],
  ['dense/Relu', 'Relu', [2]],
  ['loss', 'Mean', [3]]
];

test('operations are grouped by name scope, and closed groups are one box', () => {
  const root = group(SMALL);
  assert.equal(root.count, 5);
  const closed = layOut(root, SMALL, new Set());
  assert.deepEqual(closed.boxes.map(b => b.part.id).sort(), [
    'dense',
    'loss:',
    'x:'
  ]);
  assert.deepEqual(closed.arrows.map(a => a.id).sort(), [
    'dense\nloss:',
    'x:\ndense'
  ]);
});

test('an opened group holds its parts, an operation with the name of a scope among them', () => {
  const root = group(SMALL);
  const open = new Set(['dense', 'dense/MatMul']);
  const picture = layOut(root, SMALL, open);
  const [outer] = picture.boxes.filter(b => b.part.id === 'dense');
  const [inner] = picture.boxes.filter(b => b.part.id === 'dense/MatMul:');
  assert.ok(Math.abs(inner.x - outer.x) * 2 < outer.width);
  assert.ok(Math.abs(inner.y - outer.y) * 2 < outer.height);
  assert.ok(picture.arrows.every(a => a.points.length >= 2));
  assert.deepEqual(
    pathTo(root, 2).map(each => each.id),
    ['dense', 'dense/MatMul', 'dense/MatMul:']
  );
});

test('no group of 5,000 operations without scopes is crowded', () => {
  const nodes: GraphNode[] = Array.from({ length: 5000 }, (_, i) => [
    `op_${i}`,
    `Kind${i % 100}`,
    i ? [i - 1] : []
  ]);
  const root = group(nodes);
  assert.equal(root.count, 5000);
  const check = (each: IPart): void => {
    assert.ok(each.parts.length <= 30, `${each.id}: ${each.parts.length}`);
    each.parts.forEach(check);
  };
  check(root);
  assert.ok(layOut(root, nodes, new Set()).boxes.length <= 30);
  assert.equal(pathTo(root, 4321).pop()?.node, 4321);
});

test('scopes stay in sight beside many operations without one', () => {
  const loose: GraphNode[] = Array.from({ length: 200 }, (_, i) => [
    `op_${i}`,
    `Kind${i % 90}`,
    []
  ]);
  const root = group([...loose, ...SMALL]);
  assert.ok(root.parts.some(each => each.id === 'dense'));
  assert.ok(root.parts.length < 30);
});

test('nothing gives an empty picture', () => {
  const picture = layOut(group([]), [], new Set());
  assert.deepEqual([picture.boxes, picture.arrows], [[], []]);
});
