/* Colours in a line of a log: ANSI codes become runs of text with the classes JupyterLab styles. */

export interface IRun {
  text: string;
  className: string;
}

const COLOURS = [
  'black',
  'red',
  'green',
  'yellow',
  'blue',
  'magenta',
  'cyan',
  'white'
];
const CODE =
  // eslint-disable-next-line no-control-regex
  /\u001b\[([0-9;]*)([A-Za-z])|\u001b\][^\u0007]*(?:\u0007|$)|\u001b./g;

/** Cut a line in runs; styles do not reach beyond a line. */
export function runs(line: string): IRun[] {
  if (!line.includes('\u001b')) {
    return [{ text: line, className: '' }];
  }
  const found: IRun[] = [];
  let style: Record<string, string> = {};
  let at = 0;
  for (const match of line.matchAll(CODE)) {
    push(found, line.slice(at, match.index), style);
    at = match.index + match[0].length;
    if (match[2] === 'm') {
      style = apply(style, match[1].split(';').map(Number));
    }
  }
  push(found, line.slice(at), style);
  return found;
}

/** The text without its colours. */
export function plain(line: string): string {
  return line.includes('\u001b') ? line.replace(CODE, '') : line;
}

function push(
  found: IRun[],
  text: string,
  style: Record<string, string>
): void {
  if (text) {
    found.push({ text, className: Object.values(style).join(' ') });
  }
}

function apply(
  before: Record<string, string>,
  codes: number[]
): Record<string, string> {
  let style = { ...before };
  for (const code of codes) {
    const colour = COLOURS[code % 10];
    if (code === 0) {
      style = {};
    } else if (code === 1) {
      style.bold = 'ansi-bold';
    } else if (code === 4) {
      style.underline = 'ansi-underline';
    } else if (code === 22) {
      delete style.bold;
    } else if (code === 24) {
      delete style.underline;
    } else if (code === 39) {
      delete style.fg;
    } else if (code === 49) {
      delete style.bg;
    } else if (code >= 30 && code <= 37) {
      style.fg = `ansi-${colour}-fg`;
    } else if (code >= 90 && code <= 97) {
      style.fg = `ansi-${colour}-intense-fg`;
    } else if (code >= 40 && code <= 47) {
      style.bg = `ansi-${colour}-bg`;
    } else if (code === 38 || code === 48) {
      break; // 256 and true colours are not of the theme
    }
  }
  return style;
}
