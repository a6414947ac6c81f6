/* A replica's log as lines to show: records resolved, carriage returns obeyed, a bounded window. */
import type { TailFrame } from './socket';

const MARK = '\u001e';

interface IRecord {
  kind: string;
  text?: string;
  data?: Record<string, unknown>;
}

/** Takes text out of a log that comes in pieces; the grammar is the server's `logs.py`. */
export class LogReader {
  feed(piece: string): string {
    let text = this._held + piece;
    let out = '';
    this._held = '';
    for (;;) {
      const mark = text.indexOf(MARK);
      if (mark < 0) {
        return out + text;
      }
      out += text.slice(0, mark);
      const end = text.indexOf('\n', mark);
      if (end < 0) {
        this._held = text.slice(mark);
        return out;
      }
      out += show(text.slice(mark + 1, end));
      text = text.slice(end + 1);
    }
  }

  private _held = '';
}

function show(json: string): string {
  let record: IRecord;
  try {
    record = JSON.parse(json) as IRecord;
  } catch {
    return `${json}\n`;
  }
  switch (record.kind) {
    case 'stdout':
    case 'stderr':
      return record.text ?? '';
    case 'note':
      return `note: ${record.text ?? ''}\n`;
    case 'display':
    case 'result':
      return `${String(record.data?.['text/plain'] ?? '')}\n`;
    default:
      return '';
  }
}

/** The last lines of one rank's log, at most `limit`; `first` is the number of the first one. */
export class LogLines {
  constructor(readonly limit = 50_000) {}

  /** Line by line as printed, ANSI codes and all; the last one may still grow. */
  readonly lines: string[] = [];
  /** The number of lines that went out of the window at its start. */
  dropped = 0;
  /** Bytes before the window that can still be fetched; 0 if the window has all. */
  before = 0;

  take(frame: TailFrame): void {
    if (frame.kind === 'gap') {
      this.lines.length = 0;
      this._reader = new LogReader();
      this._open = '';
      this.before = frame.to;
      this._skip = true;
    } else if (frame.kind === 'log') {
      this.add(frame.text);
    }
  }

  add(text: string): void {
    if (this._skip) {
      // after a gap the text starts in the middle of a line
      const newline = text.indexOf('\n');
      if (newline < 0) {
        return;
      }
      text = text.slice(newline + 1);
      this._skip = false;
    }
    const parts = (this._open + this._reader.feed(text)).split('\n');
    if (this._openShown) {
      this.lines.pop();
    }
    this._open = parts[parts.length - 1];
    this._openShown = this._open !== '';
    if (!this._openShown) {
      parts.pop();
    }
    for (const part of parts) {
      this.lines.push(overwrite(part));
    }
    this._shorten();
  }

  /** Put text that was passed over before the window; it starts and ends with whole lines. */
  prepend(text: string, before: number): void {
    const lines = new LogReader().feed(text).split('\n');
    if (lines[lines.length - 1] === '') {
      lines.pop();
    }
    this.lines.unshift(...lines.map(overwrite));
    this.before = before;
  }

  private _shorten(): void {
    // in large steps, as each one moves all lines
    if (this.lines.length > this.limit * 1.2) {
      const gone = this.lines.length - this.limit;
      this.lines.splice(0, gone);
      this.dropped += gone;
    }
  }

  private _reader = new LogReader();
  private _open = '';
  private _openShown = false;
  private _skip = false;
}

/** What a terminal shows of a line with carriage returns and backspaces in it. */
export function overwrite(line: string): string {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  const back = text.lastIndexOf('\r');
  let last = back < 0 ? text : text.slice(back + 1);
  while (last.includes('\b')) {
    last = last.replace(/[^\b]?[\b]/, '');
  }
  return last;
}
