/* The first line of a job cell, `%%kf ...`, read and written. The notebook's text is the truth. */

export interface IJobLine {
  workers?: number;
  profile?: string;
  name?: string;
  detach: boolean;
  /** Options that this file does not know, kept as they are written. */
  others: string[];
}

const FIRST = /^(\s*\n)*%%kf(?=\s|$)([^\n]*)\n?/;
const SHORT: Record<string, string> = {
  '-w': '--workers',
  '-p': '--profile',
  '-n': '--name',
  '-d': '--detach'
};

/** Read a cell's first line; null if it is no job cell. */
export function read(source: string): IJobLine | null {
  const match = FIRST.exec(source);
  return match ? parse(words(match[2])) : null;
}

/** Put the line on a cell, in the place of one that is there. */
export function write(source: string, line: IJobLine): string {
  return `${format(line)}\n${remove(source)}`;
}

/** Take the line off a cell. */
export function remove(source: string): string {
  return source.replace(FIRST, '');
}

export function format(line: IJobLine): string {
  const parts = ['%%kf'];
  if (line.workers !== undefined) {
    parts.push('--workers', String(line.workers));
  }
  if (line.profile) {
    parts.push('--profile', quote(line.profile));
  }
  if (line.name) {
    parts.push('--name', quote(line.name));
  }
  if (line.detach) {
    parts.push('--detach');
  }
  return [...parts, ...line.others].join(' ');
}

function parse(given: string[]): IJobLine {
  const line: IJobLine = { detach: false, others: [] };
  for (let i = 0; i < given.length; i++) {
    const [head, inline] = split(given[i]);
    const option = SHORT[head] ?? head;
    if (option === '--detach') {
      line.detach = true;
    } else if (
      option === '--workers' ||
      option === '--profile' ||
      option === '--name'
    ) {
      const value = unquote(inline ?? given[++i] ?? '');
      if (option === '--workers') {
        line.workers = Number.parseInt(value, 10) || undefined;
      } else {
        line[option === '--name' ? 'name' : 'profile'] = value;
      }
    } else {
      line.others.push(given[i]);
    }
  }
  return line;
}

function split(word: string): [string, string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function words(text: string): string[] {
  return text.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
}

function unquote(word: string): string {
  return word.replace(/^(["'])(.*)\1$/, '$2');
}

function quote(word: string): string {
  return /\s/.test(word) ? `"${word}"` : word;
}
