/* Whatever people read or hear goes through the translator. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import ts from 'typescript';

const SOURCES = new URL('src/', import.meta.url);
/** Attributes and fields whose text is shown or read out. */
const SHOWN = new Set([
  'alt',
  'aria-label',
  'aria-description',
  'aria-roledescription',
  'body',
  'caption',
  'empty',
  'label',
  'name',
  'placeholder',
  'source',
  'title',
  'why'
]);
const WORDS = /\p{L}{2,}/u;

/** The texts in a source that are shown as they stand, with their lines. */
function untranslated(name, text) {
  const file = ts.createSourceFile(
    name,
    text,
    ts.ScriptTarget.Latest,
    true,
    ts.ScriptKind.TSX
  );
  const found = [];
  const tell = (node, words) => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart());
    found.push(`${name}:${line + 1}: ${words.trim()}`);
  };
  /** The literals that an expression may come to; calls, such as `trans.__`, hide theirs. */
  const literals = node => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) {
      const own = ts.isTemplateExpression(node)
        ? [node.head, ...node.templateSpans.map(s => s.literal)]
            .map(part => part.text)
            .join(' ')
        : node.text;
      if (WORDS.test(own) && !own.startsWith('jupyter-kf:')) {
        tell(node, own);
      }
    } else if (ts.isConditionalExpression(node)) {
      [node.whenTrue, node.whenFalse].forEach(literals);
    } else if (ts.isBinaryExpression(node)) {
      [node.left, node.right].forEach(literals);
    } else if (ts.isParenthesizedExpression(node)) {
      literals(node.expression);
    } else if (ts.isJsxExpression(node) && node.expression) {
      literals(node.expression);
    }
  };
  const visit = node => {
    if (ts.isJsxText(node) && WORDS.test(node.text)) {
      tell(node, node.text);
    } else if (ts.isJsxExpression(node) && !ts.isJsxAttribute(node.parent)) {
      literals(node);
    } else if (ts.isJsxAttribute(node) && node.initializer) {
      if (SHOWN.has(node.name.getText())) {
        literals(node.initializer);
      }
    } else if (ts.isPropertyAssignment(node)) {
      if (SHOWN.has(node.name.getText().replace(/['"]/g, ''))) {
        literals(node.initializer);
      }
    } else if (ts.isBinaryExpression(node)) {
      const { left, operatorToken, right } = node;
      const assigned = operatorToken.kind === ts.SyntaxKind.EqualsToken;
      if (assigned && ts.isPropertyAccessExpression(left)) {
        if (SHOWN.has(left.name.text) || left.name.text === 'textContent') {
          literals(right);
        }
      }
    } else if (ts.isCallExpression(node)) {
      const called = node.expression.getText();
      const [first, second] = node.arguments;
      if (/^(Notification\.|showErrorMessage$)/.test(called)) {
        node.arguments.forEach(literals);
      } else if (/\.setAttribute$/.test(called) && SHOWN.has(first.text)) {
        literals(second);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

test('no text that people see or hear stands in the sources untranslated', async () => {
  const files = (await readdir(SOURCES, { recursive: true })).filter(
    name => /\.tsx?$/.test(name) && !/\.spec\.ts$|wire\.ts$/.test(name)
  );
  assert.ok(files.length > 30);
  const found = [];
  for (const name of files) {
    const text = await readFile(new URL(name, SOURCES), 'utf8');
    found.push(...untranslated(name, text));
  }
  assert.deepEqual(found, []);
});

test('such texts are found', () => {
  const source = `
    <p title="Why not">Plain {busy ? 'yes please' : trans.__('translated')}</p>;
    node.setAttribute('aria-label', 'Spoken');
    widget.title.caption = \`Job \${name}\`;
    Notification.success('Copied');
    add({ label: 'Run' + more, id: 'jupyter-kf:run', className: 'jp-kf' });
  `;
  assert.deepEqual(
    untranslated('a.tsx', source).map(line => line.replace(/^.*?: /, '')),
    ['Why not', 'Plain', 'yes please', 'Spoken', 'Job', 'Copied', 'Run']
  );
});

test('translated texts hold no words put together from pieces', async () => {
  const files = (await readdir(SOURCES, { recursive: true })).filter(name =>
    /\.tsx?$/.test(name)
  );
  for (const name of files) {
    const text = await readFile(new URL(name, SOURCES), 'utf8');
    // an extractor of texts reads literals only
    const calls = text.match(/trans\._{1,2}n?\(\s*[^'"\s)]/g) ?? [];
    assert.deepEqual(calls, [], name);
  }
});
